import { type ChatRoom, segmentName } from '../../model/rooms.ts'
import { StorageError } from '../../persistence/storage-error.ts'
import type { UpdateLog } from '../../persistence/update-log.ts'

export interface RoomPeopleOptions {
  readonly room: ChatRoom
  readonly log: UpdateLog
  /** Who has a document open, as far as this instance knows. */
  readonly present: (document: string) => ReadonlySet<string>
  /** Whether everybody belongs to every room, as in a product all of whose users may read everything. */
  readonly isOpenToAll: boolean
  readonly onProblem: (error: StorageError) => void
}

interface Writers {
  readonly users: Set<string>
  /** Up to where the log was asked for them. */
  position: number
}

/**
 * Who belongs to a room, as far as the server knows: nobody tells it who has been granted what and is not there. Of a
 * direct chat these are its members; of the chat beside a document, whoever has that document or the head of the room
 * open, or has written in one of them, as everybody does who has read a message, or in the parts of the room that are asked
 * for. The log says so by the Yjs client ids.
 */
export class RoomPeople {
  readonly #options: RoomPeopleOptions
  readonly #writers = new Map<string, Writers>()

  constructor(options: RoomPeopleOptions) {
    this.#options = options
  }

  /** Those of `users` who belong to the room, with these segments. @throws {StorageError} when that can't be told now */
  async among(users: Iterable<string>, segments: readonly number[] = []): Promise<ReadonlySet<string>> {
    const wanted = new Set(users)
    const { room, present, isOpenToAll } = this.#options
    if (room.kind === 'dm') return wanted.intersection(new Set(room.members))
    if (isOpenToAll) return wanted
    const documents = [room.room, ...segments.map((number) => segmentName(room.room, number)), room.beside]
    const found = wanted.intersection(present(room.room).union(present(room.beside)))
    for (const document of documents) {
      if (found.size === wanted.size) break
      const writers = await this.#writersOf(document)
      for (const user of wanted) if (writers.has(user)) found.add(user)
    }
    return found
  }

  async #writersOf(document: string): Promise<ReadonlySet<string>> {
    const writers = this.#writers.get(document) ?? { users: new Set(), position: 0 }
    this.#writers.set(document, writers)
    const claims = await this.#claims(document, writers.position)
    for (const { user, position } of claims) {
      writers.users.add(user)
      writers.position = Math.max(writers.position, position)
    }
    return writers.users
  }

  async #claims(document: string, after: number) {
    try {
      return await this.#options.log.claims(document, after)
    } catch (error) {
      if (!isDamage(error)) throw error
      // It stays as it is however often it is read: the room goes on without it.
      this.#options.onProblem(error)
      return []
    }
  }
}

/** Whether what was asked for can't be read now or later. */
export function isDamage(error: unknown): error is StorageError {
  return error instanceof StorageError && (error.code === 'storage/corrupt' || error.code === 'storage/key')
}

import { setImmediate } from 'node:timers/promises'
import { CoweaveError } from '../../model/errors.ts'
import { inboxOf } from '../../model/rooms.ts'
import { DAMAGED_EVENT, type StoredEvent } from '../../persistence/event-store.ts'
import type { StoredErasure } from '../../persistence/people-store.ts'
import type { UpdateLog } from '../../persistence/update-log.ts'
import { type Deletions, DOCUMENT_DELETED } from '../documents/deletions.ts'
import type { DirectChats } from './direct-chats.ts'
import type { Person } from './messages.ts'
import { isAbout, isNamedAfter } from './naming.ts'
import { add, type Counts } from './receipt.ts'
import type { RoomEraser } from './room-eraser.ts'

const PAGE_DOCUMENTS = 500
const PAGE_MESSAGES = 100
const PAGE_EVENTS = 500
const UNREADABLE: ReadonlySet<string> = new Set([
  'storage/corrupt',
  'storage/key',
  'document/load-failed',
  'document/bad-name',
])
/** Names of documents in a receipt; how many there are is told besides. */
const MAX_NAMES = 1_000
/** The documents that may hold people, besides direct chats. */
const ROOMS = ['chat/', 'inbox/', 'lobby/'] as const

/** How far an erasure has come, and what is told of it. Stored as JSON. */
export interface Progress {
  readonly by: string
  /** Of its id and the user; whoever knows both can ask for it, when the user is written nowhere any more. */
  readonly digest: string
  /** Until nothing else of them is left. */
  readonly person?: Person
  readonly step: number
  /** Of the rooms, the last document that is done. */
  readonly after: string
  readonly counts: Counts
  /** Free-form documents that they wrote in, named versions of or looked at. */
  readonly documents: readonly string[]
  readonly documentCount: number
  /** Documents that can't be opened or read, and why: they are as they were. */
  readonly failed: readonly { readonly document: string; readonly code: string }[]
  readonly endedAt?: number
  readonly problem?: string
}

export interface ErasureOptions {
  readonly log: UpdateLog
  readonly deletions: Deletions
  readonly rooms: RoomEraser
  readonly directChats: DirectChats
  readonly save: (progress: Progress) => Promise<void>
  readonly signal: AbortSignal
}

/** Erases one person, step by step. What was done is stored, so that it goes on there; each step may be done again. */
export class Erasure {
  readonly #options: ErasureOptions
  #progress: Progress

  constructor(progress: Progress, options: ErasureOptions) {
    this.#progress = progress
    this.#options = options
  }

  /** Resolves once all is done, or when the signal says so. */
  async run(): Promise<void> {
    const { signal, log } = this.#options
    const { person } = this.#progress
    if (person !== undefined) {
      const steps = [this.#findDocuments, this.#eraseInbox, this.#moveDirectChats, this.#eraseRooms, this.#giveAway]
      for (const [index, step] of [...steps, this.#eraseEvents].entries()) {
        if (index < this.#progress.step) continue
        const counts = structuredClone(this.#progress.counts)
        await step.call(this, person, counts)
        if (signal.aborted) return
        await this.#save({ step: index + 1, counts })
      }
      const { person: _person, ...anonymous } = this.#progress
      this.#progress = anonymous
      await this.#save({})
    }
    await log.people.sweep()
    const { problem: _problem, ...done } = this.#progress
    this.#progress = done
    await this.#save({ endedAt: Date.now() })
  }

  async #save(changed: Partial<Progress>): Promise<void> {
    this.#progress = { ...this.#progress, ...changed }
    await this.#options.save(this.#progress)
  }

  async #findDocuments({ user }: Person): Promise<void> {
    const documents: string[] = []
    let documentCount = 0
    for await (const { document } of this.#options.log.people.traces(user)) {
      if (ROOMS.some((prefix) => document.startsWith(prefix)) || isNamedAfter(user, document)) continue
      documentCount += 1
      if (documents.length < MAX_NAMES) documents.push(document)
    }
    await this.#save({ documents, documentCount })
  }

  async #eraseInbox({ user }: Person, counts: Counts): Promise<void> {
    const { log, deletions } = this.#options
    const inbox = inboxOf(user)
    add(counts, { subscriptions: await log.pushes.endAll(inbox), notifications: await this.#countMessages(inbox) })
    await deletions.deleteUntold(inbox)
    await deletions.erase(inbox)
    await deletions.free(inbox)
  }

  async #moveDirectChats(person: Person, counts: Counts): Promise<void> {
    const { directChats, rooms, signal } = this.#options
    for (const [room, documents] of await directChats.of(person.user)) {
      if (signal.aborted) return
      await this.#unlessUnreadable(room, async () => {
        await directChats.reopen(documents)
        for (const { name, deleted } of documents) {
          if (!deleted?.isErased) await rooms.erase(name, person, counts)
        }
        await directChats.move(room, documents, person)
        add(counts, { directChats: 1 })
      })
    }
  }

  async #eraseRooms(person: Person, counts: Counts): Promise<void> {
    const { log, signal } = this.#options
    for (const prefix of ROOMS) {
      let after = this.#progress.after
      for (let isLast = false; !isLast; ) {
        const page = await log.documents({ prefix, after, limit: PAGE_DOCUMENTS })
        isLast = page.length < PAGE_DOCUMENTS
        for (const { name } of page) {
          if (signal.aborted) return
          after = name
          const hadAny = await this.#unlessUnreadable(name, () => this.#options.rooms.erase(name, person, counts))
          if (hadAny) await this.#save({ after, counts: structuredClone(counts) })
          await setImmediate()
        }
      }
    }
  }

  /** What can't be read stays so however often it is tried: it is told, and all else goes on. */
  async #unlessUnreadable<T>(document: string, work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work()
    } catch (error) {
      // Deleted meanwhile, by somebody else.
      if (error instanceof CoweaveError && error.code === DOCUMENT_DELETED) return undefined
      if (!isUnreadable(error)) throw error
      const failed = this.#progress.failed.filter((known) => known.document !== document)
      await this.#save({ failed: [...failed, { document, code: error.code }] })
      return undefined
    }
  }

  async #giveAway({ user, pseudonym }: Person, counts: Counts): Promise<void> {
    add(counts, await this.#options.log.people.disown(user, pseudonym))
  }

  async #eraseEvents({ user }: Person, counts: Counts): Promise<void> {
    const { events } = this.#options.log
    for (let after = 0; ; ) {
      const page = await events.read({ after, limit: PAGE_EVENTS })
      const last = page.at(-1)
      if (last === undefined) return
      after = last.number
      // What can't be read may name them, and tells nobody anything.
      const isToGo = (event: StoredEvent) => event.kind === DAMAGED_EVENT || isAbout(user, event)
      const numbers = page.filter(isToGo).map(({ number }) => number)
      if (numbers.length > 0) add(counts, { events: await events.remove(numbers) })
    }
  }

  async #countMessages(room: string): Promise<number> {
    let count = 0
    for (let before = Number.MAX_SAFE_INTEGER; ; ) {
      const page = await this.#options.log.messages.list(room, { before, limit: PAGE_MESSAGES })
      count += page.length
      const [first] = page
      if (first === undefined || page.length < PAGE_MESSAGES) return count
      before = first.seq
    }
  }
}

/** The progress of a stored erasure. */
export function progressOf({ json }: StoredErasure): Progress {
  return JSON.parse(json)
}

/** Whether a document stays unreadable however often it is tried. */
function isUnreadable(error: unknown): error is CoweaveError {
  return error instanceof CoweaveError && UNREADABLE.has(error.code)
}

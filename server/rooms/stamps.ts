import * as encoding from 'lib0/encoding'
import * as Y from 'yjs'
import type { ArchivedMessage } from '../../persistence/message-store.ts'
import { idOf } from './segment.ts'

/** What is to be stored together: an update that stamps messages, and the messages as they are after it. */
export interface Stamps {
  readonly update: Uint8Array
  readonly messages: readonly ArchivedMessage[]
}

export interface StampOptions {
  readonly room: string
  /** The Yjs client id to write with. Nothing else writes with it in this document. */
  readonly client: number
  readonly firstSeq: number
  readonly receivedAt: number
}

/**
 * Gives messages of `document` their places in the room, as an update that is not applied: it becomes true only if
 * nobody else has given these places when it is committed.
 *
 * The structs are made by hand, since a transaction would change the document, and a copy of it would cost more than
 * everything else.
 */
export function stampsFor(document: Y.Doc, messages: readonly Y.Map<unknown>[], options: StampOptions): Stamps {
  const { room, client, firstSeq, receivedAt } = options
  const structs = new StructList(client, Y.getState(document.store, client))
  const archived = messages.map((message, index): ArchivedMessage => {
    const seq = firstSeq + index
    const parent = idIn(message)
    structs.set(parent, 'seq', new Y.ContentAny([seq]))
    structs.set(parent, 'receivedAt', new Y.ContentAny([receivedAt]))
    const fields = { ...message.toJSON(), seq, receivedAt }
    if (message.has('reactions')) return { room, seq, id: idOf(message), json: JSON.stringify(fields) }
    structs.set(parent, 'reactions', new Y.ContentType(new Y.Map()))
    return { room, seq, id: idOf(message), json: JSON.stringify({ ...fields, reactions: {} }) }
  })
  return { update: structs.encode(), messages: archived }
}

/** New structs of one client, in the order of their clocks. */
class StructList {
  readonly #client: number
  readonly #start: number
  readonly #items: Y.Item[] = []

  constructor(client: number, start: number) {
    this.#client = client
    this.#start = start
  }

  /** Sets a key that a map does not have. */
  set(map: Y.ID, key: string, content: Y.ContentAny | Y.ContentType): void {
    const id = Y.createID(this.#client, this.#start + this.#items.length)
    // As Yjs has an item that it has read and not yet integrated.
    this.#items.push(new Y.Item(id, null, null, null, null, map, key, content))
  }

  /** Update format 1 of Yjs (writeStructs in its src/utils/encoding.js): one client's structs, and no deletion. */
  encode(): Uint8Array {
    const encoder = new Y.UpdateEncoderV1()
    encoding.writeVarUint(encoder.restEncoder, 1)
    encoding.writeVarUint(encoder.restEncoder, this.#items.length)
    encoder.writeClient(this.#client)
    encoding.writeVarUint(encoder.restEncoder, this.#start)
    for (const item of this.#items) item.write(encoder, 0)
    encoding.writeVarUint(encoder.restEncoder, 0)
    return encoder.toUint8Array()
  }
}

function idIn(message: Y.Map<unknown>): Y.ID {
  const item = message._item
  if (item === null) throw new Error('the message is in no document')
  return item.id
}

import type * as Y from 'yjs'
import { actInCall, type Call, type CallAct, type CallMedia, callsIn, callsOf, startCall } from '../../model/calls.ts'
import { decodeDirectDelivery, encodeDirectRequest } from '../../model/direct.ts'
import { CoweaveError } from '../../model/errors.ts'
import type { CallSignalling, Calls, CollaborativeDocument, Stop } from '../api.ts'
import { Listeners } from '../listeners.ts'
import { Store } from '../store.ts'
import { deviceName } from './device.ts'
import { followDocument, isOnline } from './document-follower.ts'

const SIGNAL = 'signal'

interface ReceivedSignal {
  readonly call: string
  readonly from: string
  readonly signal: unknown
}

/** The calls of one open room, as one user on this device takes part in them. */
export class RoomCalls implements Calls {
  readonly list = new Store<readonly Call[]>([])
  readonly device = deviceName()
  readonly #head: CollaborativeDocument
  readonly #user: () => string | undefined
  readonly #signals = new Listeners<ReceivedSignal>()
  readonly #stops: Stop[]

  /** `user` is known once the room is online. */
  constructor(head: CollaborativeDocument, user: () => string | undefined) {
    this.#head = head
    this.#user = user
    this.#stops = [
      followDocument(head, { onChange() {}, onDoc: (ydoc) => this.#follow(ydoc) }),
      head.onStateless((message) => this.#receive(message)),
    ]
  }

  start(to: readonly string[], media: CallMedia): string {
    const user = this.#user()
    // Written now, it would ring when the network is back.
    if (user === undefined || !isOnline(this.#head)) throw new CoweaveError('call/offline', 'the server is away')
    if (this.#head.state.get().readOnly !== false) throw new CoweaveError('call/read-only', 'nobody may be called here')
    return startCall(this.#head.ydoc, { from: user, to, media, device: this.device })
  }

  answer(id: string): void {
    this.#act(id, 'answer')
  }

  decline(id: string): void {
    this.#act(id, 'decline')
  }

  cancel(id: string): void {
    this.#act(id, 'cancel')
  }

  end(id: string): void {
    this.#act(id, 'end')
  }

  signalling(id: string): CallSignalling {
    return {
      send: (party, signal) => {
        const call = { id, device: this.device }
        this.#head.sendStateless(
          encodeDirectRequest({ to: party, kind: SIGNAL, payload: JSON.stringify(signal), call }),
        )
      },
      listen: (listener) =>
        this.#signals.add(({ call, from, signal }) => {
          if (call === id) listener(from, signal)
        }),
    }
  }

  close(): void {
    for (const stop of this.#stops) stop()
    this.#signals.clear()
  }

  #act(id: string, act: CallAct): void {
    const user = this.#user()
    const call = callsOf(this.#head.ydoc)
      .toArray()
      .find((entry) => entry.get('id') === id)
    if (user === undefined || call === undefined)
      throw new CoweaveError('call/no-such-call', `${this.#head.name} has no call ${id}`)
    actInCall(call, act, user, this.device)
  }

  #follow(ydoc: Y.Doc): Stop {
    const calls = callsOf(ydoc)
    const read = () => this.list.set(reuse(this.list.get(), callsIn(ydoc)))
    read()
    calls.observeDeep(read)
    return () => calls.unobserveDeep(read)
  }

  #receive(message: string): void {
    const delivery = decodeDirectDelivery(message)
    if (delivery?.kind !== SIGNAL || delivery.call?.device !== this.device) return
    this.#signals.tell({ call: delivery.call.id, from: delivery.from, signal: jsonIn(delivery.payload) })
  }
}

/** Each call is another object only when it has changed, and so is the list. */
function reuse(before: readonly Call[], next: readonly Call[]): readonly Call[] {
  const known = new Map(before.map((call) => [JSON.stringify(call), call]))
  const calls = next.map((call) => known.get(JSON.stringify(call)) ?? call)
  return calls.length === before.length && calls.every((call, index) => call === before[index]) ? before : calls
}

function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // sent by another library
  }
}

import { Store } from '../store.ts'
import { PeerConnection, type Tracks } from './peer-connection.ts'
import type { Sends, Signal, SignalContent } from './signal.ts'

/** `failed` for a long time without success; it is tried on. */
export type PeerConnectionState = 'connecting' | 'connected' | 'reconnecting' | 'failed'

export interface PeerState {
  readonly party: string
  readonly connection: PeerConnectionState
  /** What comes from the party, for the `srcObject` of a video element. The same object while the connection lasts. */
  readonly stream: MediaStream | undefined
  /** What the party says that it sends; otherwise there is silence, or a still picture. */
  readonly sends: Sends
}

export interface PeerOptions {
  readonly party: string
  readonly isFirst: boolean
  /** Asked for each connection: the credentials in them end. */
  readonly iceServers: () => Promise<readonly RTCIceServer[]>
  readonly tracks: Tracks
  readonly sends: Sends
  send(signal: Signal): void
}

/** How long one attempt to connect may take before the next one starts afresh. */
const ATTEMPT_MS = 10_000
const FAILED_AFTER_MS = 30_000

/**
 * One other party of a call. Both say hello when they come, and the first of the two answers a hello with an offer; so it
 * does not matter who comes first, which signals were lost before, or whether a party comes back as a new page.
 */
export class Peer {
  readonly state: Store<PeerState>
  readonly #options: PeerOptions
  #session = ''
  /** Of this session; undefined until they are known. */
  #iceServers: readonly RTCIceServer[] | undefined
  #remoteSession: string | undefined
  #connection: PeerConnection | undefined
  #tracks: Tracks
  #sends: Sends
  #attemptTimer: ReturnType<typeof setTimeout> | undefined
  #failTimer: ReturnType<typeof setTimeout> | undefined
  #isClosed = false

  constructor(options: PeerOptions) {
    this.#options = options
    this.#tracks = options.tracks
    this.#sends = options.sends
    const sends = { audio: false, video: false }
    this.state = new Store<PeerState>({ party: options.party, connection: 'connecting', stream: undefined, sends })
    this.#failLater()
    void this.#attempt()
  }

  setTracks(tracks: Tracks, sends: Sends): void {
    this.#tracks = tracks
    this.#connection?.setTracks(tracks)
    if (sends.audio === this.#sends.audio && sends.video === this.#sends.video) return
    this.#sends = sends
    this.#send({ type: 'sends', ...sends })
  }

  take(signal: Signal): void {
    if (this.#isClosed) return
    // Of others, not those of an attempt that is over, on this side or the other.
    const isCurrent = signal.session === this.#remoteSession && signal.to === this.#session
    if (signal.type === 'hello') this.#greeted(signal)
    else if (!isCurrent) return
    else if (signal.type === 'sends') this.#change({ sends: { audio: signal.audio, video: signal.video } })
    else this.#connection?.take(signal)
  }

  close(): void {
    this.#isClosed = true
    this.#disconnect()
    clearTimeout(this.#attemptTimer)
    clearTimeout(this.#failTimer)
  }

  async #attempt(): Promise<void> {
    this.#disconnect()
    this.#attemptLater()
    const session = crypto.randomUUID()
    this.#session = session
    // Who has a direct way to the other party needs none; for all others the next attempt asks again.
    const iceServers = await this.#options.iceServers().catch(() => [])
    if (this.#isClosed || this.#session !== session) return
    this.#iceServers = iceServers
    this.#send({ type: 'hello' })
  }

  #greeted({ session, to }: Signal): void {
    // Not ready yet: the other party is going to hear of it.
    if (this.#iceServers === undefined || session === this.#remoteSession) return
    // It has begun afresh, or an answer comes to a hello that is over.
    if (this.#remoteSession !== undefined) {
      if (to === undefined) void this.#attempt()
      return
    }
    if (to !== undefined && to !== this.#session) return
    this.#remoteSession = session
    if (to === undefined) this.#send({ type: 'hello' })
    this.#send({ type: 'sends', ...this.#sends })
    this.#attemptLater()
    this.#connect(this.#iceServers)
  }

  #connect(iceServers: readonly RTCIceServer[]): void {
    const connection = new PeerConnection({
      iceServers,
      isFirst: this.#options.isFirst,
      tracks: this.#tracks,
      send: (content) => {
        if (connection === this.#connection) this.#send(content)
      },
      changed: () => {
        if (connection === this.#connection) this.#connectionChanged(connection)
      },
    })
    this.#connection = connection
  }

  #connectionChanged({ state, stream }: PeerConnection): void {
    if (state === 'connected') {
      clearTimeout(this.#attemptTimer)
      clearTimeout(this.#failTimer)
      this.#failTimer = undefined
      this.#change({ connection: 'connected', stream })
    } else if (this.state.get().connection === 'connected') {
      this.#attemptLater()
      this.#failLater()
      this.#change({ connection: 'reconnecting' })
    }
  }

  #disconnect(): void {
    this.#connection?.close()
    this.#connection = undefined
    this.#iceServers = undefined
    this.#remoteSession = undefined
    if (this.state.get().connection === 'connected') {
      this.#failLater()
      this.#change({ connection: 'reconnecting' })
    }
  }

  #attemptLater(): void {
    clearTimeout(this.#attemptTimer)
    this.#attemptTimer = setTimeout(() => void this.#attempt(), ATTEMPT_MS)
  }

  #failLater(): void {
    this.#failTimer ??= setTimeout(() => this.#change({ connection: 'failed' }), FAILED_AFTER_MS)
  }

  #send(content: SignalContent): void {
    const to = this.#remoteSession
    this.#options.send({ session: this.#session, ...(to === undefined ? {} : { to }), ...content })
  }

  #change(changes: Partial<PeerState>): void {
    this.state.set({ ...this.state.get(), ...changes })
  }
}

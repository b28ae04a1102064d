import { MAX_CALL_PARTIES } from '../../model/calls.ts'
import type { Readable, Stop } from '../api.ts'
import { Store } from '../store.ts'
import { LocalMedia, type LocalMediaState } from './local-media.ts'
import { Peer, type PeerState } from './peer.ts'
import type { Tracks } from './peer-connection.ts'
import { readSignal, type Sends, type Signalling } from './signal.ts'

export interface MeshCallOptions {
  /** This party; of two parties, the one whose name sorts first begins. */
  readonly self: string
  readonly media: 'audio' | 'video'
  readonly signalling: Signalling
  /** Asked for each connection, since the credentials in them end; none by default. */
  readonly iceServers?: () => Promise<readonly RTCIceServer[]>
}

export interface MeshCallState {
  readonly local: LocalMediaState
  /** The others, in the order in which they were named. */
  readonly peers: readonly PeerState[]
  readonly isOver: boolean
}

/**
 * The media of a call: a connection to each other party, at most five. Who takes part is not decided here: tell it with
 * setParties(). Devices that can't be had and connections that break are states, and nothing throws; without any device
 * one hears and sees the others all the same.
 */
export class MeshCall {
  readonly #options: MeshCallOptions
  readonly #media = new LocalMedia()
  readonly #peers = new Map<string, Peer>()
  readonly #state: Store<MeshCallState>
  readonly #stops: Stop[]

  constructor(options: MeshCallOptions) {
    this.#options = options
    this.#state = new Store<MeshCallState>({ local: this.#media.state.get(), peers: [], isOver: false })
    this.#stops = [
      this.#media.state.subscribe(() => this.#mediaChanged()),
      options.signalling.listen((party, value) => {
        const signal = readSignal(value)
        if (signal !== undefined) this.#peers.get(party)?.take(signal)
      }),
    ]
    void this.#media.start(options.media === 'video')
  }

  /** The same object until something changes. */
  get state(): Readable<MeshCallState> {
    return this.#state
  }

  /**
   * Who takes part now: connects to those who are new, and hangs up on those who are not named any more. This party may
   * be among them.
   * @throws {RangeError} for more than a call may have
   */
  setParties(parties: Iterable<string>): void {
    const others = new Set(parties)
    others.delete(this.#options.self)
    if (others.size >= MAX_CALL_PARTIES) throw new RangeError(`a call has at most ${MAX_CALL_PARTIES} parties`)
    if (this.#state.get().isOver) return
    for (const [party, peer] of this.#peers) {
      if (others.has(party)) continue
      peer.close()
      this.#peers.delete(party)
    }
    for (const party of others) if (!this.#peers.has(party)) this.#peers.set(party, this.#connect(party))
    this.#update()
  }

  /** Resolves once a microphone that is wanted and was not there has been asked for. */
  async setMuted(isMuted: boolean): Promise<void> {
    if (!this.#state.get().isOver) await this.#media.setMuted(isMuted)
  }

  /** Resolves once a camera that is wanted has been asked for. In a call without pictures it may be turned on, too. */
  async setCameraOff(isOff: boolean): Promise<void> {
    if (!this.#state.get().isOver) await this.#media.setCameraOff(isOff)
  }

  /** Shows the others a part of the screen instead of the camera's picture. Resolves once it was chosen. */
  async setScreenShared(isShared: boolean): Promise<void> {
    if (!this.#state.get().isOver) await this.#media.setScreenShared(isShared)
  }

  /** Ends all connections and lets go of the devices, for good. May be called again. */
  hangUp(): void {
    for (const stop of this.#stops.splice(0)) stop()
    for (const peer of this.#peers.values()) peer.close()
    this.#peers.clear()
    this.#media.stop()
    this.#state.set({ local: this.#media.state.get(), peers: [], isOver: true })
  }

  #connect(party: string): Peer {
    const { self, signalling, iceServers = async () => [] } = this.#options
    const peer = new Peer({
      party,
      isFirst: self < party,
      iceServers,
      tracks: tracksOf(this.#media.state.get()),
      sends: sendsOf(this.#media.state.get()),
      send: (signal) => signalling.send(party, signal),
    })
    peer.state.subscribe(() => this.#update())
    return peer
  }

  #mediaChanged(): void {
    const local = this.#media.state.get()
    for (const peer of this.#peers.values()) peer.setTracks(tracksOf(local), sendsOf(local))
    this.#update()
  }

  #update(): void {
    if (this.#state.get().isOver) return
    const peers = [...this.#peers.values()].map(({ state }) => state.get())
    this.#state.set({ local: this.#media.state.get(), peers, isOver: false })
  }
}

function sendsOf({ microphone, camera, screen }: LocalMediaState): Sends {
  return { audio: microphone === 'on', video: camera === 'on' || screen === 'on' }
}

function tracksOf({ audio, video, shared }: LocalMediaState): Tracks {
  return { audio, video: shared ?? video }
}

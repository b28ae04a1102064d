import type { SignalContent } from './signal.ts'

export interface PeerConnectionOptions {
  readonly iceServers: readonly RTCIceServer[]
  /** One of the two parties is: it begins, and its offer counts where both make one. The other one gives in. */
  readonly isFirst: boolean
  readonly tracks: Tracks
  send(content: SignalContent): void
  /** The state of the connection changed, or a track came. */
  changed(): void
}

export interface Tracks {
  readonly audio: MediaStreamTrack | undefined
  readonly video: MediaStreamTrack | undefined
}

/** How long a broken connection may take to come back by itself before another way is looked for. */
const RESTARTS_AFTER_MS = 3_000

/**
 * One RTCPeerConnection to one party, by "perfect negotiation": both sides may offer at any time. There is one place
 * for sound and one for pictures from the start, so that what is sent changes without a word to the other side.
 */
export class PeerConnection {
  /** What comes from the other party. */
  readonly stream = new MediaStream()
  readonly #connection: RTCPeerConnection
  readonly #options: PeerConnectionOptions
  #tracks: Tracks
  #isOffering = false
  #isIgnoringOffer = false
  /** Signals are taken one after the other. */
  #taking = Promise.resolve()
  #restartTimer: ReturnType<typeof setTimeout> | undefined

  constructor(options: PeerConnectionOptions) {
    this.#options = options
    this.#tracks = options.tracks
    this.#connection = new RTCPeerConnection({ iceServers: options.iceServers.map((server) => ({ ...server })) })
    this.#connection.onnegotiationneeded = () => void this.#offer()
    this.#connection.onicecandidate = ({ candidate }) => {
      if (candidate !== null) options.send({ type: 'candidate', candidate: candidate.toJSON() })
    }
    this.#connection.onconnectionstatechange = () => this.#stateChanged()
    this.#connection.ontrack = ({ track }) => {
      this.stream.addTrack(track)
      options.changed()
    }
    // The other side finds its places in the offer: two that both make some would have twice as many.
    if (options.isFirst) for (const kind of ['audio', 'video'] as const) this.#connection.addTransceiver(kind)
    this.setTracks(options.tracks)
  }

  get state(): RTCPeerConnectionState {
    return this.#connection.connectionState
  }

  setTracks(tracks: Tracks): void {
    this.#tracks = tracks
    for (const { sender, receiver } of this.#connection.getTransceivers()) {
      const track = tracks[receiver.track.kind === 'video' ? 'video' : 'audio'] ?? null
      // It fails only where the connection was closed meanwhile.
      if (sender.track !== track) void sender.replaceTrack(track).catch(() => {})
    }
  }

  /** Takes what the other side sent. What makes no sense is left out: then the connection does not come about. */
  take(content: SignalContent): void {
    this.#taking = this.#taking
      .then(async () => {
        if (content.type === 'description') await this.#describe(content.description)
        if (content.type === 'candidate') await this.#addCandidate(content.candidate)
      })
      .catch(() => {})
  }

  close(): void {
    clearTimeout(this.#restartTimer)
    this.#connection.close()
  }

  async #offer(): Promise<void> {
    this.#isOffering = true
    try {
      await this.#connection.setLocalDescription()
      this.#sendDescription()
    } catch {
      // Closed, or an offer of the other side came first, which leads to the same.
    } finally {
      this.#isOffering = false
    }
  }

  async #describe(description: RTCSessionDescriptionInit): Promise<void> {
    const isGlare = description.type === 'offer' && (this.#isOffering || this.#connection.signalingState !== 'stable')
    this.#isIgnoringOffer = isGlare && this.#options.isFirst
    if (this.#isIgnoringOffer) return
    // An offer of one's own is rolled back by this.
    await this.#connection.setRemoteDescription(description)
    if (description.type !== 'offer') return
    for (const transceiver of this.#connection.getTransceivers()) transceiver.direction = 'sendrecv'
    this.setTracks(this.#tracks)
    await this.#connection.setLocalDescription()
    this.#sendDescription()
  }

  async #addCandidate(candidate: RTCIceCandidateInit): Promise<void> {
    try {
      await this.#connection.addIceCandidate(candidate)
    } catch (error) {
      // It belongs to the offer that was not taken.
      if (!this.#isIgnoringOffer) throw error
    }
  }

  #sendDescription(): void {
    const description = this.#connection.localDescription
    if (description !== null) this.#options.send({ type: 'description', description: description.toJSON() })
  }

  #stateChanged(): void {
    clearTimeout(this.#restartTimer)
    if (this.state === 'failed') this.#connection.restartIce()
    if (this.state === 'disconnected') {
      this.#restartTimer = setTimeout(() => this.#connection.restartIce(), RESTARTS_AFTER_MS)
    }
    this.#options.changed()
  }
}

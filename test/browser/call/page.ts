import { MeshCall, type MeshCallState } from '../../../client/calls/index.ts'

/** What a test does with one party of a call, and what it sees. */
export interface CallPage {
  start(self: string, media: 'audio' | 'video'): void
  /** A signal of another party comes. */
  deliver(party: string, text: string): void
  setParties(parties: readonly string[]): void
  setMuted(isMuted: boolean): Promise<void>
  setCameraOff(isOff: boolean): Promise<void>
  hangUp(): void
  seen(): SeenCall
  /** Pictures that were decoded since the page was opened, of the connections that there are, the oldest first. */
  framesDecoded(): Promise<number[]>
  /** Sound that came, of the same connections: bytes. */
  audioBytes(): Promise<number[]>
  /** Both sides may do so at once. */
  restartIce(): void
  /** The name of the way that each connection takes: a new one after an ICE restart. */
  ways(): (string | undefined)[]
  /** What each connection has settled on with the other side. */
  settled(): { state: string; own: string | undefined; others: string | undefined }[]
  /** Breaks the connections without a word to anybody. */
  breakConnections(): void
  /** As when it is pulled out. */
  unplugCamera(): void
  liveDevices(): number
}

/** The state of the call without what is no JSON. */
export interface SeenCall {
  readonly isOver: boolean
  readonly microphone: string
  readonly camera: string
  readonly peers: readonly { party: string; connection: string; audio: boolean; video: boolean }[]
}

declare global {
  interface Window {
    page: CallPage
    sendSignal(party: string, text: string): Promise<void>
  }
}

const connections: RTCPeerConnection[] = []
const tracks = new Set<MediaStreamTrack>()
let listener: ((party: string, signal: unknown) => void) | undefined
let call: MeshCall | undefined

// The engine tells nobody of its connections: statistics are for the test alone.
window.RTCPeerConnection = class extends RTCPeerConnection {
  constructor(configuration?: RTCConfiguration) {
    super(configuration)
    connections.push(this)
  }
}

function open(): RTCPeerConnection[] {
  return connections.filter(({ signalingState }) => signalingState !== 'closed')
}

function theCall(): MeshCall {
  if (call === undefined) throw new Error('no call yet')
  return call
}

/** Shows what comes: what nobody looks at need not be decoded. */
function show({ peers, local }: MeshCallState): void {
  for (const track of [local.audio, local.video]) if (track !== undefined) tracks.add(track)
  for (const { party, stream } of peers) {
    if (stream === undefined) continue
    let video = document.querySelector<HTMLVideoElement>(`#${party}`)
    if (video === null) {
      video = document.createElement('video')
      video.id = party
      video.autoplay = true
      video.muted = true
      document.body.append(video)
    }
    if (video.srcObject !== stream) video.srcObject = stream
  }
}

function wayIn(description: RTCSessionDescription | null): string | undefined {
  return /a=ice-ufrag:(\S+)/.exec(description?.sdp ?? '')?.[1]
}

async function received(kind: string, field: string): Promise<number[]> {
  return await Promise.all(
    open().map(async (connection) => {
      let sum = 0
      const report: ReadonlyMap<string, Record<string, unknown>> = new Map(
        [...(await connection.getStats()).values()].map((entry) => [entry.id, entry]),
      )
      for (const entry of report.values()) {
        if (entry.type === 'inbound-rtp' && entry.kind === kind) sum += Number(entry[field] ?? 0)
      }
      return sum
    }),
  )
}

window.page = {
  start(self, media) {
    call = new MeshCall({
      self,
      media,
      signalling: {
        send: (party, signal) => void window.sendSignal(party, JSON.stringify(signal)),
        listen(heard) {
          listener = heard
          return () => {
            listener = undefined
          }
        },
      },
    })
    const { state } = call
    state.subscribe(() => show(state.get()))
  },
  deliver: (party, text) => listener?.(party, JSON.parse(text)),
  setParties: (parties) => theCall().setParties(parties),
  setMuted: (isMuted) => theCall().setMuted(isMuted),
  setCameraOff: (isOff) => theCall().setCameraOff(isOff),
  hangUp: () => theCall().hangUp(),
  seen() {
    const { state } = theCall()
    const { local, peers, isOver } = state.get()
    return {
      isOver,
      microphone: local.microphone,
      camera: local.camera,
      peers: peers.map(({ party, connection, sends }) => ({ party, connection, ...sends })),
    }
  },
  framesDecoded: () => received('video', 'framesDecoded'),
  audioBytes: () => received('audio', 'bytesReceived'),
  restartIce: () => open().forEach((connection) => void connection.restartIce()),
  ways: () => open().map(({ localDescription }) => wayIn(localDescription)),
  settled: () =>
    open().map(({ signalingState, currentLocalDescription, currentRemoteDescription }) => ({
      state: signalingState,
      own: wayIn(currentLocalDescription),
      others: wayIn(currentRemoteDescription),
    })),
  breakConnections: () => open().forEach((connection) => void connection.close()),
  unplugCamera() {
    // A page can't pull out a device, and stop() tells nobody.
    theCall().state.get().local.video?.dispatchEvent(new Event('ended'))
  },
  liveDevices: () => [...tracks].filter(({ readyState }) => readyState === 'live').length,
}

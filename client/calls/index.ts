export type { DeviceState, LocalMediaState } from './local-media.ts'
export { MeshCall, type MeshCallOptions, type MeshCallState } from './mesh-call.ts'
export type { PeerConnectionState, PeerState } from './peer.ts'
export type { Sends, Signal, SignalContent, Signalling } from './signal.ts'

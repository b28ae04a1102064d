import { Store } from '../store.ts'

/**
 * A microphone or camera: `off` by choice, or why it is not on. `denied`: the user or the browser forbids it; `missing`:
 * there is none, or it was unplugged; `busy`: another program has it.
 */
export type DeviceState = 'asking' | 'on' | 'off' | 'denied' | 'missing' | 'busy' | 'failed'

export interface LocalMediaState {
  readonly microphone: DeviceState
  readonly camera: DeviceState
  /** The screen, or a part of it, which others see in the place of the camera's picture. */
  readonly screen: DeviceState
  /** What others get; undefined where a device is not on. A muted microphone keeps its track. */
  readonly audio: MediaStreamTrack | undefined
  readonly video: MediaStreamTrack | undefined
  readonly shared: MediaStreamTrack | undefined
}

type Kind = 'audio' | 'video' | 'shared'

const DEVICE = { audio: 'microphone', video: 'camera', shared: 'screen' } as const

/** The microphone and the camera of this device. What is wrong with them is told by their state; nothing throws. */
export class LocalMedia {
  readonly state = new Store<LocalMediaState>({
    microphone: 'off',
    camera: 'off',
    screen: 'off',
    audio: undefined,
    video: undefined,
    shared: undefined,
  })
  /** What is wanted of each last: an answer of the browser to an older wish is thrown away. */
  readonly #wishes = { audio: 0, video: 0, shared: 0 }

  /** Asks for both in one question, or for the microphone alone. Resolves once the user has answered. */
  async start(withCamera: boolean): Promise<void> {
    await this.#ask(withCamera ? ['audio', 'video'] : ['audio'])
  }

  /** A muted microphone sends silence, and is there again at once. One that could not be had is asked for anew. */
  async setMuted(isMuted: boolean): Promise<void> {
    const { audio } = this.state.get()
    if (audio === undefined) return isMuted ? this.#release('audio', 'off') : this.#ask(['audio'])
    audio.enabled = !isMuted
    this.#change({ microphone: isMuted ? 'off' : 'on' })
  }

  /** A camera that is off is let go of: its light goes out. */
  async setCameraOff(isOff: boolean): Promise<void> {
    if (isOff) this.#release('video', 'off')
    else if (this.state.get().video === undefined) await this.#ask(['video'])
  }

  /** The browser asks which part of the screen; who doesn't choose one shares nothing. */
  async setScreenShared(isShared: boolean): Promise<void> {
    if (!isShared) this.#release('shared', 'off')
    else if (this.state.get().shared === undefined) await this.#ask(['shared'])
  }

  stop(): void {
    this.#release('shared', 'off')
    this.#release('audio', 'off')
    this.#release('video', 'off')
  }

  async #ask(kinds: readonly Kind[]): Promise<void> {
    const wishes = new Map(kinds.map((kind) => [kind, this.#wish(kind)]))
    for (const kind of kinds) this.#change({ [DEVICE[kind]]: 'asking' })
    const isWanted = (kind: Kind) => wishes.get(kind) === this.#wishes[kind]
    try {
      const isScreen = kinds.includes('shared')
      const stream = await (isScreen ? getDisplayMedia() : getUserMedia(kinds))
      for (const track of stream.getTracks()) {
        const kind = isScreen ? 'shared' : track.kind === 'video' ? 'video' : 'audio'
        if (isWanted(kind)) this.#take(kind, track)
        else track.stop()
      }
    } catch (error) {
      // One of the two may be there all the same.
      for (const kind of kinds) {
        if (!isWanted(kind)) continue
        if (kinds.length > 1) await this.#ask([kind])
        else this.#release(kind, problemOf(error))
      }
    }
  }

  #take(kind: Kind, track: MediaStreamTrack): void {
    track.addEventListener('ended', () => {
      // Of a screen the browser itself offers to stop.
      if (this.state.get()[kind] === track) this.#release(kind, kind === 'shared' ? 'off' : 'missing')
    })
    this.#change({ [kind]: track, [DEVICE[kind]]: 'on' })
  }

  #release(kind: Kind, state: DeviceState): void {
    this.#wish(kind)
    this.state.get()[kind]?.stop()
    this.#change({ [kind]: undefined, [DEVICE[kind]]: state })
  }

  #wish(kind: Kind): number {
    this.#wishes[kind] += 1
    return this.#wishes[kind]
  }

  #change(changes: Partial<LocalMediaState>): void {
    this.state.set({ ...this.state.get(), ...changes })
  }
}

async function getDisplayMedia(): Promise<MediaStream> {
  if (navigator.mediaDevices?.getDisplayMedia === undefined) throw new DOMException('no screen here', 'NotFoundError')
  return await navigator.mediaDevices.getDisplayMedia({ video: true })
}

async function getUserMedia(kinds: readonly Kind[]): Promise<MediaStream> {
  // Pages that are not served over TLS have no such thing.
  if (navigator.mediaDevices === undefined) throw new DOMException('no devices here', 'NotAllowedError')
  return await navigator.mediaDevices.getUserMedia(Object.fromEntries(kinds.map((kind) => [kind, true])))
}

function problemOf(error: unknown): DeviceState {
  const name = error instanceof DOMException ? error.name : ''
  if (name === 'NotAllowedError' || name === 'SecurityError') return 'denied'
  if (name === 'NotFoundError' || name === 'OverconstrainedError') return 'missing'
  return name === 'NotReadableError' || name === 'AbortError' ? 'busy' : 'failed'
}

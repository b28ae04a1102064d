import type { Awareness } from 'y-protocols/awareness'
import { LEAVE_GRACE_MS, type LobbyDevice } from '../../model/lobby.ts'
import { identityIn } from '../presence.ts'
import type { Clock } from './clock.ts'

export interface NamedDevice extends LobbyDevice {
  readonly name: string
}

/** The devices that presence shows. One that is gone counts for a while longer: a reload is no leave. */
export class Devices {
  readonly #clock: Clock
  readonly #onChange: () => void
  /** By Yjs client id. */
  #shown = new Map<number, NamedDevice>()
  readonly #leaving = new Map<NamedDevice, () => void>()
  #unfollow = () => {}

  constructor(clock: Clock, onChange: () => void) {
    this.#clock = clock
    this.#onChange = onChange
  }

  /** Those that are there, or have only just gone, the latter first. */
  get all(): readonly NamedDevice[] {
    return [...this.#leaving.keys(), ...this.#shown.values()]
  }

  /** From now on these are there. */
  follow(awareness: Awareness): void {
    this.#unfollow()
    const update = () => this.#update(awareness)
    awareness.on('change', update)
    this.#unfollow = () => awareness.off('change', update)
    update()
  }

  stop(): void {
    this.#unfollow()
    for (const cancel of this.#leaving.values()) cancel()
    this.#leaving.clear()
  }

  #update(awareness: Awareness): void {
    const before = this.#shown
    this.#shown = devicesIn(awareness)
    for (const [client, device] of before) if (!this.#shown.has(client)) this.#left(device)
    // Whoever is back counts as they are now.
    const users = new Set([...this.#shown.values()].map(({ user }) => user))
    for (const [device, cancel] of this.#leaving) {
      if (!users.has(device.user)) continue
      cancel()
      this.#leaving.delete(device)
    }
    this.#onChange()
  }

  #left(device: NamedDevice): void {
    const cancel = this.#clock.after(LEAVE_GRACE_MS, () => {
      this.#leaving.delete(device)
      this.#onChange()
    })
    this.#leaving.set(device, cancel)
  }
}

function devicesIn(awareness: Awareness): Map<number, NamedDevice> {
  const devices = new Map<number, NamedDevice>()
  for (const [client, state] of awareness.getStates()) {
    const identity = identityIn(state)
    if (identity !== undefined) devices.set(client, { ...identity, isIdle: state.idle === true })
  }
  return devices
}

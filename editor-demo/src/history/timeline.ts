import {
  type Difference,
  type DocumentHistory,
  type EditingSession,
  type NamedVersion,
  Store,
} from '../../../client/index.ts'
import { problemOf } from './problems.ts'
import { mergeNewest, sinceOf } from './sessions.ts'
import type { Unseen } from './unseen.ts'

const PAGE = 30
/** What is played has at most so many steps, each shown for so long, ms. */
const STEPS = 24
const STEP_MS = 500

export type Look = 'changes' | 'authors' | 'text'
/** What the changes are counted from: the beginning of the session, a version's position; `now`: what came after. */
export type Comparison = 'session' | 'now' | number

/** What is on the page in the text's place. */
export interface Shown {
  readonly position: number
  /** When its last edit was made, ms since 1970, and by whom; neither at the very beginning. */
  readonly at: number | undefined
  readonly user: string | undefined
  readonly look: Look
  readonly comparison: Comparison
  readonly content: Difference
}

export interface TimelineState {
  readonly sessions: readonly EditingSession[]
  /** Undefined where there are no earlier sessions. */
  readonly next: number | undefined
  readonly versions: readonly NamedVersion[]
  readonly last: number
  readonly loaded: boolean
  /** Where one wants to look; undefined is now. */
  readonly position: number | undefined
  readonly look: Look
  readonly comparison: Comparison
  /** Up to where one had seen the document, if that was asked for. */
  readonly seen: number | undefined
  /** Undefined for now; behind `position` while it loads. */
  readonly shown: Shown | undefined
  readonly playing: boolean
  readonly problem: string | undefined
}

const empty: TimelineState = {
  sessions: [],
  next: undefined,
  versions: [],
  last: 0,
  loaded: false,
  position: undefined,
  look: 'changes',
  comparison: 'session',
  seen: undefined,
  shown: undefined,
  playing: false,
  problem: undefined,
}

/** For while the history is closed. */
export const nothingShown = new Store(empty)

/** A document's history while somebody looks at it: what there is of it, and which part of it is shown. */
export class Timeline {
  readonly history: DocumentHistory
  readonly state = new Store<TimelineState>(empty)
  #timer: ReturnType<typeof setTimeout> | undefined
  /** Of a slider only the place where it has come to is worth asking for. */
  #isLooking = false
  #looksAgain = false

  constructor(history: DocumentHistory) {
    this.history = history
  }

  /** Reads what is new. */
  async refresh(): Promise<void> {
    await this.#try(async () => {
      const [page, versions] = await Promise.all([this.history.sessions({ limit: PAGE }), this.history.versions()])
      const known = this.state.get()
      const last = Math.max(known.last, ...page.sessions.map(({ lastPosition }) => lastPosition))
      this.#set({ ...mergeNewest(known, page), versions, last, loaded: true })
    })
  }

  async loadEarlier(): Promise<void> {
    const { next } = this.state.get()
    if (next === undefined) return
    await this.#try(async () => {
      const page = await this.history.sessions({ before: next, limit: PAGE })
      const { sessions, next: stillNext } = this.state.get()
      if (stillNext === next) this.#set({ sessions: [...sessions, ...page.sessions], next: page.next })
    })
  }

  goTo(position: number): void {
    this.pause()
    const { comparison } = this.state.get()
    // Changes are counted forward.
    const isBehind = typeof comparison === 'number' && comparison >= position
    this.#show({ position, ...(isBehind && { comparison: 'session' }) })
  }

  /** To what a session has left, and with what it did. */
  goToSession({ lastPosition }: EditingSession): void {
    this.pause()
    this.#show({ position: lastPosition, comparison: 'session' })
  }

  /** To what changed since one last looked. */
  goToUnseen({ from, until }: Unseen): void {
    this.pause()
    this.#show({ position: until, comparison: from, look: 'changes', seen: from })
  }

  toNow(): void {
    this.pause()
    this.#set({ position: undefined, shown: undefined, comparison: 'session' })
  }

  setLook(look: Look): void {
    this.#show({ look })
  }

  compare(comparison: Comparison): void {
    this.pause()
    this.#show({ comparison, look: 'changes' })
  }

  /** From where one looks, or from the beginning if that is the end. */
  play(): void {
    const { position, last } = this.state.get()
    const start = position === undefined || position >= last ? 0 : position
    this.#set({ playing: true })
    this.#show({ position: start, comparison: 'session' })
  }

  pause(): void {
    clearTimeout(this.#timer)
    this.#set({ playing: false })
  }

  #step(): void {
    const { position = 0, last } = this.state.get()
    if (position >= last) this.pause()
    else this.#show({ position: Math.min(last, position + Math.max(1, Math.ceil(last / STEPS))) })
  }

  #show(change: Partial<TimelineState>): void {
    this.#set(change)
    this.#looksAgain = true
    if (!this.#isLooking) void this.#follow()
  }

  async #follow(): Promise<void> {
    this.#isLooking = true
    while (this.#looksAgain) {
      this.#looksAgain = false
      await this.#try(() => this.#look())
    }
    this.#isLooking = false
    if (this.state.get().playing) this.#timer = setTimeout(() => this.#step(), STEP_MS)
  }

  async #look(): Promise<void> {
    const { position, look, comparison, sessions } = this.state.get()
    if (position === undefined) return
    const [content, moment] = await Promise.all([
      look !== 'changes'
        ? this.history.blame(position)
        : comparison === 'now'
          ? this.history.difference(position)
          : this.history.difference(comparison === 'session' ? sinceOf(sessions, position) : comparison, position),
      this.#momentOf(position),
    ])
    // Somebody may have gone back to now meanwhile.
    if (this.state.get().position === undefined) return
    this.#set({ shown: { position, look, comparison, content, ...moment } })
  }

  /** A session without pauses is one row. */
  async #momentOf(position: number): Promise<Pick<Shown, 'at' | 'user'>> {
    if (position === 0) return { at: undefined, user: undefined }
    const { sessions } = await this.history.sessions({ before: position + 1, limit: 1, pauseMs: 0 })
    return { at: sessions[0]?.to, user: sessions[0]?.user }
  }

  async #try(action: () => Promise<void>): Promise<void> {
    try {
      await action()
      this.#set({ problem: undefined })
    } catch (error) {
      this.pause()
      this.#set({ problem: problemOf(error) })
    }
  }

  #set(change: Partial<TimelineState>): void {
    this.state.set({ ...this.state.get(), ...change })
  }
}

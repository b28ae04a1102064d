import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  afterFact,
  type Fact,
  hasUnsafeEdits,
  initialSaveState,
  refusalFor,
  type SaveState,
  statusOf,
} from '../../editor-demo/src/collaboration/save-state.ts'
import { CloseCode } from '../../model/close-codes.ts'

const restored: Fact = { type: 'restored', unacknowledged: 0, kept: true }
const edited: Fact = { type: 'edited' }
const update: Fact = { type: 'sent', frame: 'update' }
const full: Fact = { type: 'sent', frame: 'full' }
const applied: Fact = { type: 'answered', applied: true }
const stored = (edits: number): Fact => ({ type: 'stored', edits })
const opened: Fact = { type: 'opened' }
const lost: Fact = { type: 'closed', deliberate: false }
const admitted: Fact = { type: 'authenticated', readOnly: false }
const synced: Fact = { type: 'synced' }
/** A connection up to the point where the server has acknowledged the first sync. */
const connection = [opened, admitted, synced, full, applied]

const after = (...facts: Fact[]): SaveState => facts.reduce(afterFact, initialSaveState)
const status = (...facts: Fact[]) => statusOf(after(...facts))

describe('what the page says about saving', () => {
  test('connecting, until the server has sent its content and acknowledged ours', () => {
    expect(status(restored)).toEqual({ kind: 'connecting' })
    expect(status(restored, opened, admitted)).toEqual({ kind: 'connecting' })
    expect(status(restored, opened, admitted, synced, full)).toEqual({ kind: 'connecting' })
    expect(status(restored, ...connection)).toEqual({ kind: 'saved' })
  })

  test('saving, from an edit to its acknowledgement', () => {
    expect(status(restored, ...connection, edited)).toEqual({ kind: 'saving' })
    expect(status(restored, ...connection, edited, update, edited, update, applied)).toEqual({ kind: 'saving' })
    expect(status(restored, ...connection, edited, update, edited, update, applied, applied)).toEqual({ kind: 'saved' })
  })

  test('offline, with the number of edits that only this browser has', () => {
    expect(status(restored, ...connection, lost)).toEqual({ kind: 'offline', changes: 0, kept: true })
    expect(status(restored, ...connection, lost, edited, edited, edited, stored(3))).toEqual({
      kind: 'offline',
      changes: 3,
      kept: true,
    })
  })

  test('an edit counts as kept only once the browser’s storage has committed it', () => {
    const facts = [restored, ...connection, lost, edited, stored(1), edited]
    expect(status(...facts)).toEqual({ kind: 'offline', changes: 1, kept: true })
    expect(hasUnsafeEdits(after(...facts))).toBe(true)
    expect(status(...facts, stored(2))).toEqual({ kind: 'offline', changes: 2, kept: true })
    expect(hasUnsafeEdits(after(...facts, stored(2)))).toBe(false)
  })

  test('what the server has is safe, stored or not', () => {
    expect(hasUnsafeEdits(after(restored, ...connection, edited, update))).toBe(true)
    expect(hasUnsafeEdits(after(restored, ...connection, edited, update, applied))).toBe(false)
  })

  test('an edit that was on its way when the connection broke counts', () => {
    expect(status(restored, ...connection, edited, update, lost, stored(1))).toMatchObject({
      kind: 'offline',
      changes: 1,
    })
  })

  test('not kept, where the browser has no storage or it fails', () => {
    const unkept: Fact = { type: 'restored', unacknowledged: 0, kept: false }
    expect(status(unkept, ...connection, lost, edited)).toMatchObject({ kind: 'offline', kept: false })
    expect(status(restored, lost, edited, { type: 'unkept' })).toMatchObject({ changes: 1, kept: false })
    expect(status(restored, lost, edited, { type: 'unkept' }, stored(1))).toMatchObject({ changes: 1, kept: true })
  })

  test('edits that were queued while offline are acknowledged one by one, but saved only with the full sync', () => {
    // They arrive before the full sync, in which the server finds what got lost with the old connection.
    const back = [opened, update, update, admitted, synced, full]
    const offline = [restored, ...connection, edited, update, lost, edited, edited]
    expect(status(...offline, ...back, applied, applied)).toEqual({ kind: 'saving' })
    expect(status(...offline, ...back, applied, applied, applied)).toEqual({ kind: 'saved' })
  })

  test('an edit made while the full sync is under way waits for its own acknowledgement', () => {
    const facts = [restored, opened, admitted, synced, full, edited, update, applied]
    expect(status(...facts)).toEqual({ kind: 'saving' })
    expect(status(...facts, applied)).toEqual({ kind: 'saved' })
  })

  test('edits restored from the local copy are unsaved until the first full sync is acknowledged', () => {
    const left: Fact = { type: 'restored', unacknowledged: 2, kept: true }
    expect(status(left)).toEqual({ kind: 'saving' })
    expect(status(left, lost)).toEqual({ kind: 'offline', changes: 2, kept: true })
    expect(status(left, opened, admitted, synced, full)).toEqual({ kind: 'saving' })
    expect(status(left, ...connection)).toEqual({ kind: 'saved' })
  })

  test('a reconnect of its own making is no offline', () => {
    expect(status(restored, ...connection, { type: 'closed', deliberate: true })).toEqual({ kind: 'connecting' })
  })

  test('read only, whatever the server does with a reader’s edits', () => {
    const reader: Fact = { type: 'authenticated', readOnly: true }
    const refused: Fact = { type: 'answered', applied: false }
    expect(status(restored, opened, reader, synced)).toEqual({ kind: 'read-only', changes: 0, kept: true })
    expect(status(restored, opened, reader, synced, full, refused)).toMatchObject({ kind: 'read-only' })
  })

  test('a writer’s edit that the server turns down is no “saving”', () => {
    const refused: Fact = { type: 'answered', applied: false }
    expect(status(restored, ...connection, edited, stored(1), update, refused)).toMatchObject({
      kind: 'refused',
      refusal: { reason: 'rejected' },
      changes: 1,
    })
  })

  test('a refusal outlasts the closed connection, and ends when the user tries again or is let in', () => {
    const refused: Fact = { type: 'refused', refusal: refusalFor(CloseCode.Forbidden, 'no grant') }
    expect(status(restored, ...connection, edited, stored(1), refused, lost)).toEqual({
      kind: 'refused',
      refusal: { reason: 'forbidden', message: 'no grant' },
      changes: 1,
      kept: true,
    })
    expect(status(restored, opened, refused, lost, { type: 'retried' })).toEqual({ kind: 'connecting' })
    expect(status(restored, opened, refused, lost, ...connection)).toEqual({ kind: 'saved' })
  })

  test('every close code that forbids coming back has words of its own', () => {
    const final = Object.values(CloseCode).filter((code) => code >= 4400 && code !== CloseCode.Malformed)
    const reasons = final.map((code) => refusalFor(code, '').reason)
    expect(new Set(reasons).size).toBe(final.length)
    expect(reasons).not.toContain('other')
  })
})

/** A server and its network, as little of them as matters: which edits does it have when the page says “Saved”? */
class World {
  state = initialSaveState
  readonly server = new Set<number>()
  #edits = 0
  #online = false
  #wire: (readonly number[])[] = []
  #queued: number[] = []
  #saidSaved = false

  edit(): void {
    const edit = this.#edits++
    this.#take(edited)
    if (this.#online) this.#send('update', [edit])
    else this.#queued.push(edit)
  }

  connect(): void {
    if (this.#online) return
    this.#online = true
    this.#take(opened)
    for (const edit of this.#queued) this.#send('update', [edit])
    this.#queued = []
    this.#take(admitted)
    this.#take(synced)
    const lacking = Array.from({ length: this.#edits }, (_, edit) => edit).filter((edit) => !this.server.has(edit))
    this.#send('full', lacking)
  }

  disconnect(): void {
    if (!this.#online) return
    this.#online = false
    this.#wire = []
    this.#take(lost)
  }

  deliver(): void {
    const frame = this.#wire.shift()
    if (frame === undefined) return
    for (const edit of frame) this.server.add(edit)
    this.#take(applied)
  }

  settle(): void {
    this.connect()
    while (this.#wire.length > 0) this.deliver()
  }

  get saidSaved(): boolean {
    return this.#saidSaved
  }

  #send(frame: 'full' | 'update', edits: readonly number[]): void {
    this.#take({ type: 'sent', frame })
    this.#wire.push(edits)
  }

  #take(fact: Fact): void {
    this.state = afterFact(this.state, fact)
    if (statusOf(this.state).kind !== 'saved') return
    this.#saidSaved = true
    expect(this.server.size).toBe(this.#edits)
  }
}

test('“Saved” is never said while the server lacks an edit, and always in the end', () => {
  const step = fc.constantFrom('edit', 'connect', 'disconnect', 'deliver')
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const world = new World()
      for (const name of steps) world[name as 'edit']()
      world.settle()
      expect(statusOf(world.state)).toEqual({ kind: 'saved' })
      expect(world.saidSaved).toBe(true)
    }),
    { numRuns: 500 },
  )
})

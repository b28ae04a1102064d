import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { refusalForClose } from '../../client/refusal.ts'
import {
  afterFact,
  type Fact,
  initialSaveState,
  isSaved,
  type SaveState,
  unacknowledgedEdits,
  unsafeEdits,
} from '../../client/save-state.ts'
import { CloseCode } from '../../model/close-codes.ts'

const restored: Fact = { type: 'restored', unacknowledged: 0, kept: true }
const edited: Fact = { type: 'edited' }
const update: Fact = { type: 'sent', frame: 'update' }
const full: Fact = { type: 'sent', frame: 'full' }
const applied: Fact = { type: 'answered', applied: true }
const rejected: Fact = { type: 'answered', applied: false }
const stored = (edits: number): Fact => ({ type: 'stored', edits })
const lost: Fact = { type: 'disconnected' }
/** A connection up to the point where the server has acknowledged the first sync. */
const connection = [lost, full, applied]

const after = (...facts: Fact[]): SaveState => facts.reduce(afterFact, initialSaveState)
const unsaved = (...facts: Fact[]) => unacknowledgedEdits(after(...facts))

describe('what is said about saving', () => {
  test('nothing is saved until the server has acknowledged the full sync', () => {
    expect(isSaved(after(restored))).toBe(false)
    expect(isSaved(after(restored, lost, full))).toBe(false)
    expect(isSaved(after(restored, ...connection))).toBe(true)
  })

  test('an edit is unsaved until its own acknowledgement', () => {
    expect(unsaved(restored, ...connection, edited)).toBe(1)
    expect(unsaved(restored, ...connection, edited, update, edited, update, applied)).toBe(1)
    expect(unsaved(restored, ...connection, edited, update, edited, update, applied, applied)).toBe(0)
  })

  test('an edit made while the full sync is under way waits for its own acknowledgement', () => {
    expect(unsaved(restored, lost, full, edited, update, applied)).toBe(1)
    expect(unsaved(restored, lost, full, edited, update, applied, applied)).toBe(0)
  })

  test('an edit that was on its way when the connection broke is unsaved until the next full sync', () => {
    const broken = [restored, ...connection, edited, update, lost]
    expect(unsaved(...broken)).toBe(1)
    expect(unsaved(...broken, update, applied)).toBe(1)
    expect(unsaved(...broken, full, applied)).toBe(0)
  })

  test('restored edits are unsaved until the first full sync is acknowledged', () => {
    const left: Fact = { type: 'restored', unacknowledged: 2, kept: true }
    expect(unsaved(left)).toBe(2)
    expect(unsaved(left, lost, full)).toBe(2)
    expect(unsaved(left, ...connection)).toBe(0)
  })

  test('edits made before the copy was read count beside the restored ones', () => {
    const facts: Fact[] = [edited, { type: 'restored', unacknowledged: 2, kept: true }]
    expect(unsaved(...facts)).toBe(3)
    expect(unsafeEdits(after(...facts))).toBe(1)
    expect(unsafeEdits(after(...facts, stored(3)))).toBe(0)
  })

  test('an edit is safe once this device’s storage has committed it, or the server has it', () => {
    expect(unsafeEdits(after(restored, edited))).toBe(1)
    expect(unsafeEdits(after(restored, edited, stored(1)))).toBe(0)
    expect(unsafeEdits(after(restored, edited, stored(1), edited))).toBe(1)
    expect(unsafeEdits(after(restored, ...connection, edited, update, applied))).toBe(0)
    expect(unsafeEdits(after(restored, edited, stored(1), { type: 'unkept' }))).toBe(1)
  })

  test('after an edit that was turned down only a full sync proves anything', () => {
    const facts = [restored, ...connection, edited, update, edited, update, rejected, applied]
    expect(unsaved(...facts)).toBe(2)
    expect(unsaved(...facts, edited, update, applied)).toBe(3)
    expect(unsaved(...facts, full, applied)).toBe(0)
  })

  test('an answer to nothing is overlooked', () => {
    expect(after(restored, edited, applied)).toEqual(after(restored, edited))
    expect(after(restored, edited, rejected)).toEqual(after(restored, edited))
  })

  test('every close code that forbids coming back has words of its own', () => {
    const final = Object.values(CloseCode).filter((code) => code >= 4400)
    const reasons = final.map((code) => refusalForClose(code, '').reason)
    expect(new Set(reasons).size).toBe(final.length)
    expect(reasons).not.toContain('other')
  })
})

/** A server and its network, as little of them as matters: which edits does it have when all are said to be saved? */
class World {
  state = initialSaveState
  readonly server = new Set<number>()
  #edits = 0
  #online = false
  #wire: (readonly number[])[] = []
  #saidSaved = false

  edit(): void {
    const edit = this.#edits++
    this.#take(edited)
    if (this.#online) this.#send('update', [edit])
  }

  connect(): void {
    if (this.#online) return
    this.#online = true
    this.#take(lost)
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

  /** The server turns a frame down, and takes what follows. */
  reject(): void {
    if (this.#wire.shift() !== undefined) this.#take(rejected)
  }

  settle(): void {
    this.disconnect()
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
    // The oldest edits that are said to be saved are on the server.
    for (let edit = 0; edit < this.state.acknowledged; edit += 1) expect(this.server).toContain(edit)
    if (isSaved(this.state)) this.#saidSaved = true
  }
}

test('“saved” is never said of an edit that the server lacks, and of all in the end', () => {
  const step = fc.constantFrom(
    'edit' as const,
    'connect' as const,
    'disconnect' as const,
    'deliver' as const,
    'reject' as const,
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const world = new World()
      for (const name of steps) world[name]()
      world.settle()
      expect(isSaved(world.state)).toBe(true)
      expect(world.saidSaved).toBe(true)
    }),
    { numRuns: 500 },
  )
})

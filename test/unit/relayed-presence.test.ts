import * as encoding from 'lib0/encoding'
import { expect, test } from 'vitest'
import { Awareness } from 'y-protocols/awareness'
import * as Y from 'yjs'
import type { Principal } from '../../server/access/grants.ts'
import { ClientIds } from '../../server/documents/client-ids.ts'
import { Presence, type PresenceHolder } from '../../server/documents/presence.ts'
import { awarenessUpdate } from '../support/messages.ts'
import { createRandom, type Random, seedsFor } from '../support/random.ts'

/** One of two servers that have the same document open, and what is on its way to it. */
class Instance {
  readonly #awareness = new Awareness(new Y.Doc())
  readonly presence = new Presence(this.#awareness, new ClientIds(new Map()), 1024)
  readonly arriving: Uint8Array[] = []

  constructor() {
    this.#awareness.setLocalState(null)
  }

  relayTo(other: Instance): void {
    this.presence.listen({
      onChange: () => {},
      onOwnChange: (clients) => {
        const update = this.presence.of(new Set(clients))
        if (update !== undefined) other.arriving.push(update)
      },
    })
  }

  deliverNext(): void {
    const update = this.arriving.shift()
    if (update !== undefined) this.presence.receiveRelayed(update)
  }

  /** Client id → what it shows. */
  get shown(): Record<number, unknown> {
    return Object.fromEntries([...this.#awareness.getStates()].map(([client, state]) => [client, state.at]))
  }

  destroy(): void {
    this.#awareness.destroy()
  }
}

/** A client as stock providers are: it repeats its state when it connects, with the clock that it has. */
class Client {
  readonly id: number
  readonly #principal: Principal
  /** Awareness takes nothing below. */
  #clock = 1
  #at = 0
  #instance: Instance | undefined
  #holder: PresenceHolder

  constructor(id: number) {
    this.id = id
    this.#principal = {
      user: `user ${id}`,
      name: 'A user',
      grants: [],
      expires: undefined,
      relay: false,
      admin: false,
      agent: false,
    }
    this.#holder = { principal: this.#principal }
  }

  get isConnected(): boolean {
    return this.#instance !== undefined
  }

  get at(): number {
    return this.#at
  }

  connect(instance: Instance): void {
    this.#instance = instance
    this.#holder = { principal: this.#principal }
    this.#send()
  }

  move(): void {
    this.#at += 1
    this.#clock += 1
    this.#send()
  }

  disconnect(): void {
    this.#instance?.presence.leave(this.#holder)
    this.#instance = undefined
  }

  /** As every client does every 15 s. */
  renew(): void {
    this.#clock += 1
    this.#send()
  }

  #send(): void {
    const update = encoding.encode((encoder) => {
      encoding.writeVarUint(encoder, 1)
      encoding.writeVarUint(encoder, this.id)
      encoding.writeVarUint(encoder, this.#clock)
      encoding.writeVarString(encoder, JSON.stringify({ at: this.#at }))
    })
    this.#instance?.presence.receive(this.#holder, update)
  }
}

function setUp(clients: number) {
  const [one, other] = [new Instance(), new Instance()]
  one.relayTo(other)
  other.relayTo(one)
  return { instances: [one, other] as const, clients: Array.from({ length: clients }, (_, id) => new Client(id + 1)) }
}

function deliverAll(instances: readonly Instance[]): void {
  while (instances.some(({ arriving }) => arriving.length > 0)) for (const instance of instances) instance.deliverNext()
}

function expectTruth(instances: readonly Instance[], clients: readonly Client[]): void {
  const truth = Object.fromEntries(clients.filter((client) => client.isConnected).map(({ id, at }) => [id, at]))
  for (const instance of instances) expect(instance.shown).toEqual(truth)
}

test('a client that comes from another instance is shown, though that one has not noticed yet', () => {
  const { instances, clients } = setUp(1)
  const [one, other] = instances
  const [client = new Client(1)] = clients
  client.connect(one)
  deliverAll(instances)
  // Its connection to the first instance is dead, and nobody knows.
  const left = new Client(1)
  left.connect(other)
  left.move()
  deliverAll(instances)
  client.disconnect()
  deliverAll(instances)
  expect([one.shown, other.shown]).toEqual([{ 1: 1 }, { 1: 1 }])
})

test('a client that comes before it is known elsewhere is not taken away with what it left', () => {
  const { instances, clients } = setUp(1)
  const [one, other] = instances
  const [client = new Client(1)] = clients
  client.connect(one)
  client.disconnect()
  client.connect(other)
  deliverAll(instances)
  expectTruth(instances, clients)
})

function step(random: Random, instances: readonly [Instance, Instance], clients: readonly Client[]): void {
  const client = random.pick(clients)
  const choice = random.int(4)
  if (choice < 2) random.pick(instances).deliverNext()
  else if (!client.isConnected) client.connect(random.pick(instances))
  else if (choice === 2) client.move()
  else client.disconnect()
}

test.each(seedsFor([1, 2], 1))('both instances show who is there, whatever order it comes in (SEED=%i)', (seed) => {
  const random = createRandom(seed)
  for (let round = 0; round < 200; round += 1) {
    const { instances, clients } = setUp(4)
    for (let count = 0; count < 60; count += 1) step(random, instances, clients)
    deliverAll(instances)
    // What was not shown for a moment is at the next renewal.
    for (const client of clients) if (client.isConnected) client.renew()
    deliverAll(instances)
    expectTruth(instances, clients)
    for (const instance of instances) instance.destroy()
  }
})

test('a client that changes networks again and again is shown from its newest connection', () => {
  const instance = new Instance()
  const principal = {
    user: 'ann',
    name: 'Ann',
    grants: [],
    expires: undefined,
    relay: false,
    admin: false,
    agent: false,
  }
  const show = (clock: number): PresenceHolder => {
    const holder = { principal }
    const entries = [{ client: 7, clock, state: JSON.stringify({ at: clock }) }]
    instance.presence.receive(holder, awarenessUpdate(entries))
    return holder
  }
  // Back with the clock that it left with, which is raised for the others each time.
  for (let round = 0; round < 5; round += 1) instance.presence.leave(show(5))
  const dead = [show(5), show(6), show(7)]
  show(8)
  expect(instance.shown).toEqual({ 7: 8 })
  for (const holder of dead) instance.presence.leave(holder)
  expect(instance.shown).toEqual({ 7: 8 })
  instance.destroy()
})

import { setMaxListeners } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { afterAll, beforeAll, expect, onTestFailed, onTestFinished, test } from 'vitest'
import type * as Y from 'yjs'
import { contentOf, tokensIn } from '../client/tokens.ts'
import { closeSessions } from '../support/client-session.ts'
import { type Instance, Instances } from '../support/instances.ts'
import { startPostgres, type TestPostgres } from '../support/postgres.ts'
import { createRandom, isSoak, type Random, seedsFor } from '../support/random.ts'
import { RawClient } from '../support/raw-client.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'
import { replayFromLog } from '../support/replay.ts'
import { ChatRoom } from './chat-room.ts'
import { FAULT_KINDS, Faults, type FaultTimes, faultsOf } from './faults.ts'
import { FleetingWriter } from './fleeting-writer.ts'
import { Ledger, type Losses } from './ledger.ts'
import { OwnReplica, type Replica, type ReplicaOptions, StockReplica, YWebsocketReplica } from './replicas.ts'

const INSTANCES = 3
const DOCUMENTS = ['notes/one', 'notes/two', 'plans/one', 'plans/two']
const ROOMS = ['chat/notes/one', 'chat/team']
/** Of each kind; those who write in rooms with stock providers are beside them. */
const CLIENTS = isSoak
  ? { stock: 28, yWebsocket: 12, own: 10, fleeting: 6, inRooms: 4 }
  : { stock: 8, yWebsocket: 4, own: 4, fleeting: 4, inRooms: 4 }
/** For so long faults follow each other, and until each has happened once. */
const CHAOS_MS = isSoak ? 120_000 : 0
const TIMES: FaultTimes = isSoak
  ? { redisStoppedMs: 20_000, shortestMs: 300, spreadMs: 3_500 }
  : { redisStoppedMs: 4_000, shortestMs: 300, spreadMs: 1_000 }
/** Between two edits; a message in a room comes with one in so many of them. */
const EDIT_EVERY_MS = 25
const EDITS_A_MESSAGE = 10
/** How long clients may take to come back and bring everything, ms. */
const PATIENCE_MS = 60_000
const environment = { COMMIT_TIMEOUT: '500', CHAT_SEGMENT_MESSAGES: '40' }

let postgres: TestPostgres
let redis: TestRedis
beforeAll(async () => {
  postgres = await startPostgres()
  redis = await startRedis()
})
afterAll(async () => {
  await redis.stop()
  await postgres.stop()
})

interface World {
  readonly instances: Instances
  readonly databaseUrl: string
  readonly ledger: Ledger
  readonly replicas: readonly Replica[]
  readonly fleeting: readonly FleetingWriter[]
  readonly rooms: readonly ChatRoom[]
  readonly faults: Faults
  /** What is wrong, if anything: all of it is kept with the logs, the first of it is shown. */
  readonly problems: Set<string>
}

test.each(seedsFor([], isSoak ? 10 : 1))(
  '[promise 4] three instances converge and lose nothing while all they share breaks (rerun with SEED=%i)',
  { timeout: CHAOS_MS + 240_000 },
  async (seed) => {
    const world = await begin()
    const { faults, fleeting, ledger, rooms } = world
    await settle(world)
    const [planning, writing] = [createRandom(seed), createRandom(seed + 1)]
    const writers = startWriting(world, writing)
    const startedAt = Date.now()
    for (const fault of faultsOf(planning, INSTANCES, TIMES)) {
      await faults.happen(fault)
      await expectPromisedInLog(world)
      if (faults.counts.size === FAULT_KINDS.length && Date.now() - startedAt > CHAOS_MS) break
    }
    await faults.allBack()
    const lastFaultAt = Date.now()
    await writers.stop()
    await Promise.all(fleeting.map((writer) => writer.close()))
    await settle(world)
    const convergedMs = Date.now() - lastFaultAt
    const losses = await judge(world)

    const { edits, acknowledged, seen } = ledger.counts
    const messages = rooms.map((room) => room.counts.messages).reduce((sum, count) => sum + count)
    console.log(
      `SEED=${seed}: ${edits} edits (${acknowledged} acknowledged, ${seen} seen), ${messages} messages, ` +
        `${[...faults.counts].map(([kind, count]) => `${kind} ${count}×`).join(', ')}, ` +
        `converged ${convergedMs} ms after the last fault; acknowledged lost ${losses.acknowledged}, seen lost ${losses.seen}`,
    )
    expect(Math.min(acknowledged, seen, messages)).toBeGreaterThan(10)
  },
)

/** Three instances, with clients of all kinds spread over them. */
async function begin(): Promise<World> {
  const databaseUrl = await postgres.createDatabase()
  const instances = await Instances.start(INSTANCES, { databaseUrl, redis, environment })
  const faults = new Faults({ instances, redis, postgres })
  const problems = new Set<string>()
  onTestFinished(() => instances.close())
  onTestFailed(() => {
    const more = { 'faults.log': faults.timeline.join('\n'), 'problems.log': [...problems].join('\n') }
    console.error(`what the instances logged, what broke when, and all that is wrong is in ${instances.keepLogs(more)}`)
  })
  setMaxListeners(0, process) // y-websocket's providers listen for its end
  const ledger = new Ledger()
  let clients = 0
  const each = <T>(count: number, kind: string, make: (options: ReplicaOptions) => T): T[] =>
    Array.from({ length: count }, () => {
      const number = clients++
      const index = number % INSTANCES
      const way = instances.ways[index] ?? expect.unreachable()
      const documents = [0, 1].map((next) => DOCUMENTS[(number + next) % DOCUMENTS.length] ?? '')
      return make({
        name: `${kind}-${number}-at-${index}`,
        way,
        documents,
        ledger,
        firstClientId: 10_000 * (number + 1),
      })
    })
  const own = each(CLIENTS.own, 'own', (options) => new OwnReplica(options))
  const rooms = ROOMS.map((name) => new ChatRoom(name))
  for (const { name, session } of own) for (const room of rooms) room.join(name, session)
  each(CLIENTS.inRooms, 'member', ({ name, way }) => {
    for (const room of rooms) room.joinStock(name, way)
  })
  const replicas = [
    ...own,
    ...each(CLIENTS.stock, 'stock', (options) => new StockReplica(options)),
    ...each(CLIENTS.yWebsocket, 'y-websocket', (options) => new YWebsocketReplica(options)),
  ]
  const fleeting = each(
    CLIENTS.fleeting,
    'fleeting',
    (options) => new FleetingWriter({ ...options, document: options.documents[0] ?? '' }),
  )
  onTestFinished(async () => {
    for (const room of rooms) room.close()
    for (const replica of replicas) replica.close()
    closeSessions()
    await Promise.all(fleeting.map((writer) => writer.close()))
  })
  return { instances, databaseUrl, ledger, replicas, fleeting, rooms, faults, problems }
}

/** Everybody writes, a little all the time, until stop(). */
function startWriting({ replicas, fleeting, rooms }: World, random: Random): { stop(): Promise<void> } {
  let isStopped = false
  const writing = (async () => {
    while (!isStopped) {
      random.pick([...replicas, ...fleeting]).edit(random)
      if (random.int(EDITS_A_MESSAGE) === 0) random.pick(rooms).act(random)
      await setTimeout(EDIT_EVERY_MS)
    }
  })()
  const stop = () => {
    isStopped = true
    return writing
  }
  onTestFinished(stop)
  return { stop }
}

/** What anybody was told of by now is in the log, read past all servers and clients. */
async function expectPromisedInLog(world: World): Promise<void> {
  const { databaseUrl, ledger, faults } = world
  expectNoRefusals(world)
  const promised = DOCUMENTS.map((document) => ledger.promised(document))
  const replayed = await replayFromLog(databaseUrl, DOCUMENTS)
  const lost = DOCUMENTS.flatMap((document, index) => {
    const ydoc = found(replayed, document)
    const { acknowledged, seen } = ledger.lost(promised[index] ?? [], tokensIn(ydoc))
    const lines = [...acknowledged, ...seen]
    return lines.length === 0 ? [] : [...lines, ...waitingIn(document, ydoc)]
  })
  failWith(world, lost, `missing in the log after "${faults.timeline.slice(-2).join('; ')}"`)
}

function expectNoRefusals(world: World): void {
  const problems = [...world.replicas, ...world.rooms].flatMap((one) => one.problems)
  failWith(world, problems, `what never should happen, after "${world.faults.timeline.slice(-2).join('; ')}"`)
}

/** What waits for edits that are not there. For a moment that is right, where a client sends the earlier ones anew. */
function waitingIn(document: string, { store }: Y.Doc): string[] {
  const missing = [...(store.pendingStructs?.missing.keys() ?? [])]
  return missing.map((client) => `${document}: edits wait for one of the Yjs client id ${client}`)
}

/** Resolves once all that anybody has is with everybody. */
async function settle(world: World): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS
  for (;;) {
    failWith(
      world,
      [...world.replicas, ...world.rooms].flatMap(({ problems }) => problems),
      'what never should happen',
    )
    const open = unsettled(world)
    if (open.length === 0) return
    if (Date.now() > deadline) failWith(world, open, `not converged within ${PATIENCE_MS} ms`)
    await setTimeout(100)
  }
}

function unsettled({ replicas, rooms, ledger }: World): string[] {
  return [
    ...[...replicas, ...rooms].flatMap((one) => {
      const problem = one.unsettled()
      return problem === undefined ? [] : [`${one.name}: ${problem}`]
    }),
    ...DOCUMENTS.flatMap((document) => differences(holdersOf(replicas, document), document, ledger)),
  ]
}

function holdersOf(replicas: readonly Replica[], document: string): { name: string; ydoc: Y.Doc }[] {
  const holders = replicas.filter(({ documents }) => documents.includes(document))
  return holders.map((replica) => ({ name: replica.name, ydoc: replica.ydoc(document) }))
}

/** Which replica misses which edit of the others. */
function differences(holders: readonly { name: string; ydoc: Y.Doc }[], document: string, ledger: Ledger): string[] {
  const contents = holders.map(({ name, ydoc }) => ({ name, content: contentOf(ydoc) }))
  const [first] = contents
  const others = contents.filter(({ content }) => !isDeepStrictEqual(content, first?.content))
  if (others.length === 0) return []
  const tokens = holders.map(({ name, ydoc }) => ({ name, tokens: new Set(tokensIn(ydoc)) }))
  const all = new Set(tokens.flatMap((holder) => [...holder.tokens]))
  const missing = tokens.flatMap(({ name, tokens }) =>
    [...all].filter((token) => !tokens.has(token)).map((token) => `${name} misses ${ledger.describe(token)}`),
  )
  if (missing.length > 0) return missing
  const names = others.map(({ name }) => name).join(', ')
  return [`${document}: ${first?.name} and ${names} have the same edits, and yet not the same content`]
}

/** Fails unless every instance gives a newcomer what everybody has, and nothing is lost or there twice. */
async function judge(world: World): Promise<{ acknowledged: number; seen: number }> {
  const { instances, databaseUrl, replicas, rooms, ledger } = world
  const replayed = await replayFromLog(databaseUrl, DOCUMENTS)
  const problems: string[] = []
  const lost: Losses = { acknowledged: [], seen: [], kept: [], wrong: [] }
  for (const document of DOCUMENTS) {
    const holders = [...holdersOf(replicas, document), { name: 'the log', ydoc: found(replayed, document) }]
    for (const { name, server } of instances.all) {
      const newcomer = await RawClient.open(server, document, { user: 'newcomer' })
      await newcomer.close()
      holders.push({ name: `a newcomer at ${name}`, ydoc: newcomer.ydoc })
    }
    problems.push(...differences(holders, document, ledger), ...waitingIn(document, found(replayed, document)))
    const losses = ledger.judge(document, tokensIn(found(replayed, document)))
    lost.acknowledged.push(...losses.acknowledged)
    lost.seen.push(...losses.seen)
    problems.push(...losses.acknowledged, ...losses.seen, ...losses.kept, ...losses.wrong)
  }
  for (const room of rooms) for (const instance of instances.all) problems.push(...(await judgeRoom(room, instance)))
  for (const { name, output } of instances.all) {
    // Who was away while a part of the room was filled by others sends the message to the next one.
    const refused = output.split('\n').filter((line) => line.includes('message refused'))
    problems.push(...refused.filter((line) => !line.includes('chat/segment-closed')).map((line) => `${name}: ${line}`))
  }
  failWith(world, problems, 'wrong after everything was back')
  return { acknowledged: lost.acknowledged.length, seen: lost.seen.length }
}

/** What is wrong with a room: what was liked at last may still be on its way, and nobody tells when it is there. */
async function judgeRoom(room: ChatRoom, instance: Instance): Promise<string[]> {
  for (let tries = 1; ; tries++) {
    const problems = await room.judge(instance)
    if (problems.length === 0 || tries === 20) return problems
    await setTimeout(250)
  }
}

/** @throws {Error} with the first of `found`, which may be thousands, unless there are none */
function failWith({ problems }: World, found: readonly string[], what: string): void {
  if (found.length === 0) return
  for (const problem of found) problems.add(problem)
  const rest = problems.size > 30 ? [`and ${problems.size - 30} more`] : []
  throw new Error([`${what}:`, ...[...problems].slice(0, 30), ...rest].join('\n'))
}

function found(documents: Readonly<Record<string, Y.Doc>>, document: string): Y.Doc {
  return documents[document] ?? expect.unreachable()
}

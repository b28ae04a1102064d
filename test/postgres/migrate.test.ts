import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { parseKeyRing } from '../../persistence/encryption.ts'
import { migrate } from '../../persistence/migrate.ts'
import type { PortableLog } from '../../persistence/portable-log.ts'
import { openPostgresLog } from '../../persistence/postgres/postgres-log.ts'
import { openSqliteLog } from '../../persistence/sqlite/sqlite-log.ts'
import { WEBHOOK_CONSUMER } from '../../persistence/webhook-store.ts'
import { actionOf, restrictionOf } from '../persistence/admin-store-contract.ts'
import { makeFolder } from '../persistence/folder.ts'
import { archived, readAll, rebuild, Typist, update } from '../persistence/updates.ts'
import { namedVersion } from '../persistence/version-store-contract.ts'
import { password, startPostgres, type TestPostgres } from '../support/postgres.ts'
import { createRandom, seedsFor } from '../support/random.ts'
import { runCommand } from '../support/run-command.ts'

const encryption = parseKeyRing(`k1:${Buffer.alloc(32, 1).toString('base64')}`)

let postgres: TestPostgres
beforeAll(async () => {
  postgres = await startPostgres()
})
afterAll(() => postgres.stop())

async function openSqlite(file?: string): Promise<PortableLog> {
  const log = await openSqliteLog({ file: file ?? join(await makeFolder(), 'coweave.db') })
  onTestFinished(() => log.close())
  return log
}

async function openPostgres(url?: string, keys?: typeof encryption): Promise<PortableLog> {
  const log = await openPostgresLog({ url: url ?? (await postgres.createDatabase()), encryption: keys })
  onTestFinished(() => log.close())
  return log
}

/** Documents of several users with snapshots, pieces that wait for others, claims and chats with edits. */
async function fill(log: PortableLog, seed: number): Promise<void> {
  const random = createRandom(seed)
  const names = ['notes/plan', 'notes/ünïcödé 😀', 'chat/a@1', 'z', 'big']
  const typists = names.map((name, index) => new Typist(name, index + 1))
  const seqs = new Map<string, number>()
  for (let round = 0; round < 60; round++) {
    const batch = Array.from({ length: 1 + random.int(20) }, () => {
      const typist = random.pick(typists)
      const author = random.pick(['ann', 'bob', '', 'a\u0000b'])
      const { data, document } = typist.type(random.pick(['x', 'words ', '😀']), random.int(typist.text.length + 1))
      const room = random.pick(['chat/a', 'dm/ann,bob'])
      const seq = random.chance(0.3) ? 1 + random.int(5) : (seqs.get(room) ?? 0) + 1
      seqs.set(room, Math.max(seq, seqs.get(room) ?? 0))
      const messages = random.chance(0.4) ? [archived(room, seq, `message ${round}`)] : []
      const event = { id: `${round} ${random.int(2 ** 32)}`, kind: 'k', at: 1, document, users: [author], json: '{}' }
      const events = random.chance(0.2) ? [event] : []
      return update(document, '', {
        data,
        author,
        at: 1_000 + random.int(1_000),
        clients: [random.int(50)],
        messages,
        events,
      })
    })
    await log.append(random.chance(0.1) ? batch.slice(1) : batch) // some updates are missing: others wait for them
    if (random.chance(0.1)) await log.compact(random.pick(names))
  }
  for (const [position, name] of [...names, ...names].entries()) {
    await log.versions.add(
      name,
      namedVersion(`v${position}`, position % 4, { author: random.pick(['ann', 'a\u0000b']) }),
    )
    const seen = ['ann', 'bob', 'a\u0000b'].map((user) => ({ user, position: random.int(4), at: random.int(1_000) }))
    await log.seen.raise(name, seen)
  }
  await log.append(Array.from({ length: 1_200 }, () => typists[4]?.type('big ') ?? expect.unreachable()))
  for (const admin of ['root', 'a\u0000b']) await log.admin.begin(actionOf(admin, { document: 'big' }))
  await log.admin.end(1, 'done')
  for (const user of ['bob', 'a\u0000b', 'bob']) await log.admin.restrict(restrictionOf(user))
}

test.each(seedsFor([], 1))(
  'a log is copied with all it holds, in both directions (rerun with SEED=%i)',
  async (seed) => {
    const source = await openSqlite()
    await fill(source, seed)
    for (const [index, room] of ['inbox/ann', 'inbox/bob', 'inbox/ann'].entries()) {
      const endpoint = `https://push.example/${room}/${index}`
      await source.pushes.subscribe({ room, at: 1, subscription: { endpoint, p256dh: 'a', auth: 'b' } }, { max: 9 })
    }
    const subscriptions = await source.pushes.subscriptions({ limit: 9 })
    expect(subscriptions.subscriptions).toHaveLength(3)
    const all = { quietSince: Number.MAX_SAFE_INTEGER, waitingSince: 0, limit: 99 }
    await source.events.tellChanges((await source.events.untold(all)).slice(1).map(({ document }) => document))
    const untold = await source.events.untold(all)
    expect(untold).toHaveLength(1)
    const webhook = { id: 'w', at: 1, after: 0, url: 'https://x', kinds: [], documents: undefined, secret: 's' }
    await source.webhooks.put(webhook, { max: 1 })
    const passing = { consumer: WEBHOOK_CONSUMER, owner: 'one' }
    await source.events.claim(passing.consumer, { owner: passing.owner, forMs: 1 })
    const waiting = [1, 2].map((event) => ({ webhook: 'w', event, document: 'a' }))
    await source.webhooks.enqueue(waiting, { ...passing, last: 2, now: 1 })
    const deliveries = await source.webhooks.deliveries('w', { after: 0, limit: 9 })
    const events = await source.events.read({ after: 0, limit: 999 })
    expect(events.length).toBeGreaterThan(5)
    const summaries = await source.documents({ limit: 100 })
    const archive = await source.messages.all({ limit: 10_000 })
    expect(archive.messages.length).toBeGreaterThan(20)
    const counts = {
      documents: summaries.length,
      rows: summaries.reduce((sum, { position }) => sum + position, 0),
      messages: archive.messages.length,
    }
    const [copy, encrypted, back] = [
      await openPostgres(),
      await openPostgres(undefined, encryption),
      await openSqlite(),
    ]
    expect(await migrate(source, copy)).toEqual(counts)
    expect(await migrate(copy, encrypted)).toEqual(counts)
    expect(await migrate(encrypted, back)).toEqual(counts)
    expect(await migrate(source, copy)).toEqual(counts) // again: nothing to do
    for (const log of [copy, encrypted, back]) {
      expect(await log.documents({ limit: 100 })).toEqual(summaries)
      expect(await log.messages.all({ limit: 10_000 })).toMatchObject({ messages: archive.messages })
      expect(await log.pushes.subscriptions({ limit: 9 })).toEqual(subscriptions)
      expect(await log.events.read({ after: 0, limit: 999 })).toEqual(events)
      expect(await log.events.last()).toBe(await source.events.last())
      expect(await log.events.untold(all)).toEqual(untold)
      expect(await log.webhooks.list()).toEqual([{ ...webhook, after: 2 }])
      expect(await log.webhooks.deliveries('w', { after: 0, limit: 9 })).toEqual(deliveries)
      for (const { name } of summaries) {
        expect(await readAll(log, name)).toEqual(await readAll(source, name))
        expect(await log.versions.list(name)).toEqual(await source.versions.list(name))
        expect((await log.versions.list(name)).length).toBeGreaterThan(0)
        expect(await log.seen.list(name, { limit: 9 })).toEqual(await source.seen.list(name, { limit: 9 }))
        expect(await log.seen.list(name, { limit: 9 })).toHaveLength(3)
        expect((await log.load(name)).clients).toEqual((await source.load(name)).clients)
      }
      expect(await Array.fromAsync(log.check())).toEqual([])
    }
    const find = async (log: PortableLog) =>
      (await log.messages.search('message 1', { limit: 99 })).messages.map(({ room, seq }) => `${room} ${seq}`)
    expect(await find(copy)).toEqual(await find(source))
    expect((await find(source)).length).toBeGreaterThan(0)
  },
)

test('a document of which rows are forgotten is copied as it is, in both directions, also after an interruption', async () => {
  const [source, copy, back] = [await openSqlite(), await openPostgres(), await openSqlite()]
  const typist = new Typist('a')
  const rows = Array.from('abcdef', (letter, index) => ({
    ...typist.type(letter),
    at: index + 1,
    clients: [index + 1],
  }))
  await source.append([...rows, new Typist('b').type('b')])
  await source.versions.add('a', namedVersion('x', 5))
  await source.seen.raise('a', [{ user: 'ann', position: 2, at: 9 }])
  await source.retention.forget('a', 4)
  const claims = await source.claims('a')
  const base = (await source.retention.historyBase('a')) ?? expect.unreachable()
  await copy.restore.base({ name: 'a', createdAt: 1, updatedAt: 6, base, epoch: 0, claims: claims.slice(0, 4) })
  await copy.restore.base({ name: 'a', createdAt: 9, updatedAt: 9, base, epoch: 0, claims: [] })
  for (const [from, to] of [
    [source, copy],
    [copy, back],
    [source, back],
  ] as const) {
    expect(await migrate(from, to)).toEqual({ documents: 2, rows: 3, messages: 0 })
    expect(await to.retention.historyBase('a')).toEqual(base)
    expect(await readAll(to, 'a', 4)).toEqual(await readAll(source, 'a', 4))
    expect(await to.documents({ limit: 9 })).toEqual(await source.documents({ limit: 9 }))
    expect((await to.load('a')).clients).toEqual((await source.load('a')).clients)
    await expect(readAll(to, 'a', 3)).rejects.toMatchObject({ code: 'history/forgotten' })
    expect(await Array.fromAsync(to.check())).toEqual([])
  }
  await source.retention.forget('a', 5)
  await expect(migrate(source, back)).rejects.toMatchObject({ code: 'migrate/not-empty' })
})

test('an interrupted copy goes on where it ended', async () => {
  const [source, target] = [await openSqlite(), await openPostgres()]
  await fill(source, 1)
  let appends = 0
  const failing: PortableLog = Object.create(target, {
    append: {
      value: async (batch: Parameters<PortableLog['append']>[0]) => {
        if (appends++ === 3) throw new Error('interrupted')
        return await target.append(batch)
      },
    },
  })
  for (const name of ['documents', 'read', 'claims', 'load'] as const) {
    Object.defineProperty(failing, name, { value: target[name].bind(target) })
  }
  await expect(migrate(source, failing)).rejects.toThrow('interrupted')
  const begun = await target.documents({ limit: 100 })
  expect(begun.length).toBeGreaterThan(0)
  expect(begun.length).toBeLessThan((await source.documents({ limit: 100 })).length)
  await migrate(source, target)
  expect(await target.documents({ limit: 100 })).toEqual(await source.documents({ limit: 100 }))
})

test('a target that holds anything else is left alone', async () => {
  const source = await openSqlite()
  await source.append([
    update('a', '1'),
    update('a', '2'),
    update('b', '1', { messages: [archived('chat/a', 1, 'x')] }),
  ])
  const others = [
    [update('c', 'x')],
    [update('a', 'other')],
    [update('a', '1', { author: 'eve' })],
    [update('b', '1'), update('b', '2')],
    [update('a', '1', { messages: [archived('chat/a', 1, 'y')] })],
  ]
  for (const batch of others) {
    const target = await openPostgres()
    await target.append(batch)
    const before = await target.documents({ limit: 9 })
    await expect(migrate(source, target)).rejects.toMatchObject({ code: 'migrate/not-empty' })
    expect(await target.documents({ limit: 9 })).toEqual(before)
  }
})

test('a copy that is not the same is noticed', async () => {
  const source = await openSqlite()
  await source.append([
    update('a', '1', { clients: [7] }),
    update('b', '1', { messages: [archived('chat/a', 1, 'x')] }),
  ])
  const url = await postgres.createDatabase()
  const target = await openPostgres(url)
  await migrate(source, target)
  const claims = await target.claims('a')
  const changed = (method: 'claims' | 'read' | 'documents', value: unknown): PortableLog =>
    new Proxy(source, {
      get(log, name) {
        const found: unknown = name === method ? value : Reflect.get(log, name, log)
        return typeof found === 'function' ? found.bind(log) : found
      },
    })
  const grown = changed('read', async function* read(document: string, after: number, until?: number) {
    yield* source.read(document, after, until)
    if (document === 'b' && after === 0 && until === undefined)
      yield { position: 2, at: 1, author: 'x', data: Buffer.from('2') }
  })
  await expect(migrate(grown, target)).rejects.toThrow(/the copy differs in the document b at 2/)
  const reclaimed = changed('claims', async () => claims.map((claim) => ({ ...claim, user: 'eve' })))
  await expect(migrate(reclaimed, target)).rejects.toThrow(/client ids of a/)
})

test('coweave migrate copies from SQLite to Postgres, and tells what it did', async () => {
  const folder = await makeFolder()
  const source = await openSqliteLog({ file: join(folder, 'coweave.db') })
  await source.append([new Typist('notes/plan').type('hello'), update('x', '', { data: Buffer.from([0, 0]) })])
  await source.close()
  const url = await postgres.createDatabase()
  const from = `sqlite:${join(folder, 'coweave.db')}`
  const copied = await runCommand(folder, 'migrate', '--from', from, '--to', url)
  expect(copied).toMatchObject({ exitCode: 0, output: 'copied and verified: 2 documents with 2 updates, 0 messages\n' })
  const target = await openPostgresLog({ url })
  await target.append([update('own', 'x')])
  await target.close()
  const refused = await Promise.all([
    runCommand(folder, 'migrate', '--from', from, '--to', url),
    runCommand(folder, 'migrate', '--from', from, '--to', from),
    runCommand(folder, 'migrate', '--from', `${from}.gone`, '--to', url),
    runCommand(folder, 'migrate', '--to', url),
  ])
  expect(refused.map(({ exitCode }) => exitCode)).toEqual([1, 1, 1, 1])
  expect(refused[0].errors).toContain('the document own')
  for (const { output, errors } of [copied, ...refused]) expect(output + errors).not.toContain(password)
})

test('documents from elsewhere are imported, and again nothing is left to do', async () => {
  const [folder, to] = [await makeFolder(), await postgres.createDatabase()]
  const typist = new Typist('a')
  writeFileSync(join(folder, 'a.bin'), typist.type('imported').data)
  const args = ['import', '--from', `updates:${folder}`, '--to', to]
  const dry = await runCommand(to, ...args, '--dry-run')
  expect(dry).toMatchObject({ exitCode: 0, output: expect.stringMatching('nothing written; it would be: 1 new') })
  const first = await runCommand(to, ...args)
  expect(first).toMatchObject({ exitCode: 0, output: expect.stringMatching('imported and verified: 1 new') })
  const again = await runCommand(to, ...args, '--verbose')
  expect(again.output).toMatch(/^unchanged: "a", \d+ bytes\n/)
  expect(
    rebuild(await (await openPostgres(to)).load('a'))
      .getText('text')
      .toString(),
  ).toBe('imported')
})

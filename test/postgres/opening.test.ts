import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { parseKeyRing } from '../../persistence/encryption.ts'
import { openLog } from '../../persistence/open-log.ts'
import { openPostgresLog, type PostgresLogOptions } from '../../persistence/postgres/postgres-log.ts'
import { MIGRATIONS } from '../../persistence/postgres/schema.ts'
import { archived, readAll, rebuild, Typist, textOf, update } from '../persistence/updates.ts'
import { namedVersion } from '../persistence/version-store-contract.ts'
import { password, startPostgres, type TestPostgres } from '../support/postgres.ts'

const [k1, k2, wrong] = [1, 2, 3].map((fill, index) => {
  return `k${index % 2 === 0 ? 1 : 2}:${Buffer.alloc(32, fill).toString('base64')}`
})

let postgres: TestPostgres
beforeAll(async () => {
  postgres = await startPostgres()
})
afterAll(() => postgres.stop())

async function open(url: string, options: Partial<PostgresLogOptions> = {}) {
  const log = await openPostgresLog({ url, ...options })
  onTestFinished(() => log.close())
  return log
}

test('a database that is not there, or not as it must be, is refused, and no secret of its URL is shown', async () => {
  const url = await postgres.createDatabase()
  const latin = await postgres.createDatabase('latin', `ENCODING 'LATIN1' TEMPLATE template0`)
  const theirs = await postgres.createDatabase()
  await postgres.query(theirs, 'CREATE SCHEMA coweave')
  const newer = await postgres.createDatabase()
  await (await openPostgresLog({ url: newer })).close()
  await postgres.query(newer, `UPDATE coweave.meta SET value = '99' WHERE key = 'version'`)
  const cases: [url: string, expected: object][] = [
    [url, { code: 'storage/missing', message: expect.stringContaining('no tables') }],
    [url.replace(/\/[^/]*$/, '/nowhere'), { code: 'storage/missing', message: /nowhere.*does not exist/ }],
    [url.replace(/:\d+\//, ':1/'), { code: 'storage/unavailable', message: expect.stringContaining('ECONNREFUSED') }],
    [url.replace('127.0.0.1', 'nowhere.invalid'), { code: 'storage/unavailable' }],
    [url.replace('@127', '@[127'), { code: 'config/invalid' }],
    [`${url}?sslmode=verify-full`, { code: 'storage/unavailable', message: expect.stringContaining('SELF_SIGNED') }],
    [url.replace('postgres:', 'postgras:'), { code: 'config/invalid' }],
    [latin, { code: 'storage/unavailable', message: expect.stringContaining('LATIN1') }],
    [theirs, { code: 'storage/corrupt', message: expect.stringContaining('not one of Coweave') }],
    [newer, { code: 'storage/version', message: expect.stringContaining('schema 99') }],
  ]
  for (const [bad, expected] of cases) {
    const error: unknown = await openLog({ url: bad, create: false, onProblem: () => {} }).catch((reason) => reason)
    const { message, ...others } = expected as { message?: unknown }
    expect(error).toMatchObject(message instanceof RegExp ? others : expected)
    if (message instanceof RegExp) expect(error).toMatchObject({ message: expect.stringMatching(message) })
    const shown = error instanceof Error ? JSON.stringify([error.message, error.stack, error, error.cause]) : ''
    expect(shown).not.toContain(password)
    expect(shown).not.toContain('"input"')
  }
  expect(await postgres.query(url, `SELECT 1 FROM pg_namespace WHERE nspname = 'coweave'`)).toEqual([])
})

test('a database of version 1 is brought up to date, with what it holds', async () => {
  const [present, url] = [await postgres.createDatabase(), await postgres.createDatabase()]
  const before = await openPostgresLog({ url: present })
  await before.append([update('a', '1')])
  await before.close()
  await postgres.query(url, `CREATE SCHEMA coweave; ${MIGRATIONS[0]}`)
  await postgres.query(url, `INSERT INTO coweave.meta (key, value) VALUES ('version', '1')`)
  const tables = [
    ['documents', 'id, name, created_at, updated_at, position, bytes, clients, checksum', 'OVERRIDING SYSTEM VALUE'],
    ['updates', 'document, position, at, author, key, data, checksum', ''],
  ]
  for (const [table, columns = '', overriding] of tables) {
    const [row = []] = await postgres.query(present, `SELECT ${columns} FROM coweave.${table}`)
    const places = row.map((_, index) => `$${index + 1}`)
    await postgres.query(url, `INSERT INTO coweave.${table} (${columns}) ${overriding} VALUES (${places})`, row)
  }
  const log = await open(url)
  expect(await log.versions.add('a', namedVersion('x', 1))).toBe(true)
  expect(await log.versions.list('a')).toEqual([namedVersion('x', 1)])
  expect((await readAll(log, 'a')).map(({ data }) => textOf(data))).toEqual(['1'])
})

test('over TLS the certificate is verified', async () => {
  const url = await postgres.createDatabase()
  const log = await open(`${url}?sslmode=verify-full&sslrootcert=${encodeURIComponent(postgres.certificate)}`)
  await log.append([update('a', 'x')])
  const used = `SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
    WHERE datname = current_database() AND application_name = 'coweave'`
  expect(await postgres.query(url, used)).toEqual([[true]])
})

test('a role that may only write can use what another one has made', async () => {
  const url = await postgres.createDatabase()
  await (await openPostgresLog({ url })).close()
  for (const sql of [
    'CREATE ROLE server LOGIN',
    'GRANT USAGE ON SCHEMA coweave TO server',
    'GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA coweave TO server',
  ]) {
    await postgres.query(url, sql)
  }
  const log = await open(url.replace('postgres:pa', 'server:pa'))
  const typist = new Typist('a')
  const messages = [archived('chat/a', 1, 'hello')]
  expect(await log.append([{ ...typist.type('x'), clients: [1], messages }])).toEqual([1])
  expect(await log.compact('a')).toBe(1)
  expect(await Array.fromAsync(log.check())).toEqual([])
})

test('a key that is wrong or gone is found when the log is opened; keys can be rotated', async () => {
  const url = await postgres.createDatabase()
  const keys = (...texts: (string | undefined)[]) => ({ encryption: parseKeyRing(texts.join(',')) })
  const first = await openPostgresLog({ url, ...keys(k1) })
  await first.append([update('a', 'secret one', { messages: [archived('chat/a', 1, 'secret text')] })])
  await first.close()
  const rotated = await openPostgresLog({ url, ...keys(k2, k1) })
  await rotated.append([update('a', 'secret two')])
  expect((await readAll(rotated, 'a')).map(({ data }) => textOf(data))).toEqual(['secret one', 'secret two'])
  await rotated.close()
  for (const options of [{}, keys(k2), keys(wrong, k2)]) {
    await expect(openPostgresLog({ url, ...options })).rejects.toMatchObject({ code: 'storage/key' })
  }
  const dump = await postgres.query(
    url,
    'SELECT encode(data, $1) FROM coweave.updates UNION ALL SELECT encode(data, $1) FROM coweave.messages',
    ['escape'],
  )
  expect(dump).toHaveLength(3)
  expect(JSON.stringify(dump)).not.toContain('secret')
  expect(await postgres.query(url, 'SELECT words FROM coweave.messages')).toEqual([[null]])
})

test('a busy document is compacted by itself, by one instance, and at the latest when the log is closed', async () => {
  const url = await postgres.createDatabase()
  const typist = new Typist('a')
  const logs = await Promise.all([openPostgresLog({ url }), openPostgresLog({ url })])
  for (let batch = 0; batch < 10; batch++) {
    const log = logs[batch % 2] ?? expect.unreachable()
    await log.append(Array.from({ length: 500 }, (_, index) => typist.type(index % 9 ? 'x' : 'y', 0)))
  }
  await Promise.all(logs.map((log) => log.close()))
  const log = await open(url)
  const stored = await log.load('a')
  expect(stored.position).toBe(5_000)
  expect(stored.parts.length).toBeLessThan(2_500)
  expect(rebuild(stored).getText('text').toString()).toBe(typist.text)
  expect(await postgres.query(url, 'SELECT count(*)::int FROM coweave.snapshots')).toEqual([[1]])
  expect(await Promise.all([log.compact('a'), log.compact('a')])).toEqual([5_000, 5_000])
  expect(await readAll(log, 'a')).toHaveLength(5_000)
})

test('while one instance compacts a document, others leave it alone or wait, as they were asked', async () => {
  const url = await postgres.createDatabase()
  const log = await open(url)
  await log.append([new Typist('a').type('x')])
  const { Connections } = await import('../../persistence/postgres/connections.ts')
  const { compact } = await import('../../persistence/postgres/compactor.ts')
  const connections = new Connections({ url, place: 'test', max: 2, onProblem: () => {} })
  onTestFinished(() => connections.close())
  const [held, release] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const holding = connections.write(async (session) => {
    expect(await compact(session, undefined, { document: 'a', optional: false })).toBe(1)
    held.resolve()
    await release.promise
  })
  await held.promise
  const optional = connections.write((session) => compact(session, undefined, { document: 'a', optional: true }))
  expect(await optional).toBe(0)
  expect(await log.append([update('a', 'nobody waits')])).toEqual([2])
  const waiting = log.compact('a')
  release.resolve()
  await holding
  await expect(waiting).rejects.toMatchObject({
    code: 'storage/corrupt',
    message: expect.stringMatching(/^a: position 2/),
  })
})

test('what nobody would choose as a name or an id is stored and read back the same', async () => {
  const log = await open(await postgres.createDatabase())
  const strange = ['a\u0000b', '\\', `'"{},`, '', 'NULL', '😀', 'x'.repeat(20_000)]
  const updates = strange.map((text, index) =>
    update('a', text, {
      author: text,
      clients: [index],
      messages: [
        { room: 'chat/a', seq: index + 1, id: text, json: JSON.stringify({ text: `${text} word`, at: text }) },
      ],
    }),
  )
  await log.append(updates)
  expect((await readAll(log, 'a')).map(({ author }) => author)).toEqual(strange)
  expect([...(await log.load('a')).clients.values()]).toEqual(strange)
  const messages = await log.messages.list('chat/a', { limit: 99 })
  expect(messages.map(({ id }) => id)).toEqual(strange)
  for (const message of messages) expect(await log.messages.find('chat/a', message.id)).toEqual(message)
  expect(await log.messages.known('chat/a', [...strange, 'y'])).toEqual(new Set(strange))
  expect((await log.messages.search('word', { limit: 99 })).messages).toHaveLength(strange.length)
  expect(await Array.fromAsync(log.check())).toHaveLength(strange.length) // no Yjs, and nothing else
  for (const document of ['a\u0000b', '\ud800']) {
    await expect(log.append([update(document, 'x')])).rejects.toThrow(TypeError)
  }
  await expect(log.append([update('a', 'x', { at: 0.5 })])).rejects.toThrow(TypeError)
})

test('texts of any length and kind are indexed', async () => {
  const log = await open(await postgres.createDatabase())
  const words = Array.from({ length: 100_000 }, (_, index) => index.toString(36))
  const texts = [
    words.join(' '),
    'same '.repeat(50_000),
    'ß'.repeat(300_000),
    'ä-'.repeat(50_000),
    'İstanbul K ﬁ १२ 漢字',
  ]
  await log.append([update('a', 'x', { messages: texts.map((text, index) => archived('chat/a', index + 1, text)) })])
  const found = async (query: string) => (await log.messages.search(query, { limit: 9 })).messages.map(({ seq }) => seq)
  expect(await found('1a 1b')).toEqual([1])
  expect(await found('"1a-1b-1c"')).toEqual([1])
  expect(await found('1a-1c')).toEqual([])
  expect(await found('same same-same')).toEqual([2])
  expect(await found('ß'.repeat(250_000))).toEqual([3])
  expect(await found('a-a-a')).toEqual([4])
  expect(await found('ISTANBUL 漢')).toEqual([5])
})

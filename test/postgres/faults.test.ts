import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { Connections } from '../../persistence/postgres/connections.ts'
import { lockHeads } from '../../persistence/postgres/document-table.ts'
import { openPostgresLog } from '../../persistence/postgres/postgres-log.ts'
import type { UpdateLog } from '../../persistence/update-log.ts'
import { nextLine, startChild } from '../persistence/child.ts'
import { expectStampsOnce } from '../persistence/stamping.ts'
import { archived, readAll, stamp, textOf, update } from '../persistence/updates.ts'
import { startPostgres, type TestPostgres } from '../support/postgres.ts'
import { Acknowledged, expectInLog, Writer } from './appended.ts'

/** No test depends on how fast the machine is. */
const patient = { timeout: 20_000 }

let postgres: TestPostgres
beforeAll(async () => {
  postgres = await startPostgres()
})
afterAll(() => postgres.stop())

async function open(url: string): Promise<{ log: UpdateLog; problems: Error[] }> {
  const problems: Error[] = []
  const log = await openPostgresLog({ url, onProblem: (problem) => problems.push(problem) })
  onTestFinished(() => log.close())
  return { log, problems }
}

test('[promise 4] processes that append to the same documents share the positions, and no reader sees a hole', async () => {
  const url = await postgres.createDatabase()
  const { log } = await open(url)
  let ended = false
  const children = ['p', 'q', 'r'].map((name) => startChild('append', url, name, '100'))
  const acknowledging = Promise.all(
    children.map(async (child) => {
      const lines = await Array.fromAsync(child.lines)
      expect(await child.exited).toEqual({ code: 0, stderr: '' })
      return lines.flatMap((line) => Acknowledged.parse(JSON.parse(line)))
    }),
  ).finally(() => {
    ended = true
  })
  let last = 0
  let looks = 0
  for (; !ended; looks++) {
    const { position, parts } = await log.load('shared/0') // which rejects a document with a hole
    expect(parts).toHaveLength(position)
    expect(position).toBeGreaterThanOrEqual(last)
    last = position
  }
  const all = (await acknowledging).flat()
  expect(looks).toBeGreaterThan(10)
  expect(new Set(all.map(([document, position]) => `${document} ${position}`)).size).toBe(all.length)
  await expectInLog(log, all)
})

test('[promise 4] processes that stamp messages in one database give each seq once, also when one is killed', async () => {
  const url = await postgres.createDatabase()
  await expectStampsOnce(url, async () => (await open(url)).log)
})

test('[promise 1] kill -9 loses nothing that was acknowledged, and others go on', async () => {
  const url = await postgres.createDatabase()
  const [killed, survivor] = [startChild('append', url, 'killed'), startChild('append', url, 'survivor', '60')]
  const acknowledged: Acknowledged = []
  for (let batch = 0; batch < 20; batch++) {
    acknowledged.push(...Acknowledged.parse(JSON.parse(await nextLine(killed))))
  }
  await killed.kill()
  for (const { lines } of [killed, survivor]) {
    for await (const line of lines) acknowledged.push(...Acknowledged.parse(JSON.parse(line)))
  }
  expect((await survivor.exited).code).toBe(0)
  await expectInLog((await open(url)).log, acknowledged)
})

test('[promise 1] a crash of Postgres under load loses nothing that was acknowledged, and all goes on by itself', async () => {
  const url = await postgres.createDatabase()
  const logs = await Promise.all([open(url), open(url)])
  const writers = logs.map(({ log }, index) => new Writer(log, `w${index}`))
  const count = () => writers.reduce((sum, { acknowledged }) => sum + acknowledged.length, 0)
  const [{ log: reader }] = logs
  for (let round = 0; round < 3; round++) {
    const before = count()
    await expect.poll(count, patient).toBeGreaterThan(before + 200)
    await postgres.crash()
    await expect(reader.load('shared/a')).rejects.toMatchObject({ code: 'storage/unavailable' })
    await postgres.start()
    expect((await reader.load('shared/a')).position).toBeGreaterThan(0)
  }
  const before = count()
  await expect.poll(count, patient).toBeGreaterThan(before + 100)
  for (const writer of writers) await writer.stop()
  for (const { rejections } of writers) expect([...rejections.keys()]).toEqual(['storage/unavailable'])
  await expectInLog(
    reader,
    writers.flatMap(({ acknowledged }) => acknowledged),
  )
})

test('[promise 1] connections that are ended by force, at work or idle, are opened again', async () => {
  const url = await postgres.createDatabase()
  const { log, problems } = await open(url)
  const endAll = () =>
    postgres.query(
      url,
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE datname = current_database() AND pid <> pg_backend_pid()`,
    )
  const writer = new Writer(log, 'w')
  for (let round = 0; round < 10; round++) {
    const before = writer.acknowledged.length
    await expect.poll(() => writer.acknowledged.length, patient).toBeGreaterThan(before)
    await endAll()
    expect((await log.load('shared/a')).position).toBeGreaterThan(0) // on another connection, if need be
  }
  await writer.stop()
  expect([...writer.rejections.keys()]).toEqual(['storage/unavailable'])
  const before = problems.length
  await endAll()
  await expect.poll(() => problems.length, patient).toBeGreaterThan(before)
  expect(problems).toContainEqual(expect.objectContaining({ message: expect.stringContaining('connection was lost') }))
  await expectInLog(log, writer.acknowledged)
})

test('[promise 1] whatever the server is set to, a commit waits for the disk, and no lock is held for long', async () => {
  const url = await postgres.createDatabase()
  const settings = async () => {
    const connections = new Connections({ url, place: 'test', max: 1, onProblem: () => {} })
    const [found] = await connections.write((session) =>
      session.rows(
        `SELECT current_setting('synchronous_commit'), current_setting('idle_in_transaction_session_timeout')`,
      ),
    )
    await connections.close()
    return found
  }
  expect(await postgres.query(url, 'SHOW synchronous_commit')).toEqual([['off']])
  expect(await settings()).toEqual(['on', '10s'])
  await postgres.query(url, `ALTER DATABASE "${new URL(url).pathname.slice(1)}" SET synchronous_commit = remote_apply`)
  expect(await settings()).toEqual(['remote_apply', '10s'])
})

test('a document that another instance makes meanwhile does not let two appends wait for each other', async () => {
  const url = await postgres.createDatabase()
  const logs = await Promise.all([open(url), open(url)])
  await logs[0].log.append([update('b', '1')])
  const connections = new Connections({ url, place: 'test', max: 1, onProblem: () => {} })
  onTestFinished(() => connections.close())
  const [looked, go] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const first = connections.write(async (session) => {
    const { rows } = session
    session.rows = async (...args) => {
      const found = await rows.apply(session, args)
      session.rows = rows
      looked.resolve() // it has b and found no a
      await go.promise
      return found
    }
    return (await lockHeads(session, ['b', 'a'])).map(({ record }) => record.name)
  })
  await looked.promise
  await logs[0].log.append([update('a', '1')])
  const second = logs[1].log.append([update('b', '2'), update('a', '2')]) // takes a, and waits for b
  const waiting = `SELECT count(*)::int FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`
  await expect.poll(() => postgres.query(url, waiting), patient).toEqual([[1]])
  go.resolve()
  expect(await second).toEqual([2, 2])
  expect((await first).sort()).toEqual(['a', 'b'])
})

test('several servers that start on an empty database make one log', async () => {
  const url = await postgres.createDatabase()
  const logs = await Promise.all(Array.from({ length: 5 }, () => open(url)))
  await Promise.all(logs.map(({ log }) => log.append([update('a', 'x')])))
  for (const { log } of logs) expect(await readAll(log, 'a')).toHaveLength(5)
})

test('[promise 1] a commit whose wait for a replica was cancelled is not acknowledged', async () => {
  const url = await postgres.createDatabase()
  const { log } = await open(url)
  const setReplicas = async (names: string) => {
    await postgres.query(url, `ALTER SYSTEM SET synchronous_standby_names = '${names}'`)
    await postgres.query(url, 'SELECT pg_reload_conf()')
  }
  const writer = new Writer(log, 'w')
  await setReplicas('never_there')
  onTestFinished(() => setReplicas(''))
  const waiting = `FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'SyncRep'`
  await expect.poll(() => postgres.query(url, `SELECT count(*)::int ${waiting}`), patient).toEqual([[1]])
  const before = writer.acknowledged.length
  await postgres.query(url, `SELECT pg_cancel_backend(pid) ${waiting}`)
  await expect.poll(() => writer.rejections.get('storage/unavailable'), patient).toBe(1)
  expect(writer.acknowledged.length).toBe(before)
  await setReplicas('')
  await writer.stop()
  expect(writer.acknowledged.length).toBeGreaterThan(before)
  await expectInLog(log, writer.acknowledged)
})

test('[promise 4] a commit that was stored and not acknowledged leaves the same update out when it comes again', async () => {
  const url = await postgres.createDatabase()
  const { log } = await open(url)
  const batch = [stamp('chat/a', 0, 'one'), update('a', 'x', { clients: [1] })]
  const setReplicas = async (names: string) => {
    await postgres.query(url, `ALTER SYSTEM SET synchronous_standby_names = '${names}'`)
    await postgres.query(url, 'SELECT pg_reload_conf()')
  }
  await setReplicas('never_there')
  onTestFinished(() => setReplicas(''))
  const appended = log.append(batch)
  const rejected = expect(appended).rejects.toMatchObject({ code: 'storage/unavailable' })
  const waiting = `FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'SyncRep'`
  await expect.poll(() => postgres.query(url, `SELECT count(*)::int ${waiting}`), patient).toEqual([[1]])
  await postgres.query(url, `SELECT pg_cancel_backend(pid) ${waiting}`)
  await rejected
  await setReplicas('')
  expect(await log.append(batch)).toEqual([0, 2])
  expect((await readAll(log, 'chat/a@1')).map(({ data }) => textOf(data))).toEqual(['one'])
  expect(await log.messages.list('chat/a', { limit: 9 })).toHaveLength(1)
})

test('[promise 1] an empty batch is a write, and a disk that is full is said to be', async () => {
  const url = await postgres.createDatabase()
  const { log } = await open(url)
  const beat = () => postgres.query(url, `SELECT value FROM coweave.meta WHERE key = 'heartbeat'`)
  await log.append([])
  const first = await beat()
  await log.append([])
  expect(await beat()).not.toEqual(first)
  await postgres.query(
    url,
    `CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS $$
     BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$`,
  )
  await postgres.query(url, 'CREATE TRIGGER full_disk BEFORE INSERT ON coweave.messages EXECUTE FUNCTION fill()')
  const batch = [update('a', 'x', { clients: [7], messages: [archived('chat/a', 1, 'hello')] })]
  await expect(log.append(batch)).rejects.toMatchObject({ code: 'storage/full' })
  expect(await log.load('a')).toMatchObject({ position: 0, clients: new Map() }) // all or nothing
  await postgres.query(url, 'DROP TRIGGER full_disk ON coweave.messages')
  expect(await log.append(batch)).toEqual([1])
  expect((await readAll(log, 'a')).map(({ data }) => textOf(data))).toEqual(['x'])
})

test('[promise 1] nothing is acknowledged once the database is another one', async () => {
  const url = await postgres.createDatabase()
  const { log } = await open(url)
  await log.append([update('a', '1')])
  await postgres.query(url, 'ALTER SCHEMA coweave RENAME TO moved')
  await expect(log.append([update('a', '2')])).rejects.toMatchObject({ code: 'storage/missing' })
  const other = await open(url)
  await expect(log.append([update('a', '2')])).rejects.toMatchObject({ code: 'storage/missing' })
  await other.log.close()
  await postgres.query(url, 'DROP SCHEMA coweave CASCADE')
  await postgres.query(url, 'ALTER SCHEMA moved RENAME TO coweave')
  expect(await log.append([update('a', '2')])).toEqual([2])
})

import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { CloseCode } from '../../model/close-codes.ts'
import { segmentName } from '../../model/rooms.ts'
import { openClient, openYWebsocket, until } from '../support/clients.ts'
import { Instances } from '../support/instances.ts'
import { startPostgres, type TestPostgres } from '../support/postgres.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'
import { databaseUrl, temporaryFolder, tokenFor } from '../support/server.ts'

const DOCUMENT = 'notes/plan'
const ROOM = `chat/${DOCUMENT}`

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

describe('a document that another instance deletes', () => {
  test.each([
    ['with Redis, on Postgres', () => postgres.createDatabase(), true],
    ['without Redis, on one SQLite file', async () => databaseUrl(temporaryFolder()), false],
  ])('[promise 4] is closed with 4410, and so is its chat: %s', async (_how, place, sharesRedis) => {
    const instances = await Instances.start(2, {
      databaseUrl: await place(),
      redis: sharesRedis ? redis : undefined,
    })
    onTestFinished(() => instances.close())
    const [first, second] = instances.all.map(({ server }) => server)
    if (first === undefined || second === undefined) throw new Error('two were started')
    // What nobody has written yet is followed too.
    const names = [DOCUMENT, ROOM, segmentName(ROOM, 1)]
    const clients = names.map((name) => openYWebsocket(second, name))
    const stock = openClient(second, DOCUMENT)
    onTestFinished(() => {
      for (const client of [...clients, stock]) client.destroy()
    })
    const closes = clients.map(
      (client) =>
        new Promise((resolve) => {
          client.on('connection-close', (event: { code: number } | null) => resolve(event?.code))
        }),
    )
    await stock.synced()
    for (const client of clients) {
      await until(
        () => client.synced,
        (check) => client.on('sync', check),
      )
    }
    const denied = new Promise((resolve) => stock.provider.on('authenticationFailed', resolve))
    const answer = await fetch(`${first.url}/api/documents/${encodeURIComponent(DOCUMENT)}`, {
      method: 'DELETE',
      headers: { authorization: `Bearer ${tokenFor('mia', { access: { '**': 'moderate' } })}` },
    })
    expect(answer.status).toBe(200)
    expect(await Promise.all(closes)).toEqual(names.map(() => CloseCode.Deleted))
    expect(await denied).toEqual({ reason: 'document/deleted' })
  })
})

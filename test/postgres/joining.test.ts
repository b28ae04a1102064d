import { setTimeout } from 'node:timers/promises'
import pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { openClient, whenDocument } from '../support/clients.ts'
import { startPostgres } from '../support/postgres.ts'
import { startServer } from '../support/server.ts'

/** How long a commit may take, and how much of that is over when somebody joins: who joins waits for a second. */
const COMMIT_TIMEOUT = 1_500
const JOINED_AFTER_MS = 1_000

test('[promise 2] who joins a document that is forgotten in that moment comes back, and hears of what others write', async () => {
  const postgres = await startPostgres()
  onTestFinished(() => postgres.stop())
  const url = await postgres.createDatabase()
  const environment = { DATABASE_URL: url, COMMIT_TIMEOUT: String(COMMIT_TIMEOUT) }
  const server = await startServer({ environment })
  onTestFinished(async () => void (await server.kill()))
  const ann = openClient(server, 'notes', { user: 'ann' })
  onTestFinished(() => ann.destroy())
  ann.text.insert(0, 'before ')
  await ann.saved()

  const blocker = new pg.Client(url)
  await blocker.connect()
  onTestFinished(() => blocker.end())
  await blocker.query('BEGIN; LOCK TABLE coweave.documents IN ACCESS EXCLUSIVE MODE')
  const sentAway = new Promise<void>((resolve) => ann.socket.on('close', () => resolve()))
  ann.text.insert(7, 'meanwhile ')
  await setTimeout(JOINED_AFTER_MS)
  const ben = openClient(server, 'notes', { user: 'ben' })
  onTestFinished(() => ben.destroy())
  await sentAway
  await setTimeout(COMMIT_TIMEOUT)
  await blocker.query('ROLLBACK')

  await ann.saved()
  ann.text.insert(0, 'after ')
  await whenDocument(ben.ydoc, () => ben.text.toString() === 'after before meanwhile ')
  ben.text.insert(0, 'heard ')
  await whenDocument(ann.ydoc, () => ann.text.toString() === 'heard after before meanwhile ')
  expect(server.output()).toContain('documents are forgotten')
}, 40_000)

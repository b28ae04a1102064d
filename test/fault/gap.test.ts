import { expect, test } from 'vitest'
import * as Y from 'yjs'
import { openClient, whenDocument } from '../support/clients.ts'
import { RawClient } from '../support/raw-client.ts'
import { replayFromLog } from '../support/replay.ts'
import { startServer } from '../support/server.ts'
import { preloading } from './preload/preload.ts'

const document = 'notes/gap'

/** A client's edits, of which the first was lost on its way. */
function edits(count: number): { first: Uint8Array; rest: readonly Uint8Array[]; expected: string } {
  const ydoc = new Y.Doc()
  ydoc.clientID = 1
  const updates: Uint8Array[] = []
  ydoc.on('update', (update: Uint8Array) => updates.push(update))
  const text = ydoc.getText('text')
  for (let edit = 1; edit <= count; edit++) text.insert(text.length, `edit ${edit}, `)
  const [first, ...rest] = updates
  if (first === undefined) throw new Error('no edits')
  return { first, rest, expected: text.toString() }
}

test('[promise 2] an edit that waits for a lost one locks nobody out, and appears with it', async () => {
  const { first, rest, expected } = edits(2)
  let server = await startServer()
  const before = openClient(server, document, { user: 'bob' })
  await before.synced()
  const author = await RawClient.open(server, document, { user: 'ann' })
  for (const update of rest) author.send(update)
  await author.saved()

  for (const restarted of [false, true]) {
    if (restarted) {
      await server.stop()
      server = await server.restart()
    }
    const other = await RawClient.open(server, document, { user: 'cleo' })
    other.ydoc.getMap('map').set(`written by cleo, restarted: ${restarted}`, true)
    await other.saved()
    await other.close()
  }
  before.ydoc.getMap('map').set('written by bob', true)
  await whenDocument(before.ydoc, () => before.ydoc.getMap('map').size === 3)
  await before.saved()

  const again = await RawClient.open(server, document, { user: 'ann' })
  again.send(first)
  await again.saved()
  await whenDocument(before.ydoc, () => before.text.toString() === expected)
  const fresh = await RawClient.open(server, document, { user: 'dora' })
  expect(fresh.ydoc.getText('text').toString()).toBe(expected)
  expect([...fresh.ydoc.getMap('map').keys()]).toHaveLength(3)
  before.destroy()
  await server.stop()
})

test('[promise 1] every edit that waits for a lost one is on disk once it is acknowledged', async () => {
  const { first, rest, expected } = edits(5)
  let server = await startServer()
  const author = await RawClient.open(server, document, { user: 'ann' })
  for (const update of rest) author.send(update)
  await author.saved()
  await server.kill()

  server = await server.restart()
  const again = await RawClient.open(server, document, { user: 'ann' })
  again.send(first)
  await again.saved()
  const fresh = await RawClient.open(server, document, { user: 'bob' })
  expect(fresh.ydoc.getText('text').toString()).toBe(expected)
  await server.stop()
  const replayed = await replayFromLog(server.folder, [document])
  expect(replayed[document].getText('text').toString()).toBe(expected)
})

test('[promise 5] edits made while offline come back however many they are', { timeout: 120_000 }, async () => {
  // They arrive while the document is still being read.
  let server = await startServer({ environment: preloading(['slow-loads'], { SLOW_LOAD_MS: '1000' }) })
  const client = openClient(server, document)
  client.text.insert(0, 'before. ')
  await client.saved()
  await server.kill()
  // More than what may wait for an authentication, MAX_UNAUTHENTICATED_BYTES: a stock client sends each edit by itself.
  for (let edit = 0; edit < 30_000; edit++) client.text.insert(client.text.length, `${edit} `)
  server = await server.restart()
  const watcher = await RawClient.open(server, document)
  const expected = client.text.toString()
  await whenDocument(watcher.ydoc, () => watcher.ydoc.getText('text').length === expected.length)
  expect(watcher.ydoc.getText('text').toString()).toBe(expected)
  expect(server.output()).not.toContain('message refused')
  client.destroy()
  await server.stop()
})

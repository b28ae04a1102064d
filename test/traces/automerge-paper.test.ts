import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import * as Y from 'yjs'
import { type Client, openClient, until, whenDocument } from '../support/clients.ts'
import { isSoak } from '../support/random.ts'
import { RawClient } from '../support/raw-client.ts'
import { replayFromLog } from '../support/replay.ts'
import { startServer } from '../support/server.ts'
import { applyPatches, readTrace, type SequentialTrace, tracesMissing } from '../support/traces.ts'

const document = 'papers/automerge'
/** Where the short form ends. */
const EDITS = isSoak ? Number.POSITIVE_INFINITY : 30_000
/** Edits that may wait for their acknowledgement: the server isn't waited for at each, nor flooded. */
const WINDOW = 2_000
/** Edits made while the server is away. */
const OFFLINE = 3_000

test('[promise 1] [promise 2] a paper, typed edit by edit over a restart, ends in its text', {
  timeout: 600_000,
}, async ({ skip }) => {
  const trace = readTrace<SequentialTrace>('automerge-paper')
  if (trace === undefined) return skip(tracesMissing)
  const txns = trace.txns.slice(0, EDITS)
  const endContent = txns.length === trace.txns.length ? trace.endContent : textAfter(txns)

  let server = await startServer()
  const ydoc = new Y.Doc()
  ydoc.clientID = 1
  const author = openClient(server, document, { ydoc })
  await author.synced()
  const reader = openClient(server, document, { user: 'bob' })
  await reader.synced()

  const startedAt = performance.now()
  const middle = Math.floor(txns.length / 2)
  let restarted: Promise<void> | undefined
  for (const [index, { patches }] of txns.entries()) {
    applyPatches(author.text, patches)
    if (index === middle) restarted = restart()
    if (index === middle + OFFLINE) await restarted
    if (index % 100 === 0) await setImmediate()
    if (author.provider.unsyncedChanges > WINDOW) await mayGoOn(author)
  }
  await author.saved()
  const seconds = (performance.now() - startedAt) / 1000
  console.log(`${txns.length} edits in ${seconds.toFixed(1)} s, ${Math.round(txns.length / seconds)} a second`)
  expect(author.text.toString()).toBe(endContent)
  const isComplete = () => reader.text.length === endContent.length && reader.text.toString() === endContent
  await whenDocument(reader.ydoc, isComplete)

  const fresh = await RawClient.open(server, document, { user: 'cleo' })
  expect(fresh.ydoc.getText('text').toString()).toBe(endContent)
  for (const client of [author, reader]) client.destroy()
  await fresh.close()
  expect(await server.stop()).toBe(0)

  server = await server.restart()
  const cold = await RawClient.open(server, document, { user: 'dora' })
  expect(cold.ydoc.getText('text').toString()).toBe(endContent)
  await cold.close()
  expect(await server.stop()).toBe(0)
  const replayed = await replayFromLog(server.folder, [document])
  expect(replayed[document].getText('text').toString()).toBe(endContent)

  async function restart(): Promise<void> {
    expect(await server.stop()).toBe(0)
    server = await server.restart()
  }
})

function textAfter(txns: SequentialTrace['txns']): string {
  const text = new Y.Doc().getText()
  for (const { patches } of txns) applyPatches(text, patches)
  return text.toString()
}

/** While the server is away, typing goes on: nobody could acknowledge it. */
function mayGoOn({ provider, socket }: Client): Promise<void> {
  return until(
    () => provider.unsyncedChanges < WINDOW / 2 || socket.status !== 'connected',
    (check) => {
      provider.on('unsyncedChanges', check)
      socket.on('status', check)
      return () => {
        provider.off('unsyncedChanges', check)
        socket.off('status', check)
      }
    },
  )
}

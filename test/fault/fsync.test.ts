import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { CloseCode } from '../../model/close-codes.ts'
import { RawClient } from '../support/raw-client.ts'
import { startServer, temporaryFolder } from '../support/server.ts'
import { readSystemCalls, type SystemCall, straceWrapper } from './system-calls.ts'

const SYNCS = ['fsync', 'fdatasync']
const CALLS = ['read', 'write', 'writev', 'sendto', 'sendmsg', 'pwrite64', 'pwritev', ...SYNCS]
const document = 'notes/synced'
/** The end of each acknowledgement, as strace shows it: the name, SyncStatus, stored. */
const ACKNOWLEDGEMENT = `${document}\\10\\1"`
const marker = (number: number) => `[update ${String(number).padStart(4, '0')}]`

const isSync = ({ name, target, result }: SystemCall) =>
  SYNCS.includes(name) && target.includes('coweave.db-wal') && result === '0'
const isFailedSync = ({ name, result }: SystemCall) => SYNCS.includes(name) && result.includes('(INJECTED)')
const isReceipt = ({ name, target, result }: SystemCall) => name === 'read' && target.includes('<TCP') && result !== '0'
const isAcknowledgement = (call: SystemCall) => call.target.includes('<TCP') && call.arguments.includes(ACKNOWLEDGEMENT)
const writesToLog = (text: string) => (call: SystemCall) =>
  call.name.startsWith('pwrite') && call.target.includes('coweave.db-wal') && call.arguments.includes(text)

test('[promise 1] each acknowledgement leaves after the fsync of its update', async () => {
  const folder = temporaryFolder()
  const trace = join(folder, 'trace')
  const server = await startServer({ folder, wrapper: straceWrapper(trace, CALLS) })
  const client = await RawClient.open(server, document)
  const text = client.ydoc.getText('text')
  const COUNT = 50
  for (let number = 1; number <= COUNT; number++) {
    text.insert(text.length, marker(number))
    await client.saved()
  }
  await client.close()
  expect(await server.stop()).toBe(0)

  const calls = readSystemCalls(trace)
  const acknowledgements = calls.filter(isAcknowledgement)
  expect(acknowledgements).toHaveLength(COUNT)
  acknowledgements.forEach((acknowledgement, index) => {
    const before = calls.filter(({ returned }) => returned < acknowledgement.began)
    const receipt = before.findLast(isReceipt)
    const stored = before.find(writesToLog(marker(index + 1)))
    const synced = before.findLast(isSync)
    expect(receipt?.began).toBeLessThan(stored?.began ?? 0)
    expect(stored?.returned).toBeLessThan(synced?.began ?? 0)
  })
})

describe.each(['EIO', 'ENOSPC'])('[promise 1] while fsync fails with %s', (error) => {
  /** A database that is there already, so that the first thing to be synced is the first update. */
  async function startFailing(when: string, environment: Readonly<Record<string, string>> = {}) {
    const folder = temporaryFolder()
    await (await startServer({ folder })).stop()
    const trace = join(folder, 'trace')
    const inject = ['-e', `inject=${SYNCS.join(',')}:error=${error}:when=${when}`]
    const server = await startServer({ folder, environment, wrapper: straceWrapper(trace, CALLS, inject) })
    return { server, trace }
  }

  test('nothing is acknowledged, and everything once it works again', async () => {
    const { server, trace } = await startFailing('1..6')
    const client = await RawClient.open(server, document)
    client.ydoc.getText('text').insert(0, marker(1))
    await client.saved()
    expect(server.output()).toContain('a commit failed')
    await client.close()
    expect(await server.stop()).toBe(0)

    const calls = readSystemCalls(trace)
    expect(calls.filter(isFailedSync).length).toBeGreaterThanOrEqual(6)
    const [acknowledgement, ...more] = calls.filter(isAcknowledgement)
    expect(more).toEqual([])
    const before = calls.filter(({ returned }) => returned < (acknowledgement?.began ?? 0))
    const lastFailure = before.findLast(isFailedSync)
    // The pages are written again: the kernel may have dropped those whose sync failed.
    const stored = before.findLast(writesToLog(marker(1)))
    const synced = before.findLast(isSync)
    expect(lastFailure?.returned).toBeLessThan(stored?.began ?? 0)
    expect(stored?.returned).toBeLessThan(synced?.began ?? 0)
  })

  test('clients are sent away after the time-out, unacknowledged, and others see nothing', async () => {
    const { server, trace } = await startFailing('1+', { COMMIT_TIMEOUT: '1000' })
    const reader = await RawClient.open(server, document)
    const client = await RawClient.open(server, document)
    client.ydoc.getText('text').insert(0, marker(1))
    expect((await client.closed).code).toBe(CloseCode.TryAgainLater)
    expect((await reader.closed).code).toBe(CloseCode.TryAgainLater)
    expect(client.acknowledged).toBe(0)
    expect(reader.ydoc.getText('text').toString()).toBe('')
    expect((await fetch(`${server.url}/health/ready`)).status).toBe(503)
    await server.kill()
    expect(readSystemCalls(trace).filter(isAcknowledgement)).toEqual([])
  })
})

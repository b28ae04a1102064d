import { expect, onTestFinished, test } from 'vitest'
import * as Y from 'yjs'
import { CloseCode } from '../../model/close-codes.ts'
import { openClient } from '../support/clients.ts'
import { isSoak } from '../support/random.ts'
import { replayFromLog } from '../support/replay.ts'
import { startServer, temporaryFolder } from '../support/server.ts'

test('[promise 3] of two users who write with one Yjs client id on two instances at once, the later is refused', async () => {
  const folder = temporaryFolder()
  const [one, other] = [await startServer({ folder }), await startServer({ folder })]
  onTestFinished(async () => {
    await Promise.all([one.stop(), other.stop()])
  })
  for (let round = 1; round <= (isSoak ? 50 : 5); round += 1) {
    const name = `twins/${round}`
    const [ann, mallory] = [one, other].map((server, index) => {
      const ydoc = new Y.Doc()
      ydoc.clientID = 4711
      return openClient(server, name, { user: index === 0 ? 'ann' : 'mallory', ydoc })
    })
    if (ann === undefined || mallory === undefined) throw new Error('two were opened')
    await Promise.all([ann.synced(), mallory.synced()])
    const closes: number[] = []
    for (const { socket } of [ann, mallory])
      socket.on('close', ({ event }: { event: { code: number } }) => closes.push(event.code))
    ann.text.insert(0, 'by ann')
    mallory.text.insert(0, 'by mallory')
    await expect.poll(() => closes, { timeout: 10_000 }).toContain(CloseCode.TryAgainLater)
    ann.destroy()
    mallory.destroy()
    const witnesses = [one, other].map((server) => openClient(server, name, { user: 'carol' }))
    await Promise.all(witnesses.map((witness) => witness.synced()))
    const { [name]: replayed } = await replayFromLog(folder, [name])
    const stored = replayed?.getText('text').toString()
    expect(['by ann', 'by mallory']).toContain(stored)
    for (const witness of witnesses) expect(witness.text.toString()).toBe(stored)
    for (const witness of witnesses) witness.destroy()
  }
}, 60_000)

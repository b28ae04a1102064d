import { expect, onTestFinished, test } from 'vitest'
import * as Y from 'yjs'
import { openLog } from '../../persistence/open-log.ts'
import { loadAt } from '../../server/documents/load-at.ts'
import { makeFolder } from '../persistence/folder.ts'

test('a document is what its log says at each position, before a snapshot, at it and behind it', async () => {
  const log = await openLog({
    url: `sqlite:${await makeFolder()}/log.db`,
    create: true,
    onProblem: (error) => expect.unreachable(error.message),
  })
  onTestFinished(() => log.close())
  const ydoc = new Y.Doc()
  const updates: Uint8Array[] = []
  ydoc.on('update', (update: Uint8Array) => updates.push(update))
  for (let count = 1; count <= 9; count += 1) {
    ydoc.getText('text').insert(0, String(count))
    const row = { document: 'x', at: count, author: 'ann', clients: count === 1 ? [ydoc.clientID] : [] }
    await log.append([{ ...row, data: updates.at(-1) ?? expect.unreachable() }])
    if (count === 5) expect(await log.compact('x')).toBe(5)
  }
  for (let position = 0; position <= 9; position += 1) {
    const text = (await loadAt(log, 'x', position)).ydoc.getText('text').toString()
    expect(text).toBe('987654321'.slice(9 - position))
  }
  await log.forget('x', 3)
  for (let position = 3; position <= 9; position += 1) {
    const text = (await loadAt(log, 'x', position)).ydoc.getText('text').toString()
    expect(text).toBe('987654321'.slice(9 - position))
  }
  await expect(loadAt(log, 'x', 2)).rejects.toMatchObject({ code: 'history/forgotten' })
  expect(await loadAt(log, 'x')).toMatchObject({ position: 9 })
  expect(await loadAt(log, 'none')).toMatchObject({ position: 0, bytes: 0 })
  await expect(loadAt(log, 'x', 10)).rejects.toMatchObject({ code: 'document/no-such-position' })
})

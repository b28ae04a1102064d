import { expect } from 'vitest'
import { z } from 'zod'
import type { UpdateLog } from '../../persistence/update-log.ts'
import { nextLine, startChild } from './child.ts'
import { readAll, textOf } from './updates.ts'

const Stored = z.tuple([z.string(), z.string()])

/**
 * Lets three processes stamp messages in the same rooms, one of which is killed meanwhile. Fails unless each `seq` is
 * there once, none is missing, every message that was said to be stored is, and the rows are those of the archive.
 */
export async function expectStampsOnce(url: string, open: () => Promise<UpdateLog>): Promise<void> {
  const count = 40
  const survivors = ['p', 'q'].map((name) => startChild('stamp', url, name, `${count}`))
  const killed = startChild('stamp', url, 'killed')
  const lines: string[] = []
  for (let line = 0; line < 10; line++) lines.push(await nextLine(killed))
  await killed.kill()
  for (const child of [killed, ...survivors]) lines.push(...(await Array.fromAsync(child.lines)))
  for (const { exited } of survivors) expect(await exited).toEqual({ code: 0, stderr: '' })

  const said = lines.map((line) => Stored.parse(JSON.parse(line)))
  const log = await open()
  for (const room of ['chat/a', 'chat/b']) {
    const messages = await log.messages.list(room, { limit: 10_000 })
    const ids = messages.map(({ id }) => id)
    expect(messages.map(({ seq }) => seq)).toEqual(messages.map((_, index) => index + 1))
    expect(new Set(ids).size).toBe(ids.length)
    expect(ids).toEqual(expect.arrayContaining(said.filter(([where]) => where === room).map(([, id]) => id)))
    for (const name of ['p', 'q']) expect(ids.filter((id) => id.startsWith(`${name}/`))).toHaveLength(count)
    const rows = await Promise.all(['p', 'q', 'killed'].map((name) => readAll(log, `${room}@${name}`)))
    expect(
      rows
        .flat()
        .map(({ data }) => textOf(data))
        .sort(),
    ).toEqual(ids.toSorted())
  }
}

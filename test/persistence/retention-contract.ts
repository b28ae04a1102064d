import { describe, expect, test } from 'vitest'
import type { UpdateLog } from '../../persistence/update-log.ts'
import { makeFolder } from './folder.ts'
import { readAll, rebuild, Typist } from './updates.ts'
import { namedVersion } from './version-store-contract.ts'

const letters = Array.from('abcdefghij')
const forgotten = expect.objectContaining({ code: 'history/forgotten' })

/** What every update log promises of forgotten rows. A part of describeUpdateLog(). */
export function describeRetention(name: string, openIn: (folder: string) => Promise<UpdateLog>): void {
  /** A log with a document of a row a letter, taken at 1, 2, 3 …, and its typist. */
  async function openTyped(document = 'a', folder?: string): Promise<{ log: UpdateLog; typist: Typist }> {
    const log = await openIn(folder ?? (await makeFolder()))
    const typist = new Typist(document)
    const rows = letters.map((letter, index) => ({ ...typist.type(letter), at: index + 1, clients: [index + 1] }))
    await log.append(rows)
    return { log, typist }
  }

  const textAt = async (log: UpdateLog, document: string, position: number) => {
    const base = await log.retention.historyBase(document)
    const rows = await readAll(log, document, base?.position ?? 0, position)
    return textOf([...(base === undefined ? [] : [base.state]), ...rows.map(({ data }) => data)])
  }
  const textNow = async (log: UpdateLog, document: string) => textOf((await log.load(document)).parts)

  describe(`${name}: forgotten history`, () => {
    test('ends where it was to, and from there on all is as before, also when opened again', async () => {
      const folder = await makeFolder()
      const { log, typist } = await openTyped('a', folder)
      expect(await log.retention.historyStart('a')).toEqual({ position: 0, at: 0 })
      expect(await log.retention.historyBase('a')).toBeUndefined()
      const before = await log.load('a')
      expect(await log.retention.forget('a', 4)).toBe(4)
      expect(await log.retention.forget('a', 2)).toBe(4)
      expect(await log.append([typist.type('k'), typist.edit((doc) => doc.getText('text').delete(0, 1))])).toEqual([
        11, 12,
      ])
      for (const each of [log, await openIn(folder)]) {
        expect(await each.retention.historyStart('a')).toEqual({ position: 4, at: 4 })
        for (let position = 4; position <= 11; position++) {
          expect(await textAt(each, 'a', position)).toBe('abcdefghijk'.slice(0, position))
        }
        expect(await textNow(each, 'a')).toBe('bcdefghijk')
        expect((await each.load('a')).clients).toEqual(before.clients)
        expect(await each.claims('a')).toHaveLength(10)
        expect(await Array.fromAsync(each.check())).toEqual([])
        for (const after of [0, 3]) await expect(readAll(each, 'a', after)).rejects.toEqual(forgotten)
        expect(await readAll(each, 'a', 0, 0)).toEqual([])
        const [summary] = await each.documents({ limit: 9 })
        expect(summary).toMatchObject({ name: 'a', position: 12, createdAt: 1 })
      }
      // As often as one likes, with compactions in between.
      expect(await log.compact('a')).toBe(12)
      expect(await textAt(log, 'a', 6)).toBe('abcdef')
      expect(await log.retention.forget('a', 9)).toBe(9)
      expect(await textAt(log, 'a', 9)).toBe('abcdefghi')
      expect(await log.retention.forget('a', 99)).toBe(12)
      expect(await log.retention.historyStart('a')).toMatchObject({ position: 12 })
      expect(await readAll(log, 'a', 12)).toEqual([])
      expect(await textNow(log, 'a')).toBe('bcdefghijk')
      expect(await log.append([typist.type('l')])).toEqual([13])
      expect(await log.compact('a')).toBe(13)
      expect(await textAt(log, 'a', 12)).toBe('bcdefghijk')
      expect(await Array.fromAsync(log.check())).toEqual([])
    })

    test('leaves nothing of what was deleted by then', async () => {
      const log = await openIn(await makeFolder())
      const typist = new Typist('chat/a')
      await log.append([typist.type('secret words'), typist.type(' stay')])
      await log.compact('chat/a')
      await log.append([typist.edit((doc) => doc.getText('text').delete(0, 12))])
      expect(await log.compact('chat/a')).toBe(3)
      expect(await log.retention.forget('chat/a', 3)).toBe(3)
      const { parts } = await log.load('chat/a')
      expect(textOf(parts)).toBe(' stay')
      const base = await log.retention.historyBase('chat/a')
      for (const bytes of [...parts, base?.state ?? expect.unreachable()]) {
        expect(Buffer.from(bytes).includes('secret')).toBe(false)
      }
    })

    test('never ends above a named version, which can be named only where there is history', async () => {
      const { log } = await openTyped()
      await log.versions.add('a', namedVersion('x', 6))
      await log.versions.add('a', namedVersion('y', 3))
      expect(await log.retention.forget('a', 10)).toBe(3)
      expect(await log.versions.add('a', namedVersion('z', 2))).toBe(false)
      await log.versions.remove('a', 'y')
      expect(await log.retention.forget('a', 10)).toBe(6)
      expect(await textAt(log, 'a', 6)).toBe('abcdef')
      expect(await log.versions.list('a')).toEqual([namedVersion('x', 6)])
      expect(await log.versions.add('a', namedVersion('w', 6))).toBe(true)
    })

    test('is that of the document alone, is found by the time of its first row, and goes when it is erased', async () => {
      const { log } = await openTyped('a')
      const other = new Typist('b')
      await log.append([7, 8].map((at) => ({ ...other.type('x'), at })))
      expect(await log.retention.forgettable({ before: 1, limit: 9 })).toEqual({ documents: [], next: undefined })
      expect(await log.retention.forgettable({ before: 2, limit: 9 })).toEqual({ documents: ['a'], next: undefined })
      expect(await log.retention.forgettable({ before: 8, limit: 9 })).toEqual({
        documents: ['a', 'b'],
        next: undefined,
      })
      expect(await log.retention.forget('unknown', 5)).toBe(0)
      expect(await log.retention.forget('a', 0)).toBe(0)
      await log.retention.forget('a', 5)
      expect(await readAll(log, 'b')).toHaveLength(2)
      expect(await log.retention.forgettable({ before: 6, limit: 9 })).toEqual({ documents: [], next: undefined })
      expect(await log.retention.forgettable({ before: 10, limit: 1 })).toEqual({ documents: ['a'], next: 'a' })
      expect(await log.retention.forgettable({ before: 10, after: 'a', limit: 9 })).toEqual({
        documents: ['b'],
        next: undefined,
      })
      await log.delete('a', { at: 1, by: 'mia' })
      expect(await log.retention.forget('a', 6)).toBe(6)
      expect(await log.undelete('a')).toBe('restored')
      expect(await textNow(log, 'a')).toBe('abcdefghij')
      await log.delete('a', { at: 1, by: 'mia' })
      await log.erase('a')
      expect(await log.retention.forget('a', 9)).toBe(0)
      expect(await log.free('a')).toBe(true)
      expect(await log.append([new Typist('a').type('anew')])).toEqual([1])
      expect(await log.retention.historyStart('a')).toEqual({ position: 0, at: 0 })
      expect(await readAll(log, 'a')).toHaveLength(1)
      expect(await Array.fromAsync(log.check())).toEqual([])
    })

    test('[promise 4] by two at once, while others append and compact, is one history', async () => {
      const folder = await makeFolder()
      const { log, typist } = await openTyped('a', folder)
      const other = await openIn(folder)
      const positions = Array.from({ length: 10 }, (_, index) => index + 1)
      await Promise.all([
        ...positions.map((position) => (position % 2 === 0 ? log : other).retention.forget('a', position)),
        ...positions.map((position) => (position % 2 === 0 ? other : log).compact('a')),
        ...positions.map(() => log.append([typist.type('x')])),
      ])
      expect(await log.retention.historyStart('a')).toEqual({ position: 10, at: 10 })
      for (const each of [log, other]) {
        expect(await textAt(each, 'a', 10)).toBe('abcdefghij')
        expect(await textNow(each, 'a')).toBe(`abcdefghij${'x'.repeat(10)}`)
        expect(await Array.fromAsync(each.check())).toEqual([])
      }
    })
  })
}

function textOf(parts: readonly Uint8Array[]): string {
  const doc = rebuild({ position: 0, snapshot: 0, epoch: 0, parts, clients: new Map(), retired: new Set() })
  return doc.getText('text').toString()
}

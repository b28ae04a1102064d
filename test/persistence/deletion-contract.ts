import { describe, expect, test } from 'vitest'
import { DELETED, type UpdateLog } from '../../persistence/update-log.ts'
import { makeFolder } from './folder.ts'
import { archived, readAll, rebuild, stamp, Typist, update } from './updates.ts'

const deletion = { at: 1_800_000_000_000, by: 'mia' }
const CHAT = ['chat/a', 'chat/a@1', 'chat/a@2']
/** Documents that only look as if they went with the document `a`. */
const OTHERS = ['a/b', 'chat/a/b', 'chat/a@x', 'chat/b@1', 'ab', 'chat/aA']

/** What every update log promises about deleted documents. A part of describeUpdateLog(). */
export function describeDeletion(name: string, openIn: (folder: string) => Promise<UpdateLog>): void {
  /** A log with a document of each name, and messages in the rooms of `a` and `b`. */
  async function openFilled(log?: UpdateLog): Promise<UpdateLog> {
    const filled = log ?? (await openIn(await makeFolder()))
    const documents = ['a', ...CHAT, ...OTHERS].map((document) => ({
      ...new Typist(document).type(document),
      clients: [1],
    }))
    await filled.append(documents)
    await filled.append(
      ['a', 'b'].map((one) => update(`chat/${one}@1`, '', { messages: [archived(`chat/${one}`, 1, `in ${one}`)] })),
    )
    return filled
  }

  const namesIn = async (log: UpdateLog, deleted?: boolean) =>
    (await log.documents({ limit: 100, ...(deleted === undefined ? {} : { deleted }) })).map((one) => one.name)

  describe(`${name}: a deleted document`, () => {
    test('takes nothing and shows nothing, with the chat beside it, until it is restored whole', async () => {
      const log = await openFilled()
      const before = await log.load('a')
      expect(await log.delete('a', deletion)).toEqual({ ...deletion, isErased: false })
      expect(await log.delete('a', { at: 5, by: 'eve' })).toEqual({ ...deletion, isErased: false })

      const batch = ['a', ...CHAT, 'chat/a@3', ...OTHERS].map((document) => update(document, 'late', { clients: [9] }))
      const positions = await log.append(batch)
      expect(positions).toEqual([0, 0, 0, 0, 0, 2, 2, 2, 3, 2, 2])
      expect(await log.append([stamp('chat/a', 1, 'late')])).toEqual([0])
      expect(await log.positions(['a', ...CHAT, 'chat/a@3', 'a/b', 'unknown'])).toEqual([
        ...Array.from({ length: 5 }, () => DELETED),
        2,
        0,
      ])
      for (const gone of ['a', 'chat/a@1', 'chat/a@3']) {
        const { parts, position, clients, deleted } = await log.load(gone)
        expect({ parts, position, clients, deleted }).toEqual({
          parts: [],
          position: 0,
          clients: new Map(),
          deleted: { ...deletion, isErased: false },
        })
      }
      expect(await namesIn(log)).toEqual([...OTHERS].sort())
      expect(await namesIn(log, true)).toEqual(['a', ...CHAT])
      expect((await log.documents({ limit: 1, deleted: true }))[0]).toMatchObject({
        name: 'a',
        position: 1,
        deleted: { ...deletion, isErased: false },
      })
      expect(await readAll(log, 'a')).toHaveLength(1)
      expect(await log.messages.list('chat/a', { limit: 9 })).toHaveLength(1)

      expect(await log.undelete('a')).toBe('restored')
      expect(await log.undelete('a')).toBe('not-deleted')
      expect(await log.load('a')).toEqual(before)
      expect(await log.positions(['a', ...CHAT, 'chat/a@3'])).toEqual([1, 1, 2, 1, 0])
      expect(await log.append([update('a', 'again'), update('chat/a@3', 'new')])).toEqual([2, 1])
    })

    test('stays deleted for another log on the same storage, and may be one that nobody has written', async () => {
      const folder = await makeFolder()
      const [first, second] = [await openIn(folder), await openIn(folder)]
      await openFilled(first)
      expect(await second.append([update('a', 'x')])).toEqual([2])
      await first.delete('a', deletion)
      expect(await second.append([update('a', 'y'), update('a/b', 'y')])).toEqual([0, 2])
      expect(await second.hasChanged()).toBe(true)
      expect(await second.positions(['a'])).toEqual([DELETED])

      await second.delete('never', deletion)
      expect(await first.append([update('never', 'x'), update('chat/never@1', 'x')])).toEqual([0, 0])
      expect((await first.load('chat/never')).deleted).toEqual({ ...deletion, isErased: false })
      expect(await first.undelete('never')).toBe('restored')
      expect(await first.append([update('never', 'x')])).toEqual([1])
    })

    test('is erased with all that was in it, but for its name, and can be had anew only once that is freed', async () => {
      const folder = await makeFolder()
      const log = await openFilled(await openIn(folder))
      await log.append(Array.from({ length: 600 }, (_, index) => update('a', `${index}`, { clients: [index + 10] })))
      await log.append(
        [2, 3, 4].map((seq) => update('chat/a@1', '', { messages: [archived('chat/a', seq, 'needle')] })),
      )
      await log.compact('a/b')
      expect(await log.erase('a')).toBe(false) // it is not deleted
      expect(await log.free('a')).toBe(false)
      await log.delete('a', deletion)
      expect(await log.free('a')).toBe(false) // it can be restored
      expect(await log.erasable({ before: deletion.at - 1, limit: 9 })).toEqual([])
      expect(await log.erasable({ before: deletion.at, limit: 9 })).toEqual(['a'])

      // Two at once do each other no harm.
      const other = await openIn(folder)
      expect(await Promise.all([log.erase('a'), other.erase('a')])).toEqual([true, true])
      expect(await log.erase('a')).toBe(true)
      expect(await log.erasable({ before: Number.MAX_SAFE_INTEGER, limit: 9 })).toEqual([])
      const erased = { ...deletion, isErased: true }
      expect(await log.documents({ limit: 9, deleted: true })).toEqual([
        { name: 'a', position: 0, createdAt: deletion.at, updatedAt: deletion.at, deleted: erased },
      ])
      expect(await readAll(log, 'a')).toEqual([])
      expect(await log.claims('a')).toEqual([])
      expect(await log.messages.list('chat/a', { limit: 9 })).toEqual([])
      expect(await log.messages.list('chat/b', { limit: 9 })).toHaveLength(1)
      expect((await log.load('chat/a@1')).deleted).toEqual(erased)
      expect(await log.append([update('a', 'x'), update('chat/a@1', 'x'), update('chat/a@7', 'x')])).toEqual([0, 0, 0])
      expect(await log.undelete('a')).toBe('erased')
      expect(await log.compact('a')).toBe(0)
      expect(await namesIn(log)).toEqual([...OTHERS].sort())
      expect(
        rebuild(await log.load('a/b'))
          .getText('text')
          .toString(),
      ).toBe('a/b')

      const typist = new Typist('a')
      expect(await log.free('a')).toBe(true)
      expect(await log.free('a')).toBe(false)
      expect(await log.append([typist.type('anew'), update('chat/a@1', '')])).toEqual([1, 1])
      expect(
        rebuild(await log.load('a'))
          .getText('text')
          .toString(),
      ).toBe('anew')
    })

    test('has no damage before, while and after it is erased', async () => {
      const log = await openIn(await makeFolder())
      const typist = new Typist('a')
      await log.append(Array.from({ length: 300 }, () => typist.type('x')))
      await log.compact('a')
      await log.delete('a', deletion)
      expect(await Array.fromAsync(log.check())).toEqual([])
      const erasing = log.erase('a')
      expect(await Array.fromAsync(log.check())).toEqual([])
      await erasing
      expect(await Array.fromAsync(log.check())).toEqual([])
    })
  })
}

import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import * as Y from 'yjs'
import type { ArchivedMessage } from '../../persistence/message-store.ts'
import type { NewUpdate, UpdateLog } from '../../persistence/update-log.ts'
import { describeDeletion } from './deletion-contract.ts'
import { makeFolder } from './folder.ts'
import { describePacking } from './packing-contract.ts'
import { describeRetention } from './retention-contract.ts'
import { describeSharedLog } from './shared-log-contract.ts'
import { archived, readAll, rebuild, seed, Typist, textOf, update } from './updates.ts'

/**
 * What every update log promises. `open` opens the log that lives in `folder`, also when another one has it open.
 */
export function describeUpdateLog(name: string, open: (folder: string) => Promise<UpdateLog>): void {
  async function openIn(folder: string): Promise<UpdateLog> {
    const log = await open(folder)
    onTestFinished(() => log.close())
    return log
  }

  async function openNew(): Promise<UpdateLog> {
    return await openIn(await makeFolder())
  }

  describe(`${name}: update log`, () => {
    test('[promise 1] positions count 1, 2, 3 … for each document, in the order of the batch', async () => {
      const log = await openNew()
      expect(await log.append([update('a', '1'), update('b', '2'), update('a', '3')])).toEqual([1, 1, 2])
      expect(await log.append([update('b', '4'), update('a', '5')])).toEqual([2, 3])
    })

    test('[promise 1] whatever was appended is read back the same, in order, also when opened again', async () => {
      const folder = await makeFolder()
      const names = ['a', 'a/b', 'notes/plan', 'ünïcödé/😀', '%20']
      const anUpdate = fc.record({
        document: fc.constantFrom(...names),
        at: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
        author: fc.string({ unit: 'grapheme' }),
        data: fc.uint8Array({ maxLength: 5_000 }),
        clients: fc.constant([]),
      })
      const model = new Map<string, NewUpdate[]>(names.map((document) => [document, []]))
      const check = async (log: UpdateLog) => {
        for (const [document, updates] of model) {
          const rows = updates.map(({ at, author, data }, index) => ({
            position: index + 1,
            at,
            author,
            data: Buffer.from(data),
          }))
          const found = await readAll(log, document)
          expect(found.map((row) => ({ ...row, data: Buffer.from(row.data) }))).toEqual(rows)
        }
      }
      await fc.assert(
        fc.asyncProperty(fc.array(fc.array(anUpdate, { maxLength: 20 }), { maxLength: 5 }), async (batches) => {
          const log = await open(folder)
          try {
            for (const batch of batches) {
              await log.append(batch)
              for (const one of batch) model.get(one.document)?.push(one)
            }
            await check(log)
          } finally {
            await log.close()
          }
        }),
        { seed, numRuns: 10 },
      )
      await check(await openIn(folder))
    })

    test('the memory of an update may be used again once append() has returned', async () => {
      const log = await openNew()
      const memory = Buffer.from('before')
      const appended = log.append([update('a', '', { data: memory })])
      memory.write('after!')
      await appended
      expect((await readAll(log, 'a')).map((row) => textOf(row.data))).toEqual(['before'])
    })

    test('many appends under way are committed in the order of the calls', async () => {
      const log = await openNew()
      const calls = Array.from({ length: 200 }, (_, index) => log.append([update('a', `${index}`)]))
      expect((await Promise.all(calls)).flat()).toEqual(Array.from({ length: 200 }, (_, index) => index + 1))
      const texts = (await readAll(log, 'a')).map((row) => textOf(row.data))
      expect(texts).toEqual(Array.from({ length: 200 }, (_, index) => `${index}`))
    })

    test('an empty batch is written too', async () => {
      const log = await openNew()
      expect(await log.append([])).toEqual([])
    })

    test('a big update comes back whole', async () => {
      const log = await openNew()
      const data = Buffer.alloc(20_000_000, 'coweave ')
      await log.append([update('a', '', { data }), update('a', 'small')])
      const { parts } = await log.load('a')
      expect(parts.map((part) => part.length)).toEqual([data.length, 5])
      expect(data.equals(parts[0] ?? new Uint8Array())).toBe(true)
    })

    test('an unknown document is empty', async () => {
      const log = await openNew()
      expect(await log.load('a')).toEqual({
        position: 0,
        snapshot: 0,
        epoch: 0,
        parts: [],
        clients: new Map(),
        retired: new Set(),
      })
      expect(await readAll(log, 'a')).toEqual([])
      expect(await log.compact('a')).toBe(0)
    })

    test('load gives every update, and the clients with the users that claimed them', async () => {
      const log = await openNew()
      await log.append([update('a', 'x', { author: 'ann', clients: [1, 4_294_967_295] }), update('b', 'y')])
      await log.append([update('a', 'z', { author: 'bob', clients: [2] })])
      const { position, parts, clients } = await log.load('a')
      expect(position).toBe(2)
      expect(parts.map(textOf)).toEqual(['x', 'z'])
      expect([...clients].sort()).toEqual([
        [1, 'ann'],
        [2, 'bob'],
        [4_294_967_295, 'ann'],
      ])
      expect((await log.load('b')).clients).toEqual(new Map())
    })

    test('read gives the rows above `after` and up to `until`, over many pages', async () => {
      const log = await openNew()
      await log.append(Array.from({ length: 3_500 }, (_, index) => update('a', `${index + 1}`)))
      await log.append(Array.from({ length: 5 }, () => update('a', '', { data: new Uint8Array(400_000) })))
      const positions = async (after: number, until?: number) =>
        (await readAll(log, 'a', after, until)).map((row) => row.position)
      expect(await positions(0)).toEqual(Array.from({ length: 3_505 }, (_, index) => index + 1))
      expect(await positions(3_500, 3_502)).toEqual([3_501, 3_502])
      expect(await positions(3_504)).toEqual([3_505])
      expect(await positions(3_505)).toEqual([])
      expect(await positions(9_999)).toEqual([])
      expect(await positions(7, 7)).toEqual([])
      for await (const row of log.read('a', 10)) {
        expect(row.position).toBe(11)
        break // leaving early is allowed
      }
    })

    test('read ends, also while others append', async () => {
      const log = await openNew()
      await log.append(Array.from({ length: 2_500 }, () => update('a', 'x')))
      let rows = 0
      for await (const _ of log.read('a', 0)) {
        if (rows % 500 === 0) await log.append([update('a', 'y')])
        rows += 1
      }
      expect(rows).toBeGreaterThanOrEqual(2_500)
      expect(rows).toBeLessThan(2_510)
    })

    test('[promise 4] a reader never sees a position before the ones below it', async () => {
      const folder = await makeFolder()
      const [writer, reader] = [await openIn(folder), await openIn(folder)]
      let done = false
      const writing = (async () => {
        for (let batch = 0; batch < 50; batch++) {
          await writer.append(Array.from({ length: 5 }, (_, index) => update('a', `${batch}-${index}`)))
        }
        done = true
      })()
      let last = 0
      while (!done) {
        const { position, parts } = await reader.load('a')
        expect(parts).toHaveLength(position)
        expect(position % 5).toBe(0) // whole batches only
        expect(position).toBeGreaterThanOrEqual(last)
        last = position
      }
      await writing
      expect((await reader.load('a')).position).toBe(250)
    })

    test('[promise 4] two logs on one storage share the positions', async () => {
      const folder = await makeFolder()
      const logs = [await openIn(folder), await openIn(folder)]
      const calls = Array.from({ length: 100 }, (_, index) =>
        (logs[index % 2] ?? expect.unreachable()).append([update('a', 'x', { clients: [index] }), update('b', 'y')]),
      )
      const positions = (await Promise.all(calls)).map(([position]) => position ?? 0)
      expect(positions.sort((x, y) => x - y)).toEqual(Array.from({ length: 100 }, (_, index) => index + 1))
      for (const log of logs) expect(await readAll(log, 'b')).toHaveLength(100)
      for (const log of logs) expect((await log.load('a')).clients.size).toBe(100)
    })

    test('documents are listed in the order of their bytes, by prefix, page by page', async () => {
      const log = await openNew()
      // In UTF-16, which JavaScript compares by, 😀 comes before U+FFFD; in UTF-8 after it.
      const names = ['a', 'a/1', 'a/2', 'a/\uFFFD', 'a/😀', 'a0', 'b', 'chat/a/1', 'ä']
      await log.append([...names].reverse().map((document, index) => update(document, 'x', { at: 1_000 + index })))
      await log.append([update('a/1', 'y', { at: 5_000 })])
      const list = async (options: { prefix?: string; after?: string; limit: number }) =>
        (await log.documents(options)).map((document) => document.name)
      expect(await list({ limit: 100 })).toEqual(names)
      expect(await list({ prefix: 'a/', limit: 100 })).toEqual(['a/1', 'a/2', 'a/\uFFFD', 'a/😀'])
      expect(await list({ prefix: 'a/', limit: 2 })).toEqual(['a/1', 'a/2'])
      expect(await list({ prefix: 'a/', after: 'a/2', limit: 2 })).toEqual(['a/\uFFFD', 'a/😀'])
      expect(await list({ prefix: 'b', after: 'a/2', limit: 9 })).toEqual(['b'])
      expect(await list({ prefix: 'a/', after: 'b', limit: 9 })).toEqual([])
      expect(await list({ prefix: 'zzz', limit: 9 })).toEqual([])
      const [found] = await log.documents({ prefix: 'a/1', limit: 1 })
      expect(found).toEqual({ name: 'a/1', position: 2, createdAt: 1_007, updatedAt: 5_000 })
    })

    test('[promise 2] compaction keeps the document, its positions and its rows', async () => {
      const log = await openNew()
      const typist = new Typist('a')
      await log.append(Array.from('hello world', (letter) => typist.type(letter)))
      expect(await log.compact('a')).toBe(11)
      expect(await log.compact('a')).toBe(11)
      expect(await log.append([typist.edit((doc) => doc.getText('text').delete(0, 6))])).toEqual([12])

      const stored = await log.load('a')
      expect(stored).toMatchObject({ position: 12, snapshot: 11 })
      expect(stored.parts).toHaveLength(2)
      expect(rebuild(stored).getText('text').toString()).toBe('world')
      expect(await log.compact('a')).toBe(12)
      expect(
        rebuild(await log.load('a'))
          .getText('text')
          .toString(),
      ).toBe('world')

      const rows = await readAll(log, 'a')
      expect(rows).toHaveLength(12)
      const replayed = rebuild({ ...stored, parts: rows.map((row) => row.data) })
      expect(replayed.getText('text').toString()).toBe('world')
    })

    test('[promise 2] compaction keeps updates that wait for others', async () => {
      const log = await openNew()
      const typist = new Typist('a')
      const [first, second, third] = [typist.type('one '), typist.type('two '), typist.type('three')]
      const deletion = typist.edit((doc) => doc.getText('text').delete(0, 1))
      await log.append([first, third, deletion])
      await log.compact('a')
      await log.append([second])
      expect(
        rebuild(await log.load('a'))
          .getText('text')
          .toString(),
      ).toBe('ne two three')
    })

    test('[promise 2] a document is the same whatever was compacted when', async () => {
      const log = await openNew()
      let run = 0
      const step = fc.oneof(
        {
          weight: 8,
          arbitrary: fc.record({ client: fc.nat({ max: 2 }), at: fc.nat(), text: fc.string({ maxLength: 5 }) }),
        },
        { weight: 1, arbitrary: fc.constant('compact') },
      )
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 60 }), async (steps) => {
          const document = `run/${run++}`
          const typists = [1, 2, 3].map((client) => new Typist(document, client))
          for (const one of steps) {
            if (typeof one === 'string') {
              await log.compact(document)
              continue
            }
            const typist = typists[one.client] ?? expect.unreachable()
            const { length } = typist.text
            const made = typist.edit((doc) => {
              doc.getText('text').insert(one.at % (length + 1), one.text)
              if (one.text === '' && length > 0) doc.getText('text').delete(one.at % length, 1)
            })
            await log.append([made])
            // Only some have heard of it, so that edits are concurrent.
            const listener = typists[one.at % 3]
            if (listener !== undefined) Y.applyUpdate(listener.doc, Y.encodeStateAsUpdate(typist.doc))
          }
          const expected = new Y.Doc()
          for (const { doc } of typists) Y.applyUpdate(expected, Y.encodeStateAsUpdate(doc))
          const actual = rebuild(await log.load(document))
          expect(actual.getText('text').toString()).toBe(expected.getText('text').toString())
        }),
        { seed, numRuns: 20 },
      )
    })

    describe('the archive of messages', () => {
      const seqs = (messages: readonly ArchivedMessage[]) => messages.map(({ seq }) => seq)
      const textsOf = (messages: readonly ArchivedMessage[]) => messages.map(({ json }) => JSON.parse(json).text)

      test('[promise 1] messages are stored with the update that made them, and read page by page', async () => {
        const folder = await makeFolder()
        const log = await open(folder)
        const sent = Array.from({ length: 25 }, (_, index) => archived('chat/a', index + 1, `text ${index + 1}`))
        await log.append(
          sent.map((message) => update(`chat/a@${Math.ceil(message.seq / 10)}`, 'x', { messages: [message] })),
        )
        await log.append([update('chat/b@1', 'y', { messages: [archived('chat/b', 1, 'of another room')] })])
        await log.close()
        const again = await openIn(folder)
        expect(await again.messages.list('chat/a', { limit: 100 })).toEqual(sent)
        expect(seqs(await again.messages.list('chat/a', { limit: 3 }))).toEqual([23, 24, 25])
        expect(seqs(await again.messages.list('chat/a', { before: 23, limit: 3 }))).toEqual([20, 21, 22])
        expect(seqs(await again.messages.list('chat/a', { before: 3, limit: 3 }))).toEqual([1, 2])
        expect(await again.messages.list('chat/a', { before: 1, limit: 3 })).toEqual([])
        expect(await again.messages.list('chat/c', { limit: 3 })).toEqual([])
        expect(await again.messages.find('chat/a', 'id-7')).toEqual(sent[6])
        expect(await again.messages.find('chat/b', 'id-7')).toBeUndefined()
      })

      test('tells which of some ids a room has', async () => {
        const folder = await makeFolder()
        const log = await open(folder)
        await log.append([
          update('chat/a@1', '1', { messages: [archived('chat/a', 1, 'one'), archived('chat/a', 2, 'two')] }),
          update('chat/b@1', '1', { messages: [1, 2, 3].map((seq) => archived('chat/b', seq, 'of another room')) }),
        ])
        expect(await log.messages.known('chat/a', ['id-3', 'id-2', 'ID-1', '', 'id-2'])).toEqual(new Set(['id-2']))
        expect(await log.messages.known('chat/a', [])).toEqual(new Set())
        expect(await log.messages.known('chat/c', ['id-1'])).toEqual(new Set())
        await log.close()
        const ids = Array.from({ length: 10_000 }, (_, index) => `id-${index}`)
        expect(await (await openIn(folder)).messages.known('chat/b', ids)).toEqual(new Set(['id-1', 'id-2', 'id-3']))
      })

      test('an edit replaces the message, also in the same batch, and leaves the others', async () => {
        const log = await openNew()
        await log.append([
          update('chat/a@1', '1', { messages: [archived('chat/a', 1, 'one'), archived('chat/a', 2, 'two')] }),
          update('chat/a@1', '2', { messages: [archived('chat/a', 1, 'uno')] }),
        ])
        expect(textsOf(await log.messages.list('chat/a', { limit: 9 }))).toEqual(['uno', 'two'])
        await log.append([update('chat/a@1', '3', { messages: [archived('chat/a', 2, '', { deletedAt: 9 })] })])
        expect(textsOf(await log.messages.list('chat/a', { limit: 9 }))).toEqual(['uno', ''])
      })

      test('a seq or an id that is taken stays with the first, and the updates are stored all the same', async () => {
        const log = await openNew()
        await log.append([update('chat/a@1', '1', { messages: [archived('chat/a', 1, 'first')] })])
        const others = [
          { ...archived('chat/a', 2, 'same id'), id: 'id-1' },
          { ...archived('chat/a', 1, 'same seq'), id: 'id-9' },
        ]
        expect(await log.append([update('chat/a@1', '2', { messages: others })])).toEqual([2])
        expect(textsOf(await log.messages.list('chat/a', { limit: 9 }))).toEqual(['first'])
      })

      test('whatever a message holds is stored and read back the same', async () => {
        const log = await openNew()
        const messages = [
          { text: 'äöü 😀 \u0000 "\'' },
          { text: 5, at: 'never', author: null, editedAt: 1.5 },
          { text: 'x'.repeat(100_000) },
          {},
        ].map((message, index) => ({
          room: 'chat/a',
          seq: index + 1,
          id: `${index}`,
          json: JSON.stringify({ ...message, seq: index + 1 }),
        }))
        await log.append([update('chat/a@1', '1', { messages })])
        expect(await log.messages.list('chat/a', { limit: 9 })).toEqual(messages)
      })
    })

    test('a healthy log has no damage', async () => {
      const log = await openNew()
      const typist = new Typist('a')
      await log.append([typist.type('x'), typist.type('y')])
      await log.compact('a')
      await log.append([typist.type('z'), { ...new Typist('b').type('b'), messages: [archived('chat/b', 1, 'b')] }])
      expect(await Array.fromAsync(log.check())).toEqual([])
    })

    test('close waits for calls under way; later ones are refused', async () => {
      const folder = await makeFolder()
      const log = await openIn(folder)
      const typist = new Typist('a')
      const appended = log.append([typist.type('x')])
      const loaded = log.load('a')
      await log.close()
      await log.close()
      expect(await appended).toEqual([1])
      await loaded
      const closed = expect.objectContaining({ code: 'storage/closed' })
      await expect(log.append([])).rejects.toEqual(closed)
      await expect(log.load('a')).rejects.toEqual(closed)
      await expect(log.documents({ limit: 1 })).rejects.toEqual(closed)
      await expect(log.positions(['a'])).rejects.toEqual(closed)
      await expect(log.claims('a')).rejects.toEqual(closed)
      await expect(log.hasChanged()).rejects.toEqual(closed)
      await expect(log.compact('a')).rejects.toEqual(closed)
      await expect(log.messages.list('chat/a', { limit: 1 })).rejects.toEqual(closed)
      await expect(log.messages.find('chat/a', 'x')).rejects.toEqual(closed)
      await expect(log.messages.known('chat/a', ['x'])).rejects.toEqual(closed)
      await expect(log.messages.search('x', { limit: 1 })).rejects.toEqual(closed)
      await expect(log.backup(`${folder}/backup`)).rejects.toEqual(closed)
      await expect(readAll(log, 'a')).rejects.toEqual(closed)
      await expect(Array.fromAsync(log.check())).rejects.toEqual(closed)
      expect((await (await openIn(folder)).load('a')).position).toBe(1)
    })
  })

  describeSharedLog(name, openIn)
  describeDeletion(name, openIn)
  describeRetention(name, openIn)
  describePacking(name, openIn)
}

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ANY_SEQ, type ArchivedMessage } from '../../persistence/message-store.ts'
import type { NewUpdate, UpdateLog } from '../../persistence/update-log.ts'
import { makeFolder } from './folder.ts'
import { SharedLogModel } from './shared-log-model.ts'
import { archived, readAll, seed, stamp, stampUntilStored, textOf, update } from './updates.ts'

/** A Yjs update that changes nothing. */
const NO_CHANGE = Uint8Array.of(0, 0)

/** What every update log promises to several instances that share it. A part of describeUpdateLog(). */
export function describeSharedLog(name: string, openIn: (folder: string) => Promise<UpdateLog>): void {
  async function openNew(): Promise<UpdateLog> {
    return await openIn(await makeFolder())
  }

  /** So many logs on one storage. */
  async function openShared(count: number): Promise<UpdateLog[]> {
    const folder = await makeFolder()
    return await Promise.all(Array.from({ length: count }, () => openIn(folder)))
  }

  const idsIn = async (log: UpdateLog, room = 'chat/a') =>
    (await log.messages.list(room, { limit: 10_000 })).map(({ id }: ArchivedMessage) => id)
  const textsIn = async (log: UpdateLog, document: string) =>
    (await readAll(log, document)).map(({ data }) => textOf(data))

  describe(`${name}: an update that expects a room to end with a seq`, () => {
    test('is stored if it does, and left out with its messages and claims if not, while others are stored', async () => {
      const log = await openNew()
      expect(await log.append([stamp('chat/a', 0, 'one')])).toEqual([1])
      const batch = [
        update('notes', 'before'),
        stamp('chat/a', 0, 'late', { document: 'notes', author: 'eve', clients: [7] }),
        update('notes', 'between'),
        stamp('chat/a', 2, 'early'),
        stamp('chat/b', 1, 'of an empty room'),
        stamp('chat/a', 1, 'two', { document: 'notes' }),
        update('notes', 'behind', { author: 'ann', clients: [7] }),
      ]
      expect(await log.append(batch)).toEqual([1, 0, 2, 0, 0, 3, 4])
      expect(await textsIn(log, 'notes')).toEqual(['before', 'between', 'two', 'behind'])
      expect(await idsIn(log)).toEqual(['one', 'two'])
      expect(await idsIn(log, 'chat/b')).toEqual([])
      expect((await log.load('notes')).clients).toEqual(new Map([[7, 'ann']]))
      expect(await log.append([stamp('chat/a', 1, 'late'), stamp('chat/a', 9, 'early')])).toEqual([0, 0])
      expect(await log.append([stamp('chat/a', 2, 'three')])).toEqual([2])
    })

    test('takes into account what the updates before it in the batch stored, and not what was left out', async () => {
      const log = await openNew()
      const batch = [
        stamp('chat/a', 0, 'one'),
        stamp('chat/a', 0, 'too late'),
        stamp('chat/a', 1, 'one'), // that id is taken by now
        stamp('chat/a', 1, 'two'),
        update('chat/a@1', 'plain', { messages: [archived('chat/a', 7, 'seven')] }),
        stamp('chat/a', 2, 'three'),
        stamp('chat/a', 7, 'eight'),
      ]
      expect(await log.append(batch)).toEqual([1, 0, 0, 2, 3, 0, 4])
      expect(await idsIn(log)).toEqual(['one', 'two', 'id-7', 'eight'])
    })

    test('is left out if the room has one of its ids already; other rooms do not count', async () => {
      const log = await openNew()
      const messages = [archived('chat/a', 2, 'x'), archived('chat/a', 3, 'x')]
      await log.append([stamp('chat/a', 0, 'one'), stamp('chat/b', 0, 'id-3'), stamp('chat/b', 1, 'other')])
      expect(await log.append([stamp('chat/a', 1, 'one')])).toEqual([0])
      expect(
        await log.append([stamp('chat/a', 1, '', { messages: [...messages, archived('chat/a', 4, 'y')] })]),
      ).toEqual([2])
      expect(
        await log.append([stamp('chat/a', 4, '', { messages: [archived('chat/a', 5, 'z'), ...messages] })]),
      ).toEqual([0])
      expect(await idsIn(log)).toEqual(['one', 'id-2', 'id-3', 'id-4'])
      expect(await log.append([stamp('chat/a', 4, 'nothing to archive', { messages: [] })])).toEqual([3])
    })

    test('is left out when it is appended again and was stored the first time', async () => {
      const log = await openNew()
      const batch = [stamp('chat/a', 0, 'one'), update('a', 'plain', { clients: [1] }), stamp('chat/a', 1, 'two')]
      expect(await log.append(batch)).toEqual([1, 1, 2])
      expect(await log.append(batch)).toEqual([0, 2, 0])
      expect(await textsIn(log, 'chat/a@1')).toEqual(['one', 'two'])
    })

    test('makes no document where it is left out', async () => {
      const logs = await openShared(2)
      const [first, second] = [logs[0] ?? expect.unreachable(), logs[1] ?? expect.unreachable()]
      await first.append([update('a', 'x')])
      expect(await first.append([stamp('chat/a', 5, 'x', { document: 'new' }), update('a', 'y')])).toEqual([0, 2])
      expect((await first.documents({ limit: 9 })).map((document) => document.name)).toEqual(['a'])
      for (let index = 0; index < 30; index++) {
        const document = `new/${index}`
        const [left, stored] = await Promise.all([
          first.append([stamp('chat/a', 5, 'x', { document })]),
          second.append([update(document, 'x')]),
        ])
        expect([left, stored]).toEqual([[0], [1]])
      }
      expect(await second.append([update('new', 'x')])).toEqual([1])
      for (const log of logs) expect(await log.documents({ limit: 99 })).toHaveLength(32)
    })

    test('[promise 4] of instances that expect the same, one has its update stored; the others read again', async () => {
      const logs = await openShared(3)
      const room = 'chat/a'
      for (let round = 0; round < 15; round++) {
        // Each in a document of its own: it is the room that they contend for.
        const tasks = logs.map((log, index) => ({ log, id: `${round}/${index}`, document: `${room}@${index}` }))
        for (let waiting = tasks; waiting.length > 0; ) {
          const lasts = await Promise.all(waiting.map(({ log }) => log.messages.list(room, { limit: 1 })))
          const appended = await Promise.all(
            waiting.map(({ log, id, document }, index) =>
              log.append([update(document, 'plain'), stamp(room, lasts[index]?.[0]?.seq ?? 0, id, { document })]),
            ),
          )
          for (const [plain] of appended) expect(plain).toBeGreaterThan(0)
          const losers = waiting.filter((_, index) => appended[index]?.[1] === 0)
          expect(losers).toHaveLength(waiting.length - 1)
          waiting = losers
        }
      }
      for (const log of logs) {
        const messages = await log.messages.list(room, { limit: 100 })
        expect(messages.map(({ seq }) => seq)).toEqual(Array.from({ length: 45 }, (_, index) => index + 1))
        expect(new Set(messages.map(({ id }) => id)).size).toBe(45)
        const rows = await Promise.all(logs.map((_, index) => textsIn(log, `${room}@${index}`)))
        const stamped = rows.flat().filter((text) => text !== 'plain')
        expect(stamped.sort()).toEqual(messages.map(({ id }) => id).sort())
      }
    })

    test('[promise 4] instances that stamp as fast as they can give each seq once, and leave none out', async () => {
      const logs = await openShared(3)
      await Promise.all(
        logs.map(async (log, index) => {
          for (let count = 0; count < 30; count++) await stampUntilStored(log, 'chat/a', `${index}/${count}`)
        }),
      )
      const messages = await (logs[0] ?? expect.unreachable()).messages.list('chat/a', { limit: 100 })
      expect(messages.map(({ seq }) => seq)).toEqual(Array.from({ length: 90 }, (_, index) => index + 1))
      expect(new Set(messages.map(({ id }) => id)).size).toBe(90)
    })
  })

  describe(`${name}: claims of client ids`, () => {
    test("[promise 3] an update that names another user's client id is left out, with all that comes with it", async () => {
      const log = await openNew()
      await log.append([update('a', '1', { author: 'ann', clients: [1, 2] })])
      const batch = [
        update('a', '2', { author: 'bob', clients: [3, 2, 4], messages: [archived('chat/a', 1, 'x')] }),
        update('a', '3', { author: 'bob' }),
        update('a', '4', { author: 'ann', clients: [2, 3, 3] }),
        update('a', '5', { author: 'bob', clients: [3] }), // claimed before it
        update('b', '6', { author: 'bob', clients: [1] }), // of another document
        update('a', '7', { author: '', clients: [1] }),
        update('a', '8', { author: 'bob', clients: [4] }),
      ]
      const positions: number[] = []
      for (const each of batch) positions.push(...(await log.append([each])))
      expect(positions).toEqual([0, 2, 3, 0, 1, 0, 4])
      expect(await textsIn(log, 'a')).toEqual(['1', '3', '4', '8'])
      expect(await idsIn(log)).toEqual([])
      expect([...(await log.load('a')).clients].sort()).toEqual([
        [1, 'ann'],
        [2, 'ann'],
        [3, 'ann'],
        [4, 'bob'],
      ])
      expect(await log.append([update('a', '4', { author: 'ann', clients: [2, 3] })])).toEqual([5]) // again: hers
    })

    test('what is behind it in the batch is left out as well, of that document', async () => {
      const log = await openNew()
      await log.append([update('a', '1', { author: 'ann', clients: [1] })])
      const batch = [
        update('a', '2', { author: 'ann', clients: [2] }),
        update('a', '3', { author: 'bob', clients: [2] }), // claimed before it in this batch
        update('b', '4', { author: 'bob', clients: [2] }),
        update('a', '5', { author: 'bob', messages: [archived('chat/a', 1, 'x')] }),
        update('a', '6', { author: 'ann' }),
        update('b', '7', { author: 'ann' }),
      ]
      expect(await log.append(batch)).toEqual([2, 0, 1, 0, 0, 2])
      expect(await textsIn(log, 'a')).toEqual(['1', '2'])
      expect(await textsIn(log, 'b')).toEqual(['4', '7'])
      expect(await idsIn(log)).toEqual([])
      expect(await log.append([update('a', '6', { author: 'ann' })])).toEqual([3])
    })

    test('an author is the same person again, whatever the name', async () => {
      const log = await openNew()
      for (const author of ['', 'a\u0000b', '\ud800', 'ünï/😀']) {
        const claiming = update(`of ${author.length}`, 'x', { author, clients: [author.length] })
        expect(await log.append([claiming])).not.toContain(0)
        expect(await log.append([claiming, claiming])).not.toContain(0)
      }
    })

    test('[promise 3] of two instances that claim the same for different users, one has its update stored', async () => {
      const logs = await openShared(2)
      const users = ['ann', 'bob']
      const clients = Array.from({ length: 40 }, (_, index) => index)
      const won = await Promise.all(
        logs.map(async (log, index) => {
          const author = users[index] ?? expect.unreachable()
          const appends = clients.map((client) => log.append([update('a', author, { author, clients: [client] })]))
          const positions = (await Promise.all(appends)).flat()
          return clients.filter((client) => positions[client] !== 0)
        }),
      )
      expect(won.flat().sort((left, right) => left - right)).toEqual(clients)
      for (const log of logs) {
        const stored = await log.load('a')
        expect(stored.position).toBe(clients.length)
        users.forEach((user, index) => {
          const owned = [...stored.clients].filter(([, owner]) => owner === user).map(([client]) => client)
          expect(owned.sort((left, right) => left - right)).toEqual(won[index])
        })
      }
    })

    test('are read from a position on', async () => {
      const log = await openNew()
      await log.append([update('a', '1', { clients: [10, 11] }), update('a', '2'), update('a', '3', { clients: [10] })])
      await log.append([update('a', '4', { author: 'bob', clients: [12] })])
      const claims = async (document: string, after?: number) =>
        (await log.claims(document, after)).map(({ client, user, position }) => [client, user, position]).sort()
      const all = [
        [10, 'ann', 1],
        [11, 'ann', 1],
        [12, 'bob', 4],
      ]
      expect(await claims('a')).toEqual(all)
      expect(await claims('a', 0)).toEqual(all)
      expect(await claims('a', 1)).toEqual(all.slice(2))
      expect(await claims('a', 4)).toEqual([])
      expect(await claims('b', 1)).toEqual([])
    })
  })

  describe(`${name}: what a follower asks`, () => {
    test('gives the positions of thousands of documents, in their order', async () => {
      const logs = await openShared(2)
      const [log, other] = [logs[0] ?? expect.unreachable(), logs[1] ?? expect.unreachable()]
      const names = Array.from({ length: 3_000 }, (_, index) => `docs/${index} ünï`)
      await log.append([...names, ...names.slice(0, 10)].map((document) => update(document, 'x')))
      expect(await other.positions(['unknown', 'docs/10 ünï', 'docs/9 ünï', 'docs', 'docs/9 ünï'])).toEqual([
        0, 1, 2, 0, 2,
      ])
      expect(await other.positions([])).toEqual([])
      const found = await other.positions([...names, 'unknown'])
      expect(found).toEqual([...names.map((_, index) => (index < 10 ? 2 : 1)), 0])
    })

    test('[promise 4] hasChanged never says no after a commit, by this log or another', async () => {
      const logs = await openShared(2)
      for (const [index, writer] of [...logs, ...logs].entries()) {
        await writer.append([update('a', `${index}`)])
        for (const log of logs) {
          expect(await log.hasChanged()).toBe(true)
          expect(await log.positions(['a'])).toEqual([index + 1])
        }
      }
    })

    test('the id is that of the database', async () => {
      const folder = await makeFolder()
      const logs = [await openIn(folder), await openIn(folder)]
      const [id] = logs.map((log) => log.id)
      expect(id).toMatch(/\S/)
      expect(logs.map((log) => log.id)).toEqual([id, id])
      for (const log of logs) await log.close()
      expect((await openIn(folder)).id).toBe(id)
      expect((await openNew()).id).not.toBe(id)
    })
  })

  test(`${name}: an update that follows another is stored with it or not at all`, async () => {
    const log = await openNew()
    const following = (document: string, text: string, options: Partial<NewUpdate> = {}) =>
      update(document, text, { follows: true, ...options })
    await log.append([stamp('chat/a', 0, 'one'), update('b', 'hers', { author: 'eve', clients: [7] })])
    const batch = [
      following('a', 'of nothing'),
      stamp('chat/a', 0, 'late'),
      following('a', 'of what is late', {
        clients: [9],
        messages: [archived('inbox/ann', ANY_SEQ, 'of what is late')],
      }),
      following('a', 'of that, too'),
      stamp('chat/a', 1, 'two'),
      following('a', 'of two'),
      following('b', 'by another', { author: 'bob', clients: [7] }),
      following('c', 'also of two', { messages: [archived('inbox/ann', ANY_SEQ, 'also of two')] }),
      update('a', 'by itself'),
    ]
    expect(await log.append(batch)).toEqual([0, 0, 0, 0, 2, 1, 0, 1, 2])
    expect(await textsIn(log, 'a')).toEqual(['of two', 'by itself'])
    expect((await log.load('a')).clients).toEqual(new Map())
    expect(await log.messages.list('inbox/ann', { limit: 9 })).toHaveLength(1)
  })

  describe(`${name}: messages for any place`, () => {
    const room = 'inbox/ann'
    /** An update with a message, to be stored once. */
    const once = (id: string, inbox = room) =>
      update(inbox, id, {
        author: '',
        messages: [{ ...archived(inbox, ANY_SEQ, id), id }],
        expects: { room: inbox, lastSeq: undefined },
      })

    test('go behind the last one, once for each id', async () => {
      const log = await openNew()
      expect(await log.append([once('a'), once('b'), once('a')])).toEqual([1, 2, 0])
      expect(await log.append([once('b'), once('c')])).toEqual([0, 3])
      const stored = await log.messages.list(room, { limit: 9 })
      expect(stored.map(({ seq, id }) => [seq, id])).toEqual([
        [1, 'a'],
        [2, 'b'],
        [3, 'c'],
      ])
      expect(await textsIn(log, room)).toEqual(['a', 'b', 'c'])
    })

    test('take the place of the message of their id', async () => {
      const log = await openNew()
      await log.append([once('a'), once('b')])
      const changed = { room, seq: ANY_SEQ, id: 'a', json: '{"changed":true}' }
      expect(await log.append([update(room, 'change', { messages: [changed] })])).toEqual([3])
      expect(await log.messages.find(room, 'a')).toEqual({ ...changed, seq: 1 })
      expect(await idsIn(log, room)).toEqual(['a', 'b'])
    })

    test('[promise 4] are stored once where instances store them at the same time', async () => {
      const logs = await openShared(2)
      for (let round = 0; round < 10; round++) {
        const all = await Promise.all(logs.map((log) => log.append([once(`id ${round}`)])))
        expect(all.flat().filter((position) => position > 0)).toEqual([round + 1])
      }
      for (const log of logs) expect(await idsIn(log, room)).toHaveLength(10)
    })

    test('can be for ten thousand rooms at once, also while others are written', async () => {
      const logs = await openShared(2)
      const [first, second] = [logs[0] ?? expect.unreachable(), logs[1] ?? expect.unreachable()]
      const rooms = Array.from({ length: 10_000 }, (_, index) => `inbox/user-${index}`)
      const many = first.append(rooms.map((inbox) => once('x', inbox)))
      for (let index = 0; index < 10; index++) await second.append([once(`y ${index}`, 'inbox/user-0')])
      expect((await many).every((position) => position > 0)).toBe(true)
      expect((await idsIn(second, 'inbox/user-0')).toSorted()).toHaveLength(11)
      expect(await idsIn(second, 'inbox/user-9999')).toEqual(['x'])
    })
  })

  describe(`${name}: an update that expects its document to be at a position`, () => {
    const first = (document: string, content: string, options: Partial<NewUpdate> = {}) =>
      update(document, content, { author: '', expects: { position: 0 }, ...options })

    test('is stored there alone, and makes no document where it is left out', async () => {
      const log = await openNew()
      const batch = [
        first('new', 'one', { clients: [7] }),
        first('new', 'too late', { clients: [8] }),
        update('new', 'two', { expects: { position: 1 } }),
        update('other', 'x', { expects: { position: 1 } }),
        update('new', 'follows', { follows: true }),
      ]
      expect(await log.append(batch)).toEqual([1, 0, 2, 0, 0])
      expect(await log.append([first('new', 'later'), update('new', 'three', { expects: { position: 2 } })])).toEqual([
        0, 3,
      ])
      expect(await textsIn(log, 'new')).toEqual(['one', 'two', 'three'])
      expect((await log.load('new')).clients).toEqual(new Map([[7, '']]))
      expect((await log.documents({ limit: 9 })).map((document) => document.name)).toEqual(['new'])
      await log.delete('gone', { at: 1, by: 'ann' })
      expect(await log.append([first('gone', 'x')])).toEqual([0])
    })

    test('[promise 4] of instances that each begin a document, one does', async () => {
      const logs = await openShared(3)
      for (let round = 0; round < 20; round += 1) {
        const document = `begun/${round}`
        const positions = await Promise.all(
          logs.map(async (log, index) => (await log.append([first(document, `by ${index}`)]))[0]),
        )
        expect(positions.toSorted()).toEqual([0, 0, 1])
        const texts = await textsIn(logs[round % 3] ?? expect.unreachable(), document)
        expect(texts).toEqual([`by ${positions.indexOf(1)}`])
      }
    })
  })

  test(`${name}: [promise 4] whatever batches instances mix, the log is as the model says`, async () => {
    const logs = await openShared(2)
    const model = new SharedLogModel()
    let [runs, at] = [0, 0]
    const small = (max: number) => fc.nat({ max })
    const room = fc.constantFrom('chat/a', 'chat/b')
    const anUpdate = fc.record({
      document: fc.constantFrom('a', 'b', 'c'),
      author: fc.constantFrom('', 'ann', 'bob'),
      clients: fc.array(small(7), { maxLength: 3 }),
      messages: fc.array(fc.record({ room, seq: small(6), id: small(6) }), { maxLength: 2 }),
      expects: fc.option(
        fc.oneof(
          fc.record({ room, lastSeq: fc.option(small(6), { nil: undefined }) }),
          fc.record({ position: small(3) }),
        ),
        { nil: undefined },
      ),
      follows: fc.boolean(),
    })
    const aBatch = fc.record({ by: small(1), updates: fc.array(anUpdate, { maxLength: 6 }), isRepeated: fc.boolean() })
    await fc.assert(
      fc.asyncProperty(fc.array(aBatch, { maxLength: 12 }), async (batches) => {
        const run = runs++
        const inRun = (place: string) => `${place}/${run}`
        for (const { by, updates, isRepeated } of batches) {
          const batch = updates.map(
            ({ document, messages, expects, ...others }): NewUpdate => ({
              ...others,
              document: inRun(document),
              at: ++at,
              data: NO_CHANGE,
              messages: messages.map(({ room, seq, id }) => ({ ...archived(inRun(room), seq, ''), id: `${id}` })),
              expects: expects && 'room' in expects ? { room: inRun(expects.room), lastSeq: expects.lastSeq } : expects,
            }),
          )
          for (let time = 0; time <= Number(isRepeated); time++) {
            expect(await (logs[by] ?? expect.unreachable()).append(batch)).toEqual(model.append(batch))
          }
        }
        const documents = ['a', 'b', 'c'].map(inRun)
        for (const log of logs) {
          expect(await log.positions(documents)).toEqual(documents.map((document) => model.rowsOf(document).length))
          for (const document of documents) {
            const rows = await readAll(log, document)
            expect(rows.map((row) => row.at)).toEqual(model.rowsOf(document))
            const claims = (await log.claims(document)).toSorted((left, right) => left.client - right.client)
            expect(claims).toEqual(model.claimsOf(document))
          }
          for (const room of ['chat/a', 'chat/b'].map(inRun)) expect(await idsIn(log, room)).toEqual(model.idsOf(room))
        }
      }),
      { seed, numRuns: 40 },
    )
    expect(await Array.fromAsync(logs[0]?.check() ?? expect.unreachable())).toEqual([])
  })
}

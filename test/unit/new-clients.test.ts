import { expect, test } from 'vitest'
import * as Y from 'yjs'
import { deletionOfAll, underNewClients } from '../../server/documents/new-clients.ts'
import { createRandom, seedsFor } from '../support/random.ts'
import { makeDocument, rootsAt } from '../support/random-document.ts'

const contentOf = (doc: Y.Doc) => ['text', 'xml', 'map', 'array'].map((name) => doc.share.get(name)?.toJSON())

test.each(seedsFor([1, 2, 3], 2))('a document has the same content under new client ids (SEED=%i)', (seed) => {
  const random = createRandom(seed)
  for (let round = 0; round < 20; round += 1) {
    const { rows } = makeDocument(random, 60)
    const before = rootsAt(rows, rows.length)
    const former = [...before.store.clients.keys()]
    const { update, clients } = underNewClients(Y.encodeStateAsUpdate(before), new Set(former))
    expect(clients).toHaveLength(former.length)
    expect(clients.filter((client) => former.includes(client))).toEqual([])
    const after = rootsAt([{ position: 1, at: 0, author: 'mia', data: update }], 1)
    expect(contentOf(after)).toEqual(contentOf(before))
    expect(new Set(after.store.clients.keys())).toEqual(new Set(clients))
    expect([after.store.pendingStructs, after.store.pendingDs]).toEqual([null, null])

    // As history has it: all rows, what they wrote deleted, and the same anew.
    const clocks = new Map(former.map((client) => [client, Y.getState(before.store, client)]))
    Y.applyUpdate(before, deletionOfAll(clocks))
    expect(before.getText('text').toString()).toBe('')
    Y.applyUpdate(before, update)
    expect(contentOf(before)).toEqual(contentOf(after))
  }
})

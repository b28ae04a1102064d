import Database from 'better-sqlite3'
import { expect, onTestFinished, test } from 'vitest'
import { damagesOf, pagedRows } from '../../persistence/sqlite/row-check.ts'
import { StorageError } from '../../persistence/storage-error.ts'

function rowsOf(keys: readonly unknown[]) {
  const db = new Database(':memory:')
  onTestFinished(() => void db.close())
  db.exec('CREATE TABLE things (name TEXT, nth INTEGER UNIQUE)')
  const insert = db.prepare('INSERT INTO things VALUES (?, ?)')
  db.transaction(() => {
    for (const key of keys) insert.run(`thing ${key}`, key)
  })()
  return pagedRows(db, { table: 'things', columns: 'name', key: 'nth' })
}

test.each([0, 1, 499, 500, 501, 1_234])('%i rows of a table are each read once, in their order', (count) => {
  const keys = Array.from({ length: count }, (_, index) => 3 * index + 1)
  expect([...rowsOf(keys)]).toEqual(keys.map((key) => [`thing ${key}`, key]))
})

test('a row is also read where its key is damaged', () => {
  expect([...rowsOf([7, -7, 0, 'seven'])].map(([, key]) => key)).toEqual([-7, 0, 7, 'seven'])
})

test('what is damaged is told row by row, and any other failure is one of the check', () => {
  const parse = ([name]: readonly unknown[]) => {
    if (name === 'thing 2') throw new StorageError('storage/corrupt', 'thing 2 is damaged')
    if (name === 'thing 4') throw new TypeError('a flaw of ours')
  }
  const damages = damagesOf(rowsOf([1, 2, 3, 4]), parse)
  expect(damages.next().value).toEqual({ document: undefined, position: undefined, problem: 'thing 2 is damaged' })
  expect(() => damages.next()).toThrow(TypeError)
})

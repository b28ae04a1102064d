import { expect, test } from 'vitest'
import { Turns } from '../../server/threads/turns.ts'

test('users take turns, and of one user the first comes first', () => {
  const turns = new Turns<string>()
  for (const item of ['ann 1', 'ann 2', 'ann 3', 'bob 1', 'cas 1', 'bob 2']) turns.add(item.slice(0, 3), item)
  expect(turns.size).toBe(6)
  expect([turns.next(), turns.next()]).toEqual(['ann 1', 'bob 1'])
  turns.add('dan', 'dan 1')
  const rest = Array.from({ length: turns.size }, () => turns.next())
  expect(rest).toEqual(['cas 1', 'ann 2', 'bob 2', 'dan 1', 'ann 3'])
  expect([turns.next(), turns.size]).toEqual([undefined, 0])
})

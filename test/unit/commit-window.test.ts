import { expect, test } from 'vitest'
import { CommitWindow } from '../../server/connection/commit-window.ts'

function setUp() {
  const durability = { appended: 0, committed: 0 }
  const window = new CommitWindow(durability)
  const take = (updates: number, bytes = 10) => {
    durability.appended += updates
    window.count(updates, bytes)
  }
  return { durability, window, take }
}

test('is full with 65 updates on their way', () => {
  const { durability, window, take } = setUp()
  for (let count = 0; count < 64; count += 1) take(1)
  expect(window.isFull).toBe(false)
  take(1)
  expect(window.isFull).toBe(true)
  durability.committed = 1
  expect(window.isFull).toBe(false)
  take(1)
  expect(window.isFull).toBe(true)
})

test('is never full for who waits for each of them', () => {
  const { durability, window, take } = setUp()
  for (let count = 0; count < 1_000; count += 1) {
    take(1)
    durability.committed = durability.appended - 1
    expect(window.isFull).toBe(false)
  }
})

test('is full after a mebibyte', () => {
  const { durability, window, take } = setUp()
  take(1, 2 ** 20 - 1)
  expect(window.isFull).toBe(false)
  take(1, 1)
  expect(window.isFull).toBe(true)
  durability.committed = 2
  expect(window.isFull).toBe(false)
})

test("others' updates don't count", () => {
  const { durability, window, take } = setUp()
  durability.appended = 10_000
  take(64)
  durability.appended += 10_000
  expect(window.isFull).toBe(false)
})

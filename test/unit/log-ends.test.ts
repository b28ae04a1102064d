import { expect, test } from 'vitest'
import { LogEnds } from '../../server/cluster/log-ends.ts'

/** A log in which each document ends at the length of its name; it answers when it is told to. */
function setUp() {
  const asked: string[][] = []
  const answers: (() => void)[] = []
  const ends = new LogEnds({
    positions(names) {
      asked.push([...names])
      return new Promise((resolve) => answers.push(() => resolve(names.map(({ length }) => length))))
    },
  })
  const answer = async () => {
    await expect.poll(() => answers.length).toBeGreaterThan(0)
    answers.shift()?.()
  }
  return { ends, asked, answer }
}

test('those who ask together are asked for in one', async () => {
  const { ends, asked, answer } = setUp()
  const all = Promise.all(['a', 'bb', 'a'].map((name) => ends.of(name)))
  await answer()
  expect(await all).toEqual([1, 2, 1])
  expect(asked).toEqual([['a', 'bb', 'a']])
})

test('what is asked while a question is under way is asked for after it: the answer may be older', async () => {
  const { ends, asked, answer } = setUp()
  const first = ends.of('a')
  await expect.poll(() => asked.length).toBe(1)
  const later = Promise.all([ends.of('a'), ends.of('bb')])
  await answer()
  expect(await first).toBe(1)
  await answer()
  expect(await later).toEqual([1, 2])
  expect(asked).toEqual([['a'], ['a', 'bb']])
})

test('a question that fails is told to those who asked it, and to nobody later', async () => {
  let fails = true
  const ends = new LogEnds({ positions: async () => (fails ? Promise.reject(new Error('away')) : [7]) })
  await expect(Promise.all([ends.of('a'), ends.of('b')])).rejects.toThrow('away')
  fails = false
  expect(await ends.of('a')).toBe(7)
})

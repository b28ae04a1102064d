import { setTimeout } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { BoundedCalls } from '../../server/access/bounded-calls.ts'
import { type Asker, type Authorize, Decisions } from '../../server/access/decisions.ts'
import type { Level } from '../../server/access/grants.ts'

const ann: Asker = { user: 'ann', name: 'Ann', admin: false, granted: 'read' }

/** Decisions by a product whose answers the test gives, in the order of the questions. */
function decisionsOf(timeMs = 60_000, timeoutMs = 60_000) {
  const questions: { readonly document: string; answer(level: Level | undefined): void; fail(): void }[] = []
  const problems: unknown[] = []
  const authorize: Authorize = (_asker, document) => {
    const { promise, resolve, reject } = Promise.withResolvers<Level | undefined>()
    questions.push({ document, answer: resolve, fail: () => reject(new Error('away')) })
    return promise
  }
  const decisions = new Decisions({ authorize, timeMs, timeoutMs, onProblem: (error) => problems.push(error) })
  return { decisions, questions, problems }
}

test('asked at once by many, a product is asked once, and not again while the answer counts', async () => {
  const { decisions, questions } = decisionsOf()
  const both = Promise.all([decisions.level(ann, 'a'), decisions.level(ann, 'a')])
  const other = decisions.level({ ...ann, user: 'ben' }, 'a')
  await expect.poll(() => questions.length).toBe(2)
  questions[0]?.answer('write')
  questions[1]?.answer(undefined)
  expect([await both, await other]).toEqual([['write', 'write'], undefined])
  expect(await decisions.level(ann, 'a')).toBe('write')
  expect(questions).toHaveLength(2)
})

test('an answer to what was asked before it was forgotten lets nobody in', async () => {
  const { decisions, questions } = decisionsOf()
  const level = decisions.level(ann, 'projects/1/plan')
  await expect.poll(() => questions.length).toBe(1)
  decisions.forget({ user: 'ben' })
  decisions.forget({ document: 'projects/2/**' })
  decisions.forget({ user: 'ann', document: 'projects/1/**' })
  questions[0]?.answer('write')
  await expect.poll(() => questions.length).toBe(2)
  questions[1]?.answer('read')
  expect(await level).toBe('read')
  expect(await decisions.level(ann, 'projects/1/plan')).toBe('read')
})

test('no answer, a late one and a wrong one are "try again later", and do not count', async () => {
  const { decisions, questions, problems } = decisionsOf(60_000, 50)
  const failed = decisions.level(ann, 'a')
  await expect.poll(() => questions.length).toBe(1)
  questions[0]?.fail()
  await expect(failed).rejects.toMatchObject({ code: 'access/unavailable' })
  await expect(decisions.level(ann, 'a')).rejects.toMatchObject({ code: 'access/unavailable' })
  questions[1]?.answer('write')
  expect(decisions.age(ann, 'a')).toBe(Number.POSITIVE_INFINITY)
  expect(problems).toHaveLength(1) // one a second
  const owner: unknown = 'owner'
  const wrong = new Decisions({
    authorize: () => owner as Level,
    timeMs: 1,
    timeoutMs: 50,
    onProblem: (error) => problems.push(error),
  })
  await expect(wrong.level(ann, 'a')).rejects.toMatchObject({ code: 'access/unavailable' })
  expect(String(problems[1])).toContain('authorize must answer one of read, comment, write, moderate')
})

test('an answer counts for its time', async () => {
  const { decisions, questions } = decisionsOf(30)
  for (const answer of ['write', undefined] as const) {
    const level = decisions.level(ann, 'a')
    await expect.poll(() => questions.length).toBeGreaterThan(answer === 'write' ? 0 : 1)
    questions.at(-1)?.answer(answer)
    expect(await level).toBe(answer)
    await setTimeout(40)
  }
})

test('so many calls run at once, and those that were given up leave their place to others', async () => {
  const calls = new BoundedCalls(2, 50)
  let running = 0
  const never = () => {
    running += 1
    return new Promise<never>(() => {})
  }
  const hanging = Array.from({ length: 4 }, () => calls.run(never))
  await expect.poll(() => running).toBe(2)
  expect(await Promise.allSettled(hanging)).toMatchObject(Array.from({ length: 4 }, () => ({ status: 'rejected' })))
  expect(await Promise.all(Array.from({ length: 5 }, (_, index) => calls.run(() => index)))).toEqual([0, 1, 2, 3, 4])
})

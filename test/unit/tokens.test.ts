import jwt from 'jsonwebtoken'
import { afterEach, expect, test, vi } from 'vitest'
import type { Principal } from '../../server/access/grants.ts'
import { Tokens } from '../../server/access/tokens.ts'
import { readConfig } from '../../server/config.ts'

const secret = 'a secret for tests, long enough for HS256'
const tokens = () => new Tokens(readConfig({ JWT_SECRET: secret }))
const codeOf = (outcome: Promise<unknown>) =>
  outcome.then(
    () => 'good',
    (error: { code?: string }) => error.code,
  )

afterEach(() => void vi.useRealTimers())

test('a token that comes again is not verified again', async () => {
  const verify = vi.spyOn(jwt, 'verify')
  const verifier = tokens()
  const token = verifier.sign({ user: 'ann', name: 'Ann', access: { '**': 'write' } }, 60)
  const first = await verifier.verify(token)
  expect(await verifier.verify(token)).toEqual(first)
  expect(verify).toHaveBeenCalledTimes(1)
  verify.mockRestore()
})

test('a token with the signature of a remembered one, and other claims, is refused', async () => {
  const verifier = tokens()
  const token = verifier.sign({ user: 'ann', name: 'Ann', access: {} }, 60)
  await verifier.verify(token)
  const [header, , signature] = token.split('.')
  const [, claims] = jwt
    .sign({ access: { '**': 'write' }, admin: true }, 'another secret', { subject: 'ann' })
    .split('.')
  expect(await codeOf(verifier.verify(`${header}.${claims}.${signature}`))).toBe('access/token-invalid')
})

test('a remembered token ends when it says so', async () => {
  vi.useFakeTimers({ toFake: ['Date'] })
  const verifier = tokens()
  const token = verifier.sign({ user: 'ann', name: 'Ann', access: {} }, 30)
  await verifier.verify(token)
  vi.setSystemTime(Date.now() + 36_000)
  expect(await codeOf(verifier.verify(token))).toBe('access/token-expired')
})

test('a remembered token is refused at once when it is revoked', async () => {
  const verifier = tokens()
  const revoked = new Set<string>()
  verifier.restrain({ isRevoked: ({ user }: Principal) => revoked.has(user), refuseMuted() {} })
  const token = verifier.sign({ user: 'ann', name: 'Ann', access: {} }, 60)
  expect(await codeOf(verifier.verify(token))).toBe('good')
  revoked.add('ann')
  expect(await codeOf(verifier.verify(token))).toBe('access/token-revoked')
})

test('of many tokens, those that were remembered first are verified again', async () => {
  const verifier = tokens()
  const issue = (index: number) => verifier.sign({ user: `user-${index}`, name: '', access: {} }, 60)
  const first = issue(0)
  await verifier.verify(first)
  for (let index = 1; index <= 1_000; index += 1) await verifier.verify(issue(index))
  const verify = vi.spyOn(jwt, 'verify')
  await verifier.verify(first)
  expect(verify).toHaveBeenCalledTimes(1)
  verify.mockRestore()
})

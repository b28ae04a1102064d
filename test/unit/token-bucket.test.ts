import { expect, test } from 'vitest'
import { TokenBucket } from '../../server/connection/token-bucket.ts'

function bucketAt(perSecond: number, burst?: number) {
  const clock = { now: 1_000 }
  return { clock, bucket: new TokenBucket(perSecond, burst, () => clock.now) }
}

test('what is overdrawn is paid with time', () => {
  const { bucket, clock } = bucketAt(100)
  bucket.take(99)
  expect(bucket.waitMs()).toBe(0)
  bucket.take(51)
  expect(bucket.waitMs()).toBe(500)
  clock.now += 498
  expect(bucket.waitMs()).toBeGreaterThan(0)
  clock.now += 3
  expect(bucket.waitMs()).toBe(0)
})

test('over a long time no more leaves than the rate and one burst', () => {
  const { bucket, clock } = bucketAt(1_000, 3_000)
  let taken = 0
  for (; clock.now < 101_000; clock.now += 7) {
    while (bucket.waitMs() === 0) {
      bucket.take(1)
      taken += 1
    }
  }
  expect(taken).toBeGreaterThan(102_900)
  expect(taken).toBeLessThan(103_100)
})

test('a pause earns one burst and no more', () => {
  const { bucket, clock } = bucketAt(100)
  bucket.take(150)
  expect(bucket.waitMs()).toBeGreaterThan(0)
  clock.now += 3_600_000
  expect(bucket.waitMs()).toBe(0)
  bucket.take(100)
  expect(bucket.waitMs()).toBeGreaterThanOrEqual(0)
  bucket.take(101)
  expect(bucket.waitMs()).toBeGreaterThan(0)
})

test('0 is no limit', () => {
  const { bucket } = bucketAt(0)
  bucket.take(1e12)
  expect(bucket.waitMs()).toBe(0)
})

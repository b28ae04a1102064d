import { setTimeout as delay } from 'node:timers/promises'

/** Runs a transaction, then leaves the write lock free for as long as it was held: waiting writers get their turn. */
export async function yielding<T>(transaction: () => T): Promise<T> {
  const start = performance.now()
  const result = transaction()
  await delay(performance.now() - start)
  return result
}

import type { Access } from '../access/access.ts'
import type { Principal } from '../access/grants.ts'
import type { StreamSource } from './sse.ts'

/** How often it is looked whether a stream at rest may go on, ms. */
const LOOK_MS = 1_000

/** `source` as long as `principal` may read the document that it is of: nothing is told after that. */
export function readableSource(
  source: StreamSource,
  access: Access,
  document: string,
  principal: Principal,
): StreamSource {
  if (!access.isAsking) return source
  let isRefused = false
  const check = async () => {
    isRefused ||= (await access.levelIn(document, principal)) === undefined
    return !isRefused
  }
  return {
    get isOver() {
      return isRefused || source.isOver
    },
    async read() {
      const told = await source.read()
      return (await check()) ? told : ''
    },
    async next(timeoutMs, signal) {
      const isNew = await source.next(Math.min(timeoutMs, LOOK_MS), signal)
      return (await check()) && isNew
    },
  }
}

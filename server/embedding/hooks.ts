import type { Authorize } from '../access/decisions.ts'
import type { Seed } from '../documents/seeding.ts'
import type { ObserverHooks } from './observers.ts'

/** What the product around the server decides, and is told. */
export interface Hooks extends ObserverHooks {
  readonly authorize?: Authorize | undefined
  readonly seed?: Seed | undefined
}

import type { Authorize } from '../access/decisions.ts'
import type { Rules } from '../documents/product-rules.ts'
import type { Seed } from '../documents/seeding.ts'
import type { ObserverHooks } from './observers.ts'

/** What the product around the server decides, and is told. */
export interface Hooks extends ObserverHooks {
  readonly authorize?: Authorize | undefined
  readonly seed?: Seed | undefined
  /** The rules of a free-form document, asked for when it is opened; undefined for none. On all instances the same. */
  readonly rules?: ((document: string) => Rules | undefined) | undefined
}

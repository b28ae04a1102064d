import type { Authorize } from '../access/decisions.ts'

/** What the product around the server decides. */
export interface Hooks {
  readonly authorize?: Authorize | undefined
}

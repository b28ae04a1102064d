import type { Packing } from '../retention.ts'
import type { NewText, TextClaim } from '../text-index.ts'
import type { Damage } from '../update-log.ts'
import type { CompactRequest } from './compactor.ts'
import type { Forgetting } from './forgetter.ts'
import type { PackRequest } from './packer.ts'

/** What the worker threads are asked. */
export type Request =
  | ({ readonly kind: 'compact' } & CompactRequest)
  | { readonly kind: 'forget'; readonly document: string; readonly until: number }
  | ({ readonly kind: 'pack' } & PackRequest)
  | { readonly kind: 'check-next' }
  | { readonly kind: 'claim-text'; readonly document: string; readonly forMs: number }
  | { readonly kind: 'put-text'; readonly text: NewText }
  | { readonly kind: 'rebuild-texts' }

/**
 * The snapshot's position, or how many messages were read; how far forgetting or packing has come; what became of a claim; or the next damage,
 * undefined once the check is over.
 */
export type Answer = number | Forgetting | Packing | Damage | TextClaim | undefined

export function isForgetting(answer: Answer): answer is Forgetting {
  return typeof answer === 'object' && 'isDone' in answer && 'position' in answer
}

export function isPacking(answer: Answer): answer is Packing {
  return typeof answer === 'object' && 'packed' in answer
}

export function isDamage(answer: Answer): answer is Damage {
  return typeof answer === 'object' && 'problem' in answer
}

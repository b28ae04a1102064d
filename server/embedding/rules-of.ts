import type { Logger } from 'pino'
import { CoweaveError } from '../../model/errors.ts'
import { roomOf } from '../../model/rooms.ts'
import type { DocumentRules } from '../documents/guard.ts'
import { ProductRules } from '../documents/product-rules.ts'
import type { Hooks } from './hooks.ts'

/** The rules of documents that are no rooms, as their product says. @throws {CoweaveError} `document/rules-failed` */
export function productRules(
  rules: NonNullable<Hooks['rules']>,
  logger: Logger,
): (document: string) => DocumentRules | undefined {
  return (document) => {
    if (roomOf(document) !== undefined) return undefined
    try {
      const found = rules(document)
      return found && new ProductRules(found, (error) => logger.error({ document, error }, 'a rule has failed'))
    } catch (cause) {
      throw new CoweaveError('document/rules-failed', `the rules of ${document} are not known; try again later`, {
        cause,
      })
    }
  }
}

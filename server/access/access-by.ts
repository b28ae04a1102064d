import type { Logger } from 'pino'
import type { Config } from '../config.ts'
import { Access } from './access.ts'
import { type Authorize, Decisions } from './decisions.ts'
import type { Tokens } from './tokens.ts'

/** Access as `authorize` decides or, where a product has none, as tokens grant it. */
export function accessBy(authorize: Authorize | undefined, tokens: Tokens, config: Config, logger: Logger): Access {
  if (authorize === undefined) return new Access(tokens)
  const decisions = new Decisions({
    authorize,
    timeMs: config.AUTHORIZE_TIME,
    timeoutMs: config.AUTHORIZE_TIMEOUT,
    onProblem: (error, document) => logger.error({ document, error }, 'authorize has not answered'),
  })
  return new Access(tokens, decisions)
}

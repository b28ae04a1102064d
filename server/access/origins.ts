import { type Config, isDemo, isLoopback } from '../config.ts'

/**
 * Whether a page of `origin` may use the server at `host`: the same host always, others as `ALLOWED_ORIGINS` says,
 * and in demo mode any page on loopback. Only browsers send an origin; a token is needed in any case.
 */
export function allowsOrigin(origin: string | undefined, host: string | undefined, config: Config): boolean {
  if (origin === undefined) return true
  if (config.ALLOWED_ORIGINS.includes('*') || config.ALLOWED_ORIGINS.includes(origin)) return true
  if (!URL.canParse(origin)) return false
  const url = new URL(origin)
  return url.host === host || (isDemo(config) && isLoopback(url.hostname))
}

import { createHmac } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import type { Tokens } from '../access/tokens.ts'
import type { Config } from '../config.ts'
import { authenticate } from './request.ts'
import { describe } from './route-description.ts'

/** As an RTCPeerConnection takes it. */
export interface IceServer {
  readonly urls: readonly string[]
  readonly username?: string
  readonly credential?: string
}

const iceAnswer = z.object({
  iceServers: z.array(
    z.object({ urls: z.array(z.string()), username: z.string().optional(), credential: z.string().optional() }),
  ),
  expires: z.int().describe('When the credentials end, ms since 1970'),
})

export type IceConfig = Pick<Config, 'STUN_URLS' | 'TURN_URLS' | 'TURN_SECRET' | 'TURN_TTL'>

/**
 * `GET /api/ice`: the servers that help the parties of a call to find each other, with credentials for the TURN servers
 * that end at `expires` (ms since 1970). Calls work without any where no firewall is in between.
 */
export function serveIce(app: FastifyInstance, tokens: Tokens, config: IceConfig): void {
  const description = describe({
    tag: 'calls',
    summary: 'Servers that help the parties of a call to find each other',
    answers: { 200: { text: 'As an RTCPeerConnection takes them', content: iceAnswer } },
  })
  app.get('/api/ice', description, async (request, reply) => {
    const { user } = await authenticate(request, tokens)
    const expires = Math.floor(Date.now() / 1000) + config.TURN_TTL
    void reply.header('Cache-Control', 'no-store')
    return { iceServers: iceServers(config, user, expires), expires: expires * 1000 }
  })
}

/**
 * TURN credentials as coturn checks them (`use-auth-secret`): the name tells when they end, in seconds since 1970, and
 * for whom they are; the password is the name's HMAC. The TURN server needs to know nothing else of anybody.
 */
export function iceServers(
  { STUN_URLS, TURN_URLS, TURN_SECRET }: IceConfig,
  user: string,
  expires: number,
): readonly IceServer[] {
  const servers: IceServer[] = STUN_URLS.length > 0 ? [{ urls: STUN_URLS }] : []
  if (TURN_SECRET === undefined || TURN_URLS.length === 0) return servers
  // So that there is one colon, and one line of the TURN server's log for each name.
  const username = `${expires}:${encodeURIComponent(user)}`
  const credential = createHmac('sha1', TURN_SECRET).update(username).digest('base64')
  return [...servers, { urls: TURN_URLS, username, credential }]
}

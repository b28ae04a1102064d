import { createHmac } from 'node:crypto'
import fastify, { type FastifyInstance } from 'fastify'
import { afterAll, describe, expect, test } from 'vitest'
import { Tokens } from '../../server/access/tokens.ts'
import { readConfig } from '../../server/config.ts'
import { serveIce } from '../../server/http/ice.ts'
import { sendProblem } from '../../server/http/problem.ts'
import { testSecret, tokenFor } from '../support/server.ts'

const apps: FastifyInstance[] = []

afterAll(async () => {
  for (const app of apps) await app.close()
})

/** A server of this one route. */
async function serve(environment: Readonly<Record<string, string>> = {}): Promise<string> {
  const config = readConfig({ JWT_SECRET: testSecret, ...environment })
  const app = fastify()
  app.setErrorHandler(sendProblem)
  serveIce(app, new Tokens(config), config)
  apps.push(app)
  return `${await app.listen({ port: 0, host: '127.0.0.1' })}/api/ice`
}

async function ask(url: string, user = 'ann'): Promise<Response> {
  return await fetch(url, { headers: { authorization: `Bearer ${tokenFor(user)}` } })
}

const turn = { TURN_URLS: 'turn:turn.example:3478?transport=udp,turns:turn.example:5349', TURN_SECRET: 'north' }

describe('GET /api/ice', () => {
  test('gives TURN credentials that the shared secret tells to be right, for as long as is set', async () => {
    const url = await serve({ ...turn, STUN_URLS: 'stun:stun.example', TURN_TTL: '600' })
    const earliest = Math.floor(Date.now() / 1000) + 600
    const response = await ask(url)
    const latest = Math.floor(Date.now() / 1000) + 600
    expect(response.headers.get('cache-control')).toBe('no-store')
    const { iceServers, expires } = await response.json()
    const [stun, relay, ...more] = iceServers
    expect(more).toEqual([])
    expect(stun).toEqual({ urls: ['stun:stun.example'] })
    expect(relay.urls).toEqual(['turn:turn.example:3478?transport=udp', 'turns:turn.example:5349'])
    const [end, user] = relay.username.split(':')
    expect(Number(end)).toBeGreaterThanOrEqual(earliest)
    expect(Number(end)).toBeLessThanOrEqual(latest)
    expect(expires).toBe(Number(end) * 1000)
    expect(user).toBe('ann')
    expect(relay.credential).toBe(createHmac('sha1', 'north').update(relay.username).digest('base64'))
  })

  test('tells users apart, whatever they are called', async () => {
    const url = await serve(turn)
    const names = ['ann', 'bob', 'a:b', 'two\nlines', 'ü']
    const servers = await Promise.all(names.map(async (name) => (await (await ask(url, name)).json()).iceServers[0]))
    expect(new Set(servers.map(({ credential }) => credential)).size).toBe(names.length)
    for (const { username } of servers) expect(username).toMatch(/^\d+:[\w%]+$/)
  })

  test('gives none where none are set', async () => {
    expect(await (await ask(await serve())).json()).toMatchObject({ iceServers: [] })
  })

  test.each([undefined, 'Bearer', 'Bearer x', 'Basic x', `Bearer ${tokenFor('ann', { expiresInS: -60 })}`])(
    'asks for a token: %s',
    async (authorization) => {
      const response = await fetch(await serve(turn), authorization === undefined ? {} : { headers: { authorization } })
      expect(response.status).toBe(401)
      expect(await response.text()).not.toContain('credential')
    },
  )
})

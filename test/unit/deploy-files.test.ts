import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { readConfig, settings } from '../../server/config.ts'

const pathOf = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url))
const textOf = (name: string) => readFileSync(pathOf(name), 'utf8')

const service = z.object({
  build: z.string().optional(),
  environment: z.record(z.string(), z.union([z.string(), z.number()])).default({}),
  volumes: z.array(z.string()).default([]),
  depends_on: z.union([z.array(z.string()), z.record(z.string(), z.unknown())]).default([]),
  stop_grace_period: z.string().optional(),
  restart: z.literal('unless-stopped'),
})
const compose = z
  .object({ services: z.record(z.string(), service), volumes: z.record(z.string(), z.null()) })
  .parse(parse(textOf('compose.yaml'), { merge: true }))
const known = new Set(Object.keys(settings))
const instances = Object.entries(compose.services).filter(([, { build }]) => build !== undefined)

test('compose.yaml sets only what is a setting, to what the server takes', () => {
  expect(instances.map(([name]) => name)).toEqual(['coweave-1', 'coweave-2', 'coweave-3'])
  for (const [, { environment }] of instances) {
    expect(Object.keys(environment).filter((name) => !known.has(name))).toEqual([])
    const entries = Object.entries(environment).map(([name, value]) => [name, interpolated(String(value))] as const)
    // As in the image.
    readConfig({ ...Object.fromEntries(entries), NODE_ENV: 'production', HOST: '0.0.0.0' })
  }
})

test('an instance has the time that a drain and a stop may take', () => {
  for (const [, { environment, stop_grace_period: grace = '' }] of instances) {
    const [, seconds] = /^(\d+)s$/.exec(grace) ?? []
    const { DRAIN_TIME, COMMIT_TIMEOUT, SHUTDOWN_TIMEOUT } = readConfig({ DRAIN_TIME: String(environment.DRAIN_TIME) })
    expect(DRAIN_TIME).toBeGreaterThan(0)
    expect(Number(seconds) * 1000).toBeGreaterThan(DRAIN_TIME + COMMIT_TIMEOUT + SHUTDOWN_TIMEOUT)
  }
})

test('no secret has a default: without it nothing starts', () => {
  const text = textOf('compose.yaml')
  const variables = [...text.matchAll(/\$\{(\w+)(:\?|:-)?[^}]*\}/g)].map(([, name = '', kind]) => ({ name, kind }))
  const secrets = variables.filter(({ name }) => /SECRET|PASSWORD/.test(name))
  expect(new Set(secrets.map(({ name }) => name))).toEqual(
    new Set(['JWT_SECRET', 'POSTGRES_PASSWORD', 'REDIS_PASSWORD']),
  )
  expect(secrets.filter(({ kind }) => kind !== ':?')).toEqual([])
  const environments = Object.values(compose.services).flatMap(({ environment }) => Object.entries(environment))
  const written = environments.filter(
    ([name, value]) => /SECRET|PASSWORD|AUTH/.test(name) && !/^\$\{/.test(String(value)),
  )
  expect(written).toEqual([])
})

test('compose.yaml and the Dockerfile name only what is there', () => {
  for (const { build, volumes, depends_on: others } of Object.values(compose.services)) {
    if (build !== undefined) expect(existsSync(pathOf(`${build}/Dockerfile`))).toBe(true)
    for (const [source = ''] of volumes.map((volume) => volume.split(':'))) {
      expect({
        source,
        exists: source.startsWith('.') ? existsSync(pathOf(source)) : source in compose.volumes,
      }).toEqual({
        source,
        exists: true,
      })
    }
    for (const other of Array.isArray(others) ? others : Object.keys(others))
      expect(compose.services).toHaveProperty(other)
  }
  const copied = [...textOf('Dockerfile').matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, sources = '']) =>
    sources.split(' '),
  )
  expect(copied).toContain('package-lock.json')
  expect(copied.filter((source) => !existsSync(pathOf(source)))).toEqual([])
})

test('Caddy shares clients out among all instances, and asks each whether it is ready', () => {
  const text = textOf('Caddyfile')
  const [, upstreams = ''] = /^\tto (.+)$/m.exec(text) ?? []
  expect(upstreams.split(' ')).toEqual(instances.map(([name]) => `${name}:${settings.PORT.parse(undefined)}`))
  expect(text).toContain('health_uri /health/ready')
  const names = [...text.matchAll(/\{\$(\w+)\}/g)].map(([, name]) => name)
  expect(names.filter((name) => name === undefined || !(name in (compose.services.caddy?.environment ?? {})))).toEqual(
    [],
  )
})

test('what the package gives, and its command, is built of a source', () => {
  const { bin, exports } = z
    .object({ bin: z.record(z.string(), z.string()), exports: z.record(z.string(), z.record(z.string(), z.string())) })
    .parse(JSON.parse(textOf('package.json')))
  const given = [...Object.values(bin), ...Object.values(exports).flatMap((each) => Object.values(each))]
  const sources = given.map((file) => file.replace(/^\.\/dist\/(.+?)(\.d\.ts|\.js)$/, '$1.ts'))
  expect(sources.filter((source) => !existsSync(pathOf(source)))).toEqual([])
})

/** A value with the variables of the environment put in. */
function interpolated(value: string): string {
  return value.replace(/\$\{\w+(?::\?[^}]*|:-([^}]*))\}/g, (_whole, fallback?: string) => fallback ?? 'x'.repeat(32))
}

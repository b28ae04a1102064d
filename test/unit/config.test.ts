import { describe, expect, test } from 'vitest'
import { describeSettings, isDemo, isLoopback, readConfig, settings } from '../../server/config.ts'

const secret = 'a secret of at least 32 characters, for tests'

function problemsOf(environment: Record<string, string>): string {
  try {
    readConfig(environment)
  } catch (error) {
    expect(error).toMatchObject({ code: 'config/invalid' })
    return (error as Error).message
  }
  throw new Error('the settings were taken')
}

describe('settings', () => {
  test('have defaults for all but what nobody needs', () => {
    const config = readConfig({})
    expect(config).toMatchObject({ PORT: 1234, HOST: '127.0.0.1', DATABASE_URL: 'sqlite:data/coweave.db' })
    expect(config.ALLOWED_ORIGINS).toEqual([])
    expect(isDemo(config)).toBe(true)
  })

  test('empty ones count as not set, and others are ignored', () => {
    expect(readConfig({ PORT: '', JWT_SECRET: '', PATH: '/bin', UNKNOWN: '1' })).toMatchObject({ PORT: 1234 })
  })

  test('lists have commas', () => {
    const { ALLOWED_ORIGINS } = readConfig({ ALLOWED_ORIGINS: ' https://a.example, https://b.example ,,' })
    expect(ALLOWED_ORIGINS).toEqual(['https://a.example', 'https://b.example'])
  })

  const wrong: [name: string, value: string, allowed: RegExp][] = [
    ['PORT', 'abc', /number/],
    ['PORT', '70000', /65535/],
    ['PORT', '-1', />=0/],
    ['PORT', '1.5', /int/],
    ['DATABASE_URL', 'mysql://x', /sqlite:<file>/],
    ['DATABASE_URL', 'sqlite:', /sqlite:<file>/],
    ['JWKS_URL', 'ftp://keys.example', /URL/],
    ['JWKS_URL', 'keys', /URL/],
    ['NODE_ENV', 'prod', /development.*production.*test/],
    ['CLIENT_IDS', 'all', /own.*relay/],
    ['LOG_LEVEL', 'loud', /trace.*silent/],
    ['MAX_MESSAGE_BYTES', '1', /1024/],
    ['MAX_UNAUTHENTICATED_DOCUMENTS', '0', />=1/],
    ['PING_INTERVAL', '1', /100/],
    ['SEND_BUFFER_BYTES', '5', /65536/],
    ['COMMIT_BUFFER_BYTES', '5', /1048576/],
    ['AUTHENTICATION_TIMEOUT', 'soon', /number/],
    ['DRAIN_TIME', '-1', />=0/],
    ['SHUTDOWN_TIMEOUT', 'NaN', /number/],
    ['STUN_URLS', 'stun:a.example,https://b.example', /stun:<host>/],
    ['TURN_URLS', 'stun:a.example', /turn:<host>/],
    ['TURN_TTL', '59', />=60/],
  ]
  test.each(wrong)('%s=%s names the setting, its value and what is allowed', (name, value, allowed) => {
    const problems = problemsOf({ [name]: value, ...(name === 'JWKS_URL' ? {} : { JWT_SECRET: secret }) })
    expect(problems).toContain(`${name}="${value}"`)
    expect(problems.split('\n').find((line) => line.includes(name))).toMatch(allowed)
  })

  test('all wrong ones are named at once', () => {
    const problems = problemsOf({ PORT: 'x', NODE_ENV: 'y', LOG_LEVEL: 'z' })
    for (const name of ['PORT', 'NODE_ENV', 'LOG_LEVEL']) expect(problems).toContain(name)
  })

  test('secrets are never printed', () => {
    const problems = problemsOf({ JWT_SECRET: 'too short', PORT: 'x' })
    expect(problems).toContain('JWT_SECRET=(secret)')
    expect(problems).toMatch(/32/)
    expect(problems).not.toContain('too short')
    for (const url of ['postgress://ann:pa55@db/x', 'mysql://ann:p/a?5@5@db/x?password=pa55', 'pa55', 'x:pa55@y']) {
      expect(problemsOf({ DATABASE_URL: url })).not.toMatch(/pa55|p\/a/)
    }
  })
})

describe('settings that belong together', () => {
  test('production needs a key for tokens', () => {
    expect(problemsOf({ NODE_ENV: 'production' })).toMatch(/JWT_SECRET.*JWT_PUBLIC_KEY.*JWKS_URL/)
    expect(isDemo(readConfig({ NODE_ENV: 'production', JWT_SECRET: secret }))).toBe(false)
    expect(isDemo(readConfig({ NODE_ENV: 'production', JWKS_URL: 'https://keys.example' }))).toBe(false)
  })

  test('demo mode listens on loopback only', () => {
    for (const HOST of ['0.0.0.0', '::', '192.168.1.2', 'example.org', '127.0.0.1.example.org', '1270.0.0.1']) {
      expect(problemsOf({ HOST })).toContain(`HOST="${HOST}"`)
      expect(readConfig({ HOST, JWT_SECRET: secret }).HOST).toBe(HOST)
    }
    for (const HOST of ['127.0.0.1', '127.8.9.10', '::1', 'localhost']) expect(readConfig({ HOST }).HOST).toBe(HOST)
  })

  test('one kind of key', () => {
    const problems = problemsOf({ JWT_SECRET: secret, JWKS_URL: 'https://keys.example' })
    expect(problems).toContain('set only one of JWT_SECRET, JWKS_URL')
  })

  test('certificate and key', () => {
    expect(problemsOf({ TLS_CERT: 'cert.pem' })).toContain('TLS_KEY')
    expect(problemsOf({ TLS_KEY: 'key.pem' })).toContain('TLS_CERT')
  })

  test('TURN servers and their secret', () => {
    expect(problemsOf({ TURN_URLS: 'turn:a.example' })).toContain('TURN_SECRET')
    const problems = problemsOf({ TURN_SECRET: 'pa55' })
    expect(problems).toContain('TURN_URLS')
    expect(problems).not.toContain('pa55')
    const { TURN_URLS, TURN_TTL } = readConfig({
      TURN_URLS: 'turn:a.example:3478?transport=udp, turns:a.example',
      TURN_SECRET: 'pa55',
    })
    expect(TURN_URLS).toEqual(['turn:a.example:3478?transport=udp', 'turns:a.example'])
    expect(TURN_TTL).toBe(86_400)
  })
})

test('each setting is described, with its default', () => {
  const described = describeSettings()
  expect(described.map(({ name }) => name)).toEqual(Object.keys(settings))
  for (const { name, meaning } of described)
    expect({ name, meaning }).toEqual({ name, meaning: expect.stringMatching(/\w{3}/) })
  expect(described.find(({ name }) => name === 'PORT')?.default).toBe('1234')
  const inBytesOrMs = described.filter(({ name }) => /_(BYTES|TIMEOUT|INTERVAL)$/.test(name))
  for (const { meaning } of inBytesOrMs) expect(meaning).toMatch(/, (bytes|ms)$/)
})

test('loopback addresses are told from others', () => {
  expect(['127.0.0.1', '[::1]', '::1', 'localhost'].every(isLoopback)).toBe(true)
  expect(['127.0.0.1.example.org', 'localhost.example.org', '128.0.0.1', ''].some(isLoopback)).toBe(false)
})

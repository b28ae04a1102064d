import { execFileSync } from 'node:child_process'
import { lookup } from 'node:dns/promises'
import { createServer } from 'node:http'
import { createServer as createTcpServer } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { isPublicAddress } from '../../server/webhooks/addresses.ts'
import { deliveriesOf, doneUpTo } from '../../server/webhooks/fan-out.ts'
import { postWebhook } from '../../server/webhooks/post.ts'
import { newSecret, secretProblem, signedHeaders } from '../../server/webhooks/signature.ts'
import { isPrivateHost, privateHostProblem, publicLookup, webhookUrlProblem } from '../../server/webhooks/targets.ts'

const REFUSED_ADDRESSES = [
  ['this machine', '127.0.0.1', '127.8.8.8', '0.0.0.0', '0.1.2.3', '::1', '::'],
  ['private networks', '10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.1.1', 'fc00::1', 'fdff::1', 'fec0::1'],
  [
    'link-local, and metadata of clouds',
    '169.254.169.254',
    'fe80::1',
    'fd00:ec2::254',
    '100.100.100.200',
    '192.0.0.192',
  ],
  ['mapped from IPv4', '::ffff:127.0.0.1', '::ffff:a9fe:a9fe', '::ffff:10.0.0.1', '::ffff:8.8.8.8', '::127.0.0.1'],
  [
    'translated from IPv4',
    '64:ff9b::a9fe:a9fe',
    '64:ff9b:1::1',
    '2002:7f00:1::',
    '2001:0:7f00:1::',
    '::ffff:0:127.0.0.1',
  ],
  ['shared, for tests and benchmarks', '100.64.0.1', '192.0.2.1', '198.18.0.1', '198.51.100.1', '203.0.113.9'],
  ['documentation', '2001:db8::1', '3fff::1'],
  ['multicast, reserved and broadcast', '224.0.0.1', '240.0.0.1', '255.255.255.255', 'ff02::1', '5f00::1', '100::1'],
  ['no address', '', 'localhost', '1.2.3', '1.2.3.4.5', 'fe80::1%eth0'],
] as const

describe('where webhooks may be', () => {
  test.each(REFUSED_ADDRESSES)('not at addresses that are %s', (_what, ...addresses) => {
    expect(addresses.filter((address) => address !== undefined && isPublicAddress(address))).toEqual([])
  })

  test('at addresses that are public', () => {
    const addresses = ['8.8.8.8', '172.15.0.1', '172.32.0.1', '100.63.0.1', '2606:4700::1111', '2a00:1450::1']
    expect(addresses.filter((address) => !isPublicAddress(address))).toEqual([])
  })

  test.each([
    'http://hooks.example/',
    'ftp://hooks.example/',
    'not a url',
    'https://user:secret@hooks.example/',
    'https://127.0.0.1/',
    'https://2130706433/',
    'https://0x7f.1/',
    'https://0177.0.0.1/',
    'https://[::1]/',
    'https://[::ffff:127.0.0.1]/',
    'https://[::ffff:7f00:1]/',
    'https://169.254.169.254/latest/meta-data',
    'https://127.0.0.1:9000/',
  ])('not at %s', (url) => {
    expect(webhookUrlProblem(url, ['127.0.0.1:8000'])).toBeDefined()
  })

  test('at public URLs of https, and where the operator allows it', () => {
    for (const url of [
      'https://hooks.example/in?x=1',
      'https://8.8.8.8:8443/',
      'http://127.0.0.1:8000/',
      'http://hooks/',
    ])
      expect(webhookUrlProblem(url, ['127.0.0.1:8000', 'hooks'])).toBeUndefined()
    const allows = (host: string, url: string) => isPrivateHost(new URL(url), [host])
    expect(allows('hooks:443', 'https://hooks/') && allows('hooks:80', 'http://hooks/')).toBe(true)
    expect(allows('hooks:80', 'https://hooks/') || allows('hooks:443', 'https://hooks:8443/')).toBe(false)
    expect(['hooks', 'hooks:80', 'hooks:443', 'hooks:8000', '[::1]:8000', '10.0.0.1'].map(privateHostProblem)).toEqual(
      Array(6).fill(undefined),
    )
    expect(['http://hooks', 'Hooks', 'hooks/', ''].filter((host) => privateHostProblem(host) === undefined)).toEqual([])
  })

  test('not at names that resolve to such addresses, nor where they are asked again', async () => {
    expect((await lookup('localhost')).address).toMatch(/^(127\.|::1)/)
    const looked = (options: object) =>
      new Promise((resolve) => publicLookup('localhost', options, (error) => resolve(error?.message)))
    for (const options of [{}, { all: true }, { family: 4 }, { family: 4, all: true }])
      expect(await looked(options)).toContain('not public')
    const asked: string[] = []
    const server = createServer((request) => asked.push(request.url ?? ''))
    onTestFinished(() => void server.close())
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = Object(server.address())
    for (const url of [`https://localhost:${port}/`, `https://127.0.0.1:${port}/`, `http://localhost:${port}/`]) {
      const answer = await postWebhook(
        { url, secret: newSecret() },
        { id: '1', body: '{}' },
        { privateHosts: [], timeoutMs: 10_000 },
        new AbortController().signal,
      )
      expect(answer).toMatchObject({ isTaken: false, problem: expect.stringContaining('not public') })
    }
    expect(asked).toEqual([])
  })
})

test.each([
  ['something of HTTP', 'HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n', 'it answered 500'],
  [
    'another protocol',
    'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n',
    'it was closed',
  ],
  ['half of something', 'HTTP/1.1 2', 'socket hang up'],
])('a receiver that answers with %s has answered', async (_what, answered, problem) => {
  const server = createTcpServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => (problem === 'socket hang up' ? socket.end(answered) : socket.write(answered)))
  })
  onTestFinished(() => void server.close())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${Object(server.address()).port}/`
  const options = { privateHosts: ['127.0.0.1'], timeoutMs: 60_000 }
  const answer = await postWebhook(
    { url, secret: newSecret() },
    { id: '1', body: '{}' },
    options,
    new AbortController().signal,
  )
  expect(answer).toEqual({ isTaken: false, problem, afterMs: undefined })
})

test('what is posted is signed as Standard Webhooks says, by the word of OpenSSL', () => {
  const secret = newSecret()
  expect(secretProblem(secret)).toBeUndefined()
  for (const wrong of ['whsec_', secret.slice(6), 'whsec_c2hvcnQ=', `${secret}!`, `whsec_${'A'.repeat(88)}`])
    expect(secretProblem(wrong)).toBeDefined()
  const body = '{"text":"naïve 😀"}'
  const headers = signedHeaders(secret, { id: 'msg_1', atS: 1_700_000_000, body })
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64').toString('hex')
  const signature = execFileSync(
    'openssl',
    ['dgst', '-sha256', '-mac', 'HMAC', '-macopt', `hexkey:${key}`, '-binary'],
    {
      input: `msg_1.1700000000.${body}`,
    },
  )
  expect(headers).toEqual({
    'webhook-id': 'msg_1',
    'webhook-timestamp': '1700000000',
    'webhook-signature': `v1,${signature.toString('base64')}`,
  })
})

test('webhooks are told of the kinds and documents that they want, from when they were registered on', () => {
  const event = (number: number, kind: string, document: string) => ({
    ...{ number, kind, document, id: `${number}`, at: 1, users: [], json: '{}' },
  })
  const events = [event(1, 'a', 'n/x'), event(2, 'a', 'n/x'), event(3, 'b', 'n/x/y'), event(4, 'a', '')]
  const webhook = { id: 'w', at: 1, after: 1, url: '', kinds: [], documents: undefined, secret: '' }
  const told = (fields: object) => deliveriesOf(events, [{ ...webhook, ...fields }]).map(({ event }) => event)
  expect(told({})).toEqual([2, 3, 4])
  expect(told({ kinds: ['a'] })).toEqual([2, 4])
  expect(told({ documents: 'n/*' })).toEqual([2])
  expect(told({ documents: 'n/**', kinds: ['b'] })).toEqual([3])
  expect(told({ documents: '**' })).toEqual([2, 3])
})

test('what happened before all webhooks were registered is passed over at once', () => {
  expect(doneUpTo(100, [{ after: 9_000 }, { after: 5_000 }])).toBe(5_000)
  expect(doneUpTo(100, [{ after: 9_000 }, { after: 50 }])).toBe(100)
  expect(doneUpTo(100, [])).toBe(100)
})

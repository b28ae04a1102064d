import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import { connect } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { type Finding, failed } from '../../client/finding.ts'
import { type Endpoint, isAddress } from './endpoint.ts'

export async function checkDns(endpoint: Endpoint): Promise<Finding> {
  const { host } = endpoint
  if (isAddress(endpoint)) return { outcome: 'skipped', detail: `${host} is an address` }
  try {
    const addresses = await lookup(host, { all: true })
    return { outcome: 'ok', detail: `${host} is ${addresses.map(({ address }) => address).join(', ')}` }
  } catch (error) {
    if (codeOf(error) === 'ENOTFOUND') {
      return failed(
        `nobody knows ${host}`,
        'the name is misspelt, or known in another network only',
        'check the name, and its DNS entry',
      )
    }
    return failed(textOf(error), 'the DNS of this network does not answer', 'check the connection of this machine')
  }
}

export async function checkTcp({ host, port }: Endpoint, timeoutMs: number): Promise<Finding> {
  const socket = connect({ host, port })
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(timeoutMs) })
    return { outcome: 'ok', detail: `port ${port} takes connections` }
  } catch (error) {
    if (codeOf(error) === 'ECONNREFUSED') {
      const cause = 'the server does not run, listens on another port, or on loopback only'
      return failed(`nothing listens on port ${port}`, cause, 'check that it runs, and its PORT and HOST')
    }
    const cause = 'a firewall drops the connection, or the machine is away'
    return failed(textOf(error), cause, `open port ${port} to this network`)
  } finally {
    socket.destroy()
  }
}

/** Why certificates are not trusted: code of OpenSSL or Node, likely cause, what to do. */
const CERTIFICATE_PROBLEMS: Readonly<Record<string, readonly [string, string]>> = {
  CERT_HAS_EXPIRED: ['the certificate has expired', 'renew it, and restart what serves it'],
  CERT_NOT_YET_VALID: ['the certificate is not valid yet, or the clock here is wrong', 'check both clocks'],
  DEPTH_ZERO_SELF_SIGNED_CERT: [
    'the certificate is signed by itself',
    'get one from an authority that browsers trust, or trust this one on each machine',
  ],
  SELF_SIGNED_CERT_IN_CHAIN: [
    'an authority that this machine does not know has signed it: one of your own, or a proxy that reads along',
    'trust that authority on each machine',
  ],
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: [
    'the server does not send the certificates between its own and the authority',
    'put the whole chain into TLS_CERT, or into the proxy',
  ],
  ERR_TLS_CERT_ALTNAME_INVALID: [
    'the certificate is for another host',
    'use a name that is in it, or get one for this name',
  ],
}

export async function checkTls({ host, port }: Endpoint, timeoutMs: number): Promise<Finding> {
  // Whether it is trusted is looked at afterwards, so that everything about it can be told.
  const socket = connectTls({ host, port, rejectUnauthorized: false, ...(isName(host) ? { servername: host } : {}) })
  try {
    await once(socket, 'secureConnect', { signal: AbortSignal.timeout(timeoutMs) })
    return judgeCertificate(socket)
  } catch (error) {
    const cause = 'the port does not speak TLS, or only a version that is too old'
    return failed(textOf(error), cause, 'use http:// where there is no TLS, or set TLS_CERT and TLS_KEY')
  } finally {
    socket.destroy()
  }
}

function judgeCertificate(socket: TLSSocket): Finding {
  const { subject, valid_to } = socket.getPeerCertificate()
  const about = `certificate of ${subject?.CN ?? 'nobody'}, until ${valid_to}`
  if (socket.authorized) return { outcome: 'ok', detail: `${socket.getProtocol()}, ${about}` }
  // The types say Error; it is the code.
  const code = String(socket.authorizationError)
  const [cause, advice] = CERTIFICATE_PROBLEMS[code] ?? ['the certificate is not trusted', 'the code says why']
  return failed(`${code}: ${about}`, cause, advice)
}

function isName(host: string): boolean {
  return !/^[\d.]+$|:/.test(host)
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}

function textOf(error: unknown): string {
  if (error instanceof Error && error.name === 'AbortError') return 'no answer in time'
  return error instanceof Error ? error.message : String(error)
}

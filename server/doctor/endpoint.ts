import { isIP } from 'node:net'
import { CoweaveError } from '../../model/errors.ts'

/** What a URL leads to. */
export interface Endpoint {
  readonly url: string
  /** A name or an address, without brackets. */
  readonly host: string
  readonly port: number
  readonly isTls: boolean
}

/** @throws {CoweaveError} `command/bad-argument` */
export function endpointOf(text: string): Endpoint {
  const url = URL.canParse(text) ? new URL(text.replace(/^ws/i, 'http')) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new CoweaveError('command/bad-argument', `doctor ${text}: must be a URL such as https://collab.example.com`)
  }
  const isTls = url.protocol === 'https:'
  const port = url.port === '' ? (isTls ? 443 : 80) : Number(url.port)
  return { url: url.href, host: url.hostname.replace(/^\[|\]$/g, ''), port, isTls }
}

export function isAddress({ host }: Endpoint): boolean {
  return isIP(host) !== 0
}

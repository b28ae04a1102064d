import { CoweaveError } from '../model/errors.ts'

/** Where a server's parts are, from the one address that an app gives. */
export interface Addresses {
  /** Of the HTTP API, without a slash at the end. */
  readonly http: string
  readonly socket: string
  /** Names the server in this device's storage. */
  readonly key: string
}

/** @throws {CoweaveError} `client/bad-url` */
export function addressesOf(url: string, schema: number | undefined): Addresses {
  const base = URL.canParse(url) ? new URL(url) : undefined
  if (base === undefined || !/^(https?|wss?):$/.test(base.protocol)) {
    throw new CoweaveError('client/bad-url', `"${url}" is no address of a server, such as https://collab.example.com`)
  }
  const isSecure = base.protocol === 'https:' || base.protocol === 'wss:'
  const place = base.host + base.pathname.replace(/\/+$/, '')
  const query = schema === undefined ? '' : `?schema=${schema}`
  return {
    http: `${isSecure ? 'https' : 'http'}://${place}`,
    socket: `${isSecure ? 'wss' : 'ws'}://${place}/collab${query}`,
    key: encodeURIComponent(place),
  }
}

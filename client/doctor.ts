import * as Y from 'yjs'
import { type Credentials, checkAdmission, credentialsOf } from './doctor-token.ts'
import { blocked, type Finding, failed, judgeHealth, judgeRefusal, messageOf, type UpgradeRefusal } from './finding.ts'
import { HttpSocket } from './http-socket.ts'
import { type ProbedSocket, ProbeError, ProbeSocket } from './probe-socket.ts'

const ROUND_TRIPS = 3
const TIMEOUT_MS = 10_000
/** Denied for want of a token: nothing is opened. */
const NO_DOCUMENT = 'coweave-doctor'

/** What is checked, in this order. A page can't look at the first three. */
export type Check = 'dns' | 'tcp' | 'tls' | 'http' | 'socket' | 'http-fallback' | 'authentication' | 'echo'

export type Diagnosis = Finding & { readonly check: Check; readonly ms: number }

export interface DiagnoseOptions {
  /** Where the server is, such as `https://collab.example.com`; a path is kept. */
  readonly url: string
  readonly token?: string | undefined
  /** A document that the token may read; by default one that fits its grants. */
  readonly document?: string | undefined
  /** How long each answer may take. */
  readonly timeoutMs?: number | undefined
  /** Opens a WebSocket; that of the browser by default. */
  readonly openSocket?: ((url: string) => ProbedSocket) | undefined
  /** Asks once more why a socket was refused, which browsers don't tell. */
  readonly upgradeRefusal?: ((url: string) => Promise<UpgradeRefusal | undefined>) | undefined
}

/** Checks the way to a server step by step. Each finding comes as soon as it is known; the last ones need the first. */
export async function* diagnose(options: DiagnoseOptions): AsyncGenerator<Diagnosis> {
  const doctor = new Doctor(options)
  const http = yield* examine('http', () => doctor.checkHttp())
  if (http.outcome !== 'ok') {
    for (const check of ['socket', 'http-fallback', 'authentication', 'echo'] as const) {
      yield skipped(check, 'there is no server to ask')
    }
    return
  }
  const socket = yield* examine('socket', () => doctor.checkSocket())
  const fallback = yield* examine('http-fallback', () => doctor.checkFallback())
  const via = socket.outcome === 'ok' ? 'socket' : fallback.outcome === 'ok' ? 'http' : undefined
  if (via === undefined) {
    yield skipped('authentication', 'neither a socket nor HTTP carries messages')
    yield skipped('echo', 'neither a socket nor HTTP carries messages')
    return
  }
  yield* doctor.checkToken(via)
}

/** Runs one check and times it. */
export async function* examine(check: Check, run: () => Promise<Finding>): AsyncGenerator<Diagnosis, Diagnosis> {
  const startedAt = performance.now()
  const finding = await run()
  const diagnosis = { check, ms: Math.round(performance.now() - startedAt), ...finding }
  yield diagnosis
  return diagnosis
}

export function skipped(check: Check, detail: string): Diagnosis {
  return { check, outcome: 'skipped', detail, ms: 0 }
}

class Doctor {
  readonly #options: DiagnoseOptions
  readonly #base: string
  readonly #timeoutMs: number

  constructor(options: DiagnoseOptions) {
    this.#options = options
    this.#base = options.url.replace(/^ws/i, 'http').replace(/\/+$/, '')
    this.#timeoutMs = options.timeoutMs ?? TIMEOUT_MS
  }

  get #socketUrl(): string {
    return `${this.#base.replace(/^http/i, 'ws')}/collab`
  }

  async checkHttp(): Promise<Finding> {
    const url = `${this.#base}/health/live`
    try {
      const response = await fetch(url, { cache: 'no-store', signal: AbortSignal.timeout(this.#timeoutMs) })
      return await judgeHealth(response)
    } catch (error) {
      const detail = messageOf(error)
      // Another origin's answer is kept from a page; that there is one is not.
      if (await fetch(url, { mode: 'no-cors', cache: 'no-store' }).then(Boolean, () => false)) {
        const cause = 'the server answers, but not to pages of this origin'
        return failed(detail, cause, 'add the origin of the page to ALLOWED_ORIGINS')
      }
      return failed(detail, 'the server can not be reached over HTTP', 'check the URL, its port, and http or https')
    }
  }

  async checkSocket(): Promise<Finding> {
    const { openSocket = (url: string): ProbedSocket => new WebSocket(url), upgradeRefusal } = this.#options
    const opened = await this.#knock(() => openSocket(this.#socketUrl))
    if (opened instanceof ProbeSocket) {
      opened.close()
      return { outcome: 'ok', detail: 'messages pass both ways' }
    }
    const refusal = await upgradeRefusal?.(this.#socketUrl)
    return refusal === undefined ? blocked(opened) : judgeRefusal(refusal)
  }

  async checkFallback(): Promise<Finding> {
    const opened = await this.#knock(() => new HttpSocket(this.#socketUrl))
    if (opened instanceof ProbeSocket) {
      opened.close()
      return { outcome: 'ok', detail: 'messages pass both ways over HTTP' }
    }
    const cause = 'a proxy collects answers before it passes them on, or lets only some requests through'
    const advice = 'turn buffering and caching off for /api/sync, and let GET, POST and DELETE through'
    return failed(opened.message, cause, advice)
  }

  async *checkToken(via: 'socket' | 'http'): AsyncGenerator<Diagnosis> {
    const credentials = credentialsOf(this.#options)
    if ('problem' in credentials) {
      yield credentials.problem
      yield skipped('echo', 'needs a token that is good')
      return
    }
    const { openSocket = (url: string): ProbedSocket => new WebSocket(url) } = this.#options
    const probe = new ProbeSocket(
      via === 'socket' ? openSocket(this.#socketUrl) : new HttpSocket(this.#socketUrl),
      this.#timeoutMs,
    )
    const admitted = yield* examine('authentication', () => checkAdmission(probe, credentials))
    if (admitted.outcome === 'ok') yield* examine('echo', () => echo(probe, credentials, via))
    else yield skipped('echo', 'needs a token that is good')
    probe.close()
  }

  /** A connection that has answered something, or why there is none. */
  async #knock(open: () => ProbedSocket): Promise<ProbeSocket | ProbeError> {
    let probe: ProbeSocket | undefined
    try {
      probe = new ProbeSocket(open(), this.#timeoutMs)
      await probe.open()
      await probe.authenticate(NO_DOCUMENT, '')
      return probe
    } catch (error) {
      probe?.close()
      return error instanceof ProbeError ? error : new ProbeError(undefined, messageOf(error))
    }
  }
}

/** Round trips to a document, without its content. */
async function echo(probe: ProbeSocket, { document }: Credentials, via: string): Promise<Finding> {
  try {
    const stateVector = Y.encodeStateVectorFromUpdate(await probe.missing(document))
    const times: number[] = []
    for (let round = 0; round < ROUND_TRIPS; round += 1) {
      const askedAt = performance.now()
      await probe.missing(document, stateVector)
      times.push(performance.now() - askedAt)
    }
    const way = via === 'socket' ? 'a socket' : 'HTTP'
    return { outcome: 'ok', detail: `${document} answers over ${way} in ${Math.min(...times).toFixed(1)} ms` }
  } catch (error) {
    const cause = 'the document could not be opened, or the connection broke'
    return failed(messageOf(error), cause, "the server's log tells more")
  }
}

import { type Check, type Diagnosis, diagnose, examine, skipped } from '../../client/doctor.ts'
import { CoweaveError } from '../../model/errors.ts'
import { endpointOf } from './endpoint.ts'
import { checkDns, checkTcp, checkTls } from './network-checks.ts'
import { UpgradeProbe } from './upgrade.ts'

const TIMEOUT_MS = 10_000
const CHECKS: readonly Check[] = ['dns', 'tcp', 'tls', 'http', 'socket', 'http-fallback', 'authentication', 'echo']
const COLUMN = Math.max(...CHECKS.map((check) => check.length)) + 2

export interface DoctorOptions {
  readonly token?: string | undefined
  readonly document?: string | undefined
  /** The origin of the page that sockets are opened for. */
  readonly origin?: string | undefined
  /** How long each answer may take. */
  readonly timeoutMs?: number | undefined
}

/**
 * Checks the way from this machine to the server at `url`, and prints each finding as it comes.
 * @throws {CoweaveError} `doctor/failed` when anything is wrong, `command/bad-argument` for what is no URL
 */
export async function runDoctor(url: string, options: DoctorOptions, print: (text: string) => void): Promise<void> {
  let failures = 0
  for await (const diagnosis of examineAll(url, options)) {
    if (diagnosis.outcome === 'failed') failures += 1
    print(lineOf(diagnosis))
  }
  if (failures > 0) throw new CoweaveError('doctor/failed', `${failures} of the checks failed`)
}

async function* examineAll(text: string, options: DoctorOptions): AsyncGenerator<Diagnosis> {
  const endpoint = endpointOf(text)
  const { timeoutMs = TIMEOUT_MS, token, document, origin } = options
  const network: [Check, () => ReturnType<typeof checkDns>][] = [
    ['dns', () => checkDns(endpoint)],
    ['tcp', () => checkTcp(endpoint, timeoutMs)],
    ...(endpoint.isTls ? [['tls', () => checkTls(endpoint, timeoutMs)] satisfies [Check, unknown]] : []),
  ]
  for (const [check, run] of network) {
    const { outcome } = yield* examine(check, run)
    if (outcome !== 'failed') continue
    for (const next of CHECKS.slice(CHECKS.indexOf(check) + 1)) yield skipped(next, `needs ${check}`)
    return
  }
  const upgrade = new UpgradeProbe(origin, timeoutMs)
  yield* diagnose({
    url: endpoint.url,
    token,
    document,
    timeoutMs,
    openSocket: upgrade.open,
    upgradeRefusal: upgrade.refusal,
  })
}

function lineOf(diagnosis: Diagnosis): string {
  const { check, outcome, detail, ms } = diagnosis
  const time = outcome === 'skipped' ? '' : ` (${ms} ms)`
  const line = `${outcome.padEnd(9)}${check.padEnd(COLUMN)}${detail}${time}\n`
  if (outcome !== 'failed') return line
  const indent = ' '.repeat(9 + COLUMN)
  return `${line}${indent}likely cause: ${diagnosis.cause}\n${indent}what to do: ${diagnosis.advice}\n`
}

import type { Check, Diagnosis } from '../../../client/doctor.ts'
import type { Account } from '../account.ts'
import { useDiagnosis } from '../hooks/use-diagnosis.ts'
import { Icon, type IconName } from './Icon.tsx'
import { Popover } from './Popover.tsx'

const names: Readonly<Record<Check, string>> = {
  dns: 'Name of the server',
  tcp: 'Network',
  tls: 'Encryption',
  http: 'Server',
  socket: 'WebSocket',
  'http-fallback': 'Without WebSocket',
  authentication: 'Access to this document',
  echo: 'Round trip',
}

const icons: Readonly<Record<Diagnosis['outcome'], IconName>> = { ok: 'check', failed: 'close', skipped: 'minus' }
const outcomes: Readonly<Record<Diagnosis['outcome'], string>> = {
  ok: 'works',
  failed: 'does not work',
  skipped: 'not checked',
}

interface Props {
  readonly account: Account
  /** Its name. */
  readonly document: string
  anchor(): DOMRect
  onClose(): void
}

/** What works between this page and the server, and what is likely to be wrong where something doesn't. */
export function ConnectionCheck({ account, document, anchor, onClose }: Props) {
  const { findings, isRunning, run } = useDiagnosis(account, document)
  const failed = findings.filter(({ outcome }) => outcome === 'failed').length
  return (
    <Popover label="The connection" anchor={anchor} onClose={onClose}>
      {() => (
        <div className="check">
          <h2>The connection</h2>
          <ol>
            {findings.map((finding) => (
              <Step key={finding.check} finding={finding} />
            ))}
          </ol>
          <div className="check-foot">
            <p role="status">
              {isRunning ? 'Checking…' : failed === 0 ? 'All is well.' : `${failed} of the checks failed.`}
            </p>
            <button type="button" className="button" disabled={isRunning} onClick={run}>
              Check again
            </button>
          </div>
        </div>
      )}
    </Popover>
  )
}

function Step({ finding }: { finding: Diagnosis }) {
  const { check, outcome, detail } = finding
  return (
    <li data-outcome={outcome}>
      <Icon name={icons[outcome]} size={16} />
      <div>
        <strong>{names[check]}</strong> <span className="visually-hidden">{outcomes[outcome]}</span>
        <p>{sentence(detail)}</p>
        {finding.outcome === 'failed' && (
          <p>
            {sentence(finding.cause)} {sentence(finding.advice)}
          </p>
        )}
      </div>
    </li>
  )
}

function sentence(text: string): string {
  // Documents are called what they are called.
  const begun = /^\S*\//.test(text) ? text : text.charAt(0).toUpperCase() + text.slice(1)
  return /[.!?]$/.test(begun) ? begun : `${begun}.`
}

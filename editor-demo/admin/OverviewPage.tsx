import { useEffect, useRef, useState } from 'react'
import type { AdminClient, Overview } from './api.ts'
import { Chart } from './Chart.tsx'
import { OpenDocuments } from './OpenDocuments.tsx'
import { type Sample, withSample } from './samples.ts'
import { useAsked } from './use-asked.ts'
import { bytesText, durationText } from './words.ts'

const POLL_MS = 1_000
const relayWords = { none: 'no Redis', up: 'Redis relays', down: 'Redis is away' } as const

export function OverviewPage({ client }: { readonly client: AdminClient }) {
  const { answer, problem } = useAsked<Overview>(client, '/api/admin/overview', POLL_MS)
  const samples = useSamples(answer)
  return (
    <>
      <section aria-labelledby="now">
        <h2 id="now">This instance now</h2>
        {problem !== '' && (
          <p className="field-error" role="alert">
            {problem} What is shown is older.
          </p>
        )}
        <div className="charts">
          <Chart
            title="Connections"
            values={samples.map(({ connections }) => connections)}
            format={(value) => value.toLocaleString('en')}
          />
          <Chart
            title="Updates a second"
            values={samples.map(({ updatesPerSecond }) => updatesPerSecond)}
            format={(value) => Math.round(value).toLocaleString('en')}
          />
          <Chart title="Memory" values={samples.map(({ memoryBytes }) => memoryBytes)} format={bytesText} />
          <Chart
            title="Event-loop delay"
            values={samples.map(({ eventLoopDelay }) => eventLoopDelay)}
            format={(value) => `${value.toFixed(1)} ms`}
          />
        </div>
        {answer !== undefined && <Figures {...answer} />}
      </section>
      <OpenDocuments client={client} />
    </>
  )
}

function Figures(overview: Overview) {
  const { users, documents, updates, waitingBytes, relay, uptime, version } = overview
  const figures = [
    ['Users', users.toLocaleString('en')],
    ['Open documents', documents.toLocaleString('en')],
    ['Updates taken', updates.taken.toLocaleString('en')],
    ['Updates on disk', updates.committed.toLocaleString('en')],
    ['Waiting for storage', bytesText(waitingBytes)],
    ['Other instances', relayWords[relay]],
    ['Up for', durationText(uptime)],
    ['Version', version],
  ] as const
  return (
    <dl className="figures">
      {figures.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  )
}

/** Each answer once, the oldest first. */
function useSamples(answer: Overview | undefined): readonly Sample[] {
  const [samples, setSamples] = useState<readonly Sample[]>([])
  const last = useRef<Overview>(undefined)
  useEffect(() => {
    if (answer === undefined || answer === last.current) return
    const before = last.current
    last.current = answer
    setSamples((known) => withSample(known, before, answer))
  }, [answer])
  return samples
}

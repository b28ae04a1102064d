import { rmSync } from 'node:fs'
import { Clients } from './clients.ts'
import type { FloodOrder, FloodReport } from './flood-clients.ts'
import { parameters } from './parameters.ts'
import { coweave, type RunningPeer } from './peers.ts'
import { openProvider } from './provider.ts'
import { median, percentile, type Row } from './results.ts'

const { documents, window, warmUpMs, measuredMs } = parameters.flood
const OWN = 'bench/flood-own'
const SHARED = 'bench/flood-0'
/** The two clients that get all of a flood are measured apart: stock ones can't apply as much as one client writes. */
const OTHERS = Array.from({ length: documents - 1 }, (_, index) => `bench/flood-${index + 1}`)

interface Delays {
  readonly others: readonly number[]
  readonly shared: readonly number[]
}

interface Round {
  readonly quiet: Delays
  /** While somebody floods a document of its own. */
  readonly own: Delays
  /** While somebody floods the document that `shared` was measured in. */
  readonly beside: Delays
}

/**
 * How long an edit takes to the other client of its document while one client writes as fast as it can, beside a quiet
 * server; and whether what was acknowledged of the flood is there after kill -9.
 */
export async function measureFlood(log: (line: string) => void): Promise<Row[]> {
  const rounds: Round[] = []
  for (let round = 1; round <= parameters.rounds; round += 1) rounds.push(await measureRound(round, log))
  const row = (
    what: string,
    part: number,
    flooded: (round: Round) => readonly number[],
    quiet: typeof flooded,
  ): Row => ({
    measure: `flood ${what}, p${part * 100} of an edit's way, ms (beside no flood)`,
    ours: median(rounds.map((round) => percentile(flooded(round), part))),
    theirs: median(rounds.map((round) => percentile(quiet(round), part))),
  })
  const all = ({ others, shared }: Delays) => [...others, ...shared]
  return [0.5, 0.99].flatMap((part) => [
    row(
      'of a document of its own',
      part,
      ({ own }) => all(own),
      ({ quiet }) => all(quiet),
    ),
    row(
      'of a shared document, in the others',
      part,
      ({ beside }) => beside.others,
      ({ quiet }) => quiet.others,
    ),
    row(
      'of a shared document, in that one',
      part,
      ({ beside }) => beside.shared,
      ({ quiet }) => quiet.shared,
    ),
  ])
}

async function measureRound(round: number, log: (line: string) => void): Promise<Round> {
  const server = await coweave.start()
  let isRunning = true
  const [others, shared, flooder] = [clients(), clients(), clients()]
  shared.yieldCpu()
  flooder.yieldCpu()
  const { url, token } = server
  const measure = async (): Promise<Delays> => {
    const [inOthers, inShared] = await Promise.all(
      [others, shared].map((each) => each.obey({ order: 'measure', ms: measuredMs }, 'measured')),
    )
    return { others: inOthers?.delays ?? [], shared: inShared?.delays ?? [] }
  }
  const flood = async (document: string): Promise<Delays> => {
    await flooder.obey({ order: 'flood', url, token, document, window }, 'flooding')
    await delay(warmUpMs)
    return measure()
  }
  try {
    await others.obey({ order: 'edit', url, token, documents: OTHERS }, 'editing')
    await shared.obey({ order: 'edit', url, token, documents: [SHARED] }, 'editing')
    await delay(warmUpMs)
    const quiet = await measure()
    const own = await flood(OWN)
    const ownFlood = await flooder.obey({ order: 'stop' }, 'stopped')
    const beside = await flood(SHARED)
    await server.kill()
    isRunning = false
    const sharedFlood = await flooder.obey({ order: 'stop' }, 'stopped')
    for (const clients of [others, shared, flooder]) await clients.end()
    await checkFloods(server, { [OWN]: ownFlood.acknowledged, [SHARED]: sharedFlood.acknowledged }, log)
    for (const [what, delays] of Object.entries({ quiet, own, beside }))
      log(`flood, round ${round}, ${what}: ${shown(delays)}`)
    return { quiet, own, beside }
  } finally {
    for (const clients of [others, shared, flooder]) await clients.end()
    if (isRunning) await server.kill()
    rmSync(server.folder, { recursive: true, force: true })
  }
}

/** @throws {Error} when what was acknowledged is not all there once the server has come back from its crash */
async function checkFloods(
  { folder }: RunningPeer,
  acknowledged: Readonly<Record<string, number>>,
  log: (line: string) => void,
): Promise<void> {
  const server = await coweave.start(folder)
  try {
    for (const [name, count] of Object.entries(acknowledged)) {
      const provider = await openProvider(server, name)
      const lost = Math.max(0, count - provider.document.getText('text').length)
      provider.destroy()
      log(`flood of ${name}: ${count} edits were acknowledged, ${lost} of them are lost`)
      if (lost > 0) throw new Error(`${lost} acknowledged edits of ${name} are lost`)
    }
  } finally {
    await server.stop(false)
  }
}

function shown({ others, shared }: Delays): string {
  const figures = [others, shared].map((delays) =>
    [0.5, 0.99, 1].map((part) => percentile(delays, part).toFixed(1)).join(' / '),
  )
  return `p50 / p99 / most ${figures[0]} ms in ${OTHERS.length} documents, ${figures[1]} ms in the shared one (${others.length} and ${shared.length} edits)`
}

function clients(): Clients<FloodOrder, FloodReport> {
  return new Clients('flood-clients.ts')
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

import { cpSync, rmSync } from 'node:fs'
import { Clients } from './clients.ts'
import type { LargeOrder, LargeReport } from './large-clients.ts'
import { type WrittenDocument, writeLargeDocument } from './large-document.ts'
import { parameters } from './parameters.ts'
import { coweave, cpuMs, type Peer, stockHocuspocus, temporaryFolder, tokenFor, writtenBytes } from './peers.ts'
import { median, percentile, type Row } from './results.ts'

const { openedBytes, joinedBytes, joiners, checked, perSecond, besidePerSecond, editingMs, settleMs, patienceMs } =
  parameters.large
type LargeClients = Clients<LargeOrder, LargeReport>

const BESIDE = 'bench/beside'

interface Opening {
  readonly firstByteMs: number
  readonly syncedMs: number
  readonly cpuMs: number
  readonly besideMs: number
}

interface Editing {
  readonly acknowledgedMs: number
  readonly bytes: number
  readonly besideMs: number
}

interface Joining {
  readonly ms: number
  readonly cpuMs: number
  readonly besideMs: number
}

/** Opening, joining and editing large documents, and what somebody notices who edits a small one beside them. */
export async function measureLarge(log: (line: string) => void): Promise<Row[]> {
  const folders = [temporaryFolder(), temporaryFolder()] as const
  const opened = await writeLargeDocument(folders[0], 'bench/opened', openedBytes)
  const joined = await writeLargeDocument(folders[1], 'bench/joined', joinedBytes)
  log(`large: documents of ${opened.bytes} and ${joined.bytes} bytes`)
  const ours: Round[] = []
  const theirs: Round[] = []
  try {
    for (let round = 1; round <= parameters.rounds; round += 1) {
      for (const [peer, rounds] of [
        [coweave, ours],
        [stockHocuspocus, theirs],
      ] as const) {
        const { opening, editing } = await openAndEdit(peer, folders[0], opened)
        const joining = await joinAtOnce(peer, folders[1], joined)
        rounds.push({ opening, editing, joining })
        log(`large, round ${round}, ${peer.name}: ${JSON.stringify({ opening, editing, joining })}`)
      }
    }
  } finally {
    for (const folder of folders) rmSync(folder, { recursive: true, force: true })
  }
  const row = (measure: string, pick: (round: Round) => number): Row => ({
    measure: `large, ${measure}`,
    ours: median(ours.map(pick)),
    theirs: median(theirs.map(pick)),
  })
  const [big, small] = [`${Math.round(opened.bytes / 1e6)} MB`, `${Math.round(joined.bytes / 1e6)} MB`]
  return [
    row(`cold open of ${big}: first byte, ms`, ({ opening }) => opening.firstByteMs),
    row(`cold open of ${big}: synced, in a Y.Doc, ms`, ({ opening }) => opening.syncedMs),
    row(`cold open of ${big}: server CPU ms`, ({ opening }) => opening.cpuMs),
    row(`cold open of ${big}: p99 of acknowledgements beside it, ms`, ({ opening }) => opening.besideMs),
    row(`editing ${big}: p99 of acknowledgements, ms`, ({ editing }) => editing.acknowledgedMs),
    row(`editing ${big}: bytes to disk per update`, ({ editing }) => editing.bytes),
    row(`editing ${big}: p99 of acknowledgements beside it, ms`, ({ editing }) => editing.besideMs),
    row(`${joiners} join ${small} at once: all synced, ms`, ({ joining }) => joining.ms),
    row(`${joiners} join ${small} at once: server CPU ms`, ({ joining }) => joining.cpuMs),
    row(`${joiners} join ${small} at once: p99 of acknowledgements beside it, ms`, ({ joining }) => joining.besideMs),
  ]
}

interface Round {
  readonly opening: Opening
  readonly editing: Editing
  readonly joining: Joining
}

async function openAndEdit(peer: Peer, stored: string, document: WrittenDocument) {
  const { pid, url, token, beside, clients, end } = await startBeside(peer, stored)
  try {
    const cpuBefore = cpuMs(pid)
    await beside.obey({ order: 'edit-on', perSecond: besidePerSecond }, 'editing', patienceMs)
    const { name, hash } = document
    const times = await clients.obey({ order: 'open', url, token, document: name, hash }, 'opened', patienceMs)
    // What the server still has to do is noticed too.
    await delay(editingMs / 4)
    const besideOpening = await beside.obey({ order: 'stop' }, 'edited', patienceMs)
    const opening = {
      firstByteMs: times.firstByteMs,
      syncedMs: times.syncedMs,
      cpuMs: cpuMs(pid) - cpuBefore,
      besideMs: percentile(besideOpening.delays, 0.99),
    }
    await beside.obey({ order: 'edit-on', perSecond: besidePerSecond }, 'editing', patienceMs)
    const edited = await clients.obey({ order: 'edit', perSecond, ms: editingMs }, 'edited', patienceMs)
    const besideEditing = await beside.obey({ order: 'stop' }, 'edited', patienceMs)
    await delay(settleMs)
    const bytesBefore = writtenBytes(pid)
    const editedAlone = await clients.obey({ order: 'edit', perSecond, ms: editingMs }, 'edited', patienceMs)
    await delay(settleMs)
    const written = writtenBytes(pid) - bytesBefore
    const editing = {
      acknowledgedMs: percentile([...edited.delays, ...editedAlone.delays], 0.99),
      bytes: written / editedAlone.delays.length + (peer === coweave ? compactionBytes(document) : 0),
      besideMs: percentile(besideEditing.delays, 0.99),
    }
    return { opening, editing }
  } finally {
    await end()
  }
}

async function joinAtOnce(peer: Peer, stored: string, { name, hash }: WrittenDocument): Promise<Joining> {
  const { pid, url, beside, clients, end } = await startBeside(peer, stored)
  const tokens = Array.from({ length: joiners }, (_, index) => tokenFor(`joiner-${index}`))
  try {
    await beside.obey({ order: 'edit-on', perSecond: besidePerSecond }, 'editing', patienceMs)
    const cpuBefore = cpuMs(pid)
    const joining: LargeOrder = { order: 'join', url, tokens, document: name, checked, hash }
    const { ms } = await clients.obey(joining, 'joined', patienceMs)
    const cpu = cpuMs(pid) - cpuBefore
    const { delays } = await beside.obey({ order: 'stop' }, 'edited', patienceMs)
    return { ms, cpuMs: cpu, besideMs: percentile(delays, 0.99) }
  } finally {
    await end()
  }
}

/** A server that has just started on a copy of `stored`, and somebody with a small document open there. */
async function startBeside(peer: Peer, stored: string) {
  const folder = temporaryFolder()
  cpSync(stored, folder, { recursive: true })
  const server = await peer.start(folder)
  const [beside, clients] = [largeClients(), largeClients()]
  const { url, token, pid } = server
  await beside.obey({ order: 'open', url, token, document: BESIDE, hash: undefined }, 'opened', patienceMs)
  // The first edits a process takes pay for code that is loaded and compiled only then.
  await beside.obey({ order: 'edit', perSecond: besidePerSecond, ms: 1_000 }, 'edited', patienceMs)
  const end = async () => {
    await beside.end()
    await clients.end()
    await server.kill()
    rmSync(folder, { recursive: true, force: true })
  }
  return { url, token, pid, beside, clients, end }
}

/**
 * What an update's share is of the snapshots that are still to be written: one for as many updates as outweigh the last
 * one (persistence/compaction.ts), into the log and from there into the database.
 */
function compactionBytes({ bytes, rowBytes }: WrittenDocument): number {
  return (2 * bytes) / Math.min(bytes / rowBytes, bytes / 40)
}

function largeClients(): LargeClients {
  return new Clients('large-clients.ts')
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

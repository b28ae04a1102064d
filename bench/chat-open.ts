import { readFileSync } from 'node:fs'
import { ChatSocket } from './chat-socket.ts'
import { parameters } from './parameters.ts'
import { coweave } from './peers.ts'
import { median, type Row } from './results.ts'

export interface WrittenRooms {
  readonly folder: string
  /** Newest segments. */
  readonly big: string
  readonly small: string
  readonly other: string
}

interface Opening {
  readonly ms: number
  readonly bytes: number
  readonly memory: number
}

/** Opening the newest segment of a big and of a small room, each on a server that has just started. */
export async function measureRoomOpening(rooms: WrittenRooms, log: (line: string) => void): Promise<Row[]> {
  const big: Opening[] = []
  const small: Opening[] = []
  for (let round = 0; round < parameters.chat.openings; round += 1) {
    big.push(await openCold(rooms, rooms.big))
    small.push(await openCold(rooms, rooms.small))
    log(`chat, opening, round ${round + 1}: ${shown(big.at(-1))} / small ${shown(small.at(-1))}`)
  }
  const { bigRoom, smallRoom } = parameters.chat
  const row = (measure: string, pick: (opening: Opening) => number): Row => ({
    measure: `chat, opening a room of ${bigRoom} (beside ${smallRoom}): ${measure}`,
    ours: median(big.map(pick)),
    theirs: median(small.map(pick)),
  })
  return [row('ms', ({ ms }) => ms), row('bytes', ({ bytes }) => bytes), row('server KiB', ({ memory }) => memory)]
}

async function openCold({ folder, other }: WrittenRooms, segment: string): Promise<Opening> {
  const server = await coweave.start(folder)
  try {
    // The first room a process opens pays for code that is loaded and compiled only then.
    const warm = await ChatSocket.connect(server)
    await warm.open(other.replace(/@.*/, '')).synced
    await warm.open(other).synced
    warm.close()

    const socket = await ChatSocket.connect(server)
    const [memory, bytes, startedAt] = [residentKiB(server.pid), socket.bytesRead, performance.now()]
    await socket.open(segment.replace(/@.*/, '')).synced
    const opened = socket.open(segment)
    await opened.synced
    const ms = performance.now() - startedAt
    if (opened.messages.length === 0) throw new Error(`${segment} is empty`)
    const opening = { ms, bytes: socket.bytesRead - bytes, memory: residentKiB(server.pid) - memory }
    socket.close()
    return opening
  } finally {
    await server.stop(false)
  }
}

function residentKiB(pid: number): number {
  const [, size] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(size)
}

function shown(opening: Opening | undefined): string {
  return opening === undefined ? '' : `${opening.ms.toFixed(1)} ms, ${opening.bytes} bytes, ${opening.memory} KiB`
}

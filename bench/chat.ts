import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { openLog } from '../persistence/open-log.ts'
import { measureArchive } from './chat-archive.ts'
import { measureGuard } from './chat-guard.ts'
import { measureRoomOpening } from './chat-open.ts'
import { writeRoom } from './chat-room.ts'
import { parameters } from './parameters.ts'
import { temporaryFolder } from './peers.ts'
import type { Row } from './results.ts'

const { bigRoom, smallRoom } = parameters.chat

/** Chat rooms: what their age costs, what the archive adds to SQLite, and what the guard costs. */
export async function measureChat(log: (line: string) => void): Promise<Row[]> {
  const folder = temporaryFolder()
  try {
    const updates = await openLog({
      url: `sqlite:${join(folder, 'coweave.db')}`,
      create: true,
      onProblem: (error) => {
        throw error
      },
    })
    const rooms = {
      folder,
      big: await writeRoom(updates, 'chat/bench/big', bigRoom),
      small: await writeRoom(updates, 'chat/bench/small', smallRoom),
      other: await writeRoom(updates, 'chat/bench/other', smallRoom),
    }
    await updates.close()
    log(`chat: rooms of ${bigRoom} and ${smallRoom} messages written`)
    return [
      ...(await measureRoomOpening(rooms, log)),
      ...(await measureArchive(rooms, log)),
      ...(await measureGuard(log)),
    ]
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

import { ChatSocket } from './chat-socket.ts'
import { ChatWriter, guardedRoom, PER_SEGMENT, type Place, unguardedDocuments } from './chat-writer.ts'
import type { WritersReport } from './writers.ts'

/** What the process of the writers is told, over the channel of child_process.fork; it answers as writers.ts does. */
export interface ChatWritersTask {
  readonly url: string
  readonly token: string
  readonly rooms: number
  readonly window: number
  /** Whether they write in chat rooms, or the same in documents without rules. */
  readonly guarded: boolean
  readonly warmUpMs: number
  readonly measuredMs: number
}

process.once('message', (task: ChatWritersTask) => {
  run(task).catch((error: unknown) => report({ phase: 'failed', problem: String(error) }))
})

async function run(task: ChatWritersTask): Promise<void> {
  const places = Array.from({ length: task.rooms }, (_, index) => {
    const name = `bench-${process.pid}-${index}`
    return task.guarded ? guardedRoom(name) : unguardedDocuments(name)
  })
  const writers = await Promise.all(places.map((place) => ChatWriter.open(task, place, task.window)))
  for (const writer of writers) writer.start()
  await delay(task.warmUpMs)
  const count = () => writers.reduce((sum, writer) => sum + writer.acknowledged, 0)
  report({ phase: 'measuring' })
  const [before, startedAt] = [count(), performance.now()]
  await delay(task.measuredMs)
  report({ phase: 'measured', acknowledged: count() - before, seconds: (performance.now() - startedAt) / 1000 })
  await Promise.all(writers.map((writer) => writer.stop()))
  // A figure counts only if another client finds everything there.
  for (const [index, writer] of writers.slice(0, 5).entries()) await verify(task, places[index], writer.acknowledged)
  report({ phase: 'verified', total: count() })
  for (const writer of writers) writer.close()
}

async function verify(task: ChatWritersTask, place: Place | undefined, written: number): Promise<void> {
  if (place === undefined) return
  const socket = await ChatSocket.connect(task)
  const ids = new Set<unknown>()
  for (let number = 1; number <= Math.ceil(written / PER_SEGMENT); number += 1) {
    const { messages, synced } = socket.open(place.segment(number))
    await synced
    for (const message of messages) ids.add(message.get('id'))
    socket.leave(place.segment(number))
  }
  socket.close()
  if (ids.size !== written) throw new Error(`${place.segment(1)}: ${ids.size} messages, ${written} were written`)
}

function report(message: WritersReport): void {
  process.send?.(message)
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

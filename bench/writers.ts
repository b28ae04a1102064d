import { openProvider } from './provider.ts'
import { TEXT } from './typist.ts'
import { Writer } from './writer.ts'

/** What the process of the clients is told and tells, over the channel of child_process.fork. */
export interface WritersTask {
  readonly url: string
  readonly token: string
  readonly documents: number
  readonly window: number
  readonly warmUpMs: number
  readonly measuredMs: number
}

export type WritersReport =
  | { readonly phase: 'measuring' }
  | { readonly phase: 'measured'; readonly acknowledged: number; readonly seconds: number }
  | { readonly phase: 'verified'; readonly total: number }
  | { readonly phase: 'failed'; readonly problem: string }

process.once('message', (task: WritersTask) => {
  run(task).catch((error: unknown) => report({ phase: 'failed', problem: String(error) }))
})

async function run({ url, token, documents, window, warmUpMs, measuredMs }: WritersTask): Promise<void> {
  const writers = await Promise.all(
    Array.from({ length: documents }, (_, index) =>
      Writer.connect(url, `bench/${process.pid}-${index}`, token, window),
    ),
  )
  await Promise.all(writers.map((writer) => writer.open()))
  for (const writer of writers) writer.start()
  await delay(warmUpMs)
  const count = () => writers.reduce((sum, writer) => sum + writer.acknowledged, 0)
  report({ phase: 'measuring' })
  const [before, startedAt] = [count(), performance.now()]
  await delay(measuredMs)
  report({ phase: 'measured', acknowledged: count() - before, seconds: (performance.now() - startedAt) / 1000 })
  await Promise.all(writers.map((writer) => writer.stop()))
  // A figure counts only if a real client finds everything there.
  for (const writer of writers.slice(0, 5)) await verify(url, token, writer)
  report({ phase: 'verified', total: writers.reduce((sum, writer) => sum + writer.length, 0) })
  for (const writer of writers) writer.close()
}

async function verify(url: string, token: string, { name, length }: Writer): Promise<void> {
  const provider = await openProvider({ url, token }, name)
  const found = provider.document.getText(TEXT).length
  provider.destroy()
  if (found !== length) throw new Error(`${name} has ${found} characters, ${length} were written`)
}

function report(message: WritersReport): void {
  process.send?.(message)
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

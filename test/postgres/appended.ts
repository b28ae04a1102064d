import { expect } from 'vitest'
import { z } from 'zod'
import type { NewUpdate, UpdateLog } from '../../persistence/update-log.ts'
import { readAll, textOf, update } from '../persistence/updates.ts'

/** Document, position and text of updates that were acknowledged, as the children of test/persistence tell them. */
export const Acknowledged = z.array(z.tuple([z.string(), z.number(), z.string()]))
export type Acknowledged = z.infer<typeof Acknowledged>

/** Fails unless the log holds each acknowledged update at its position, and no position is missing. */
export async function expectInLog(log: UpdateLog, acknowledged: Acknowledged): Promise<void> {
  const found = new Map<string, string[]>()
  for (const { name, position } of await log.documents({ limit: 1_000 })) {
    const rows = await readAll(log, name)
    expect(rows.map((row) => row.position)).toEqual(Array.from({ length: position }, (_, index) => index + 1))
    found.set(
      name,
      rows.map((row) => textOf(row.data)),
    )
  }
  const lost = acknowledged.filter(([document, position, text]) => found.get(document)?.[position - 1] !== text)
  expect(lost).toEqual([])
}

/**
 * Appends batches to three documents until `stop` is called, again where storage is not available, as the server
 * does. `acknowledged` grows meanwhile.
 */
export class Writer {
  readonly acknowledged: Acknowledged = []
  /** Rejections, by their code. */
  readonly rejections = new Map<string, number>()
  readonly #done: Promise<void>
  #stopped = false

  constructor(log: UpdateLog, name: string) {
    this.#done = this.#run(log, name)
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.#done
  }

  async #run(log: UpdateLog, name: string): Promise<void> {
    for (let batch = 0; !this.#stopped; batch++) {
      // Not in the order of names, and each a few times.
      const documents = ['shared/c', 'shared/a', `new/${name}/${batch % 50}`, 'shared/b', 'shared/a']
      const updates = documents.map((document, index) => update(document, `${name} ${batch} ${index}`))
      const positions = await this.#untilTaken(log, updates)
      updates.forEach(({ document, data }, index) => {
        this.acknowledged.push([document, positions[index] ?? 0, textOf(data)])
      })
    }
  }

  async #untilTaken(log: UpdateLog, updates: readonly NewUpdate[]): Promise<number[]> {
    for (;;) {
      try {
        return await log.append(updates)
      } catch (error) {
        const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
        this.rejections.set(code, (this.rejections.get(code) ?? 0) + 1)
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    }
  }
}

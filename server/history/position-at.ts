import { historyForgotten } from '../../persistence/retention.ts'
import type { UpdateLog } from '../../persistence/update-log.ts'

/**
 * The last position of a document, from where its history begins on, that was committed no later than `at`, ms. Clocks of
 * several instances may differ: then it is about that.
 * @throws {CoweaveError} `history/forgotten` for a time before that
 * @throws {StorageError}
 */
export async function positionAt(log: UpdateLog, document: string, at: number): Promise<number> {
  const start = await log.retention.historyStart(document)
  if (start.position > 0 && at < start.at) throw historyForgotten(document, start)
  const [last = 0] = await log.positions([document])
  let [low, high] = [start.position, last]
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    const [row] = await Array.fromAsync(log.read(document, middle - 1, middle))
    if (row !== undefined && row.at <= at) low = middle
    else high = middle - 1
  }
  return low
}

import { expect } from 'vitest'
import type { UpdateLog } from '../../persistence/update-log.ts'
import { reindex } from '../../server/search/reindex.ts'
import { runCommand } from '../support/run-command.ts'
import { archived, Typist, update } from './updates.ts'

export interface Reindexing {
  readonly log: UpdateLog
  /** As runCommand() takes it. */
  readonly place: string
  /** Has nothing found any more, or the wrong things. */
  readonly damage: () => void | Promise<void>
}

/** Shows that `coweave reindex` has found again what is in a log, whatever was damaged. */
export async function expectReindexed({ log, place, damage }: Reindexing): Promise<void> {
  const plan = new Typist('notes/plan')
  await log.append([
    { ...plan.type('a flight by zeppelin'), messages: [archived('chat/a', 1, 'the zeppelin leaves')] },
    update('notes/damaged', 'no update of Yjs', { messages: [archived('chat/a', 2, 'a balloon')] }),
    new Typist('chat/a').type('the head of a room'),
  ])
  const found = async (query: string) => {
    const { messages } = await log.messages.search(query, { limit: 100 })
    const documents = await log.texts.search(query, { prefixes: [''], limit: 100 })
    return { messages: messages.map(({ seq }) => seq), documents: documents.map(({ name }) => name) }
  }
  const everything = { messages: [1], documents: ['notes/plan'] }
  const failed: string[] = []
  expect(await reindex(log, (document) => failed.push(document))).toEqual({ messages: 2, documents: 1, failed: 1 })
  expect(failed).toEqual(['notes/damaged'])
  expect(await found('zeppelin')).toEqual(everything)
  await damage()
  expect(await found('zeppelin').catch(() => 'nothing')).not.toEqual(everything)
  const { exitCode, output, errors } = await runCommand(place, 'reindex')
  expect({ exitCode, output }).toEqual({ exitCode: 1, output: '2 messages and 1 documents can be searched\n' })
  expect(errors).toMatch(/notes\/damaged.*run coweave check/s)
  expect(await found('zeppelin')).toEqual(everything)
  expect(await found('balloon')).toEqual({ messages: [2], documents: [] })
  const problems = (await Array.fromAsync(log.check())).map(({ document }) => document)
  expect(problems).toEqual(['notes/damaged'])
}

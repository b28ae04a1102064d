import * as Y from 'yjs'
import { openLog } from '../../persistence/open-log.ts'
import { databaseUrl } from './server.ts'

/**
 * Documents rebuilt from the rows of a stopped server's log (its folder, or a URL), row by row and without snapshots: a path that the server
 * itself never takes.
 */
export async function replayFromLog<Name extends string>(
  place: string,
  names: readonly Name[],
): Promise<Record<Name, Y.Doc>> {
  const problems: Error[] = []
  const log = await openLog({
    url: databaseUrl(place),
    encryptionKey: undefined,
    create: false,
    onProblem: (error) => problems.push(error),
  })
  const documents: [Name, Y.Doc][] = []
  try {
    for (const name of names) {
      const ydoc = new Y.Doc()
      const rows = await Array.fromAsync(log.read(name, 0))
      ydoc.transact(() => {
        for (const { data } of rows) Y.applyUpdate(ydoc, data)
      })
      documents.push([name, ydoc])
    }
  } finally {
    await log.close()
  }
  const [problem] = problems.filter(({ message }) => !message.includes('fsync = off')) // as test databases run
  if (problem !== undefined) throw problem
  return Object.fromEntries(documents) as Record<Name, Y.Doc>
}

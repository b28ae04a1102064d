import { existsSync } from 'node:fs'
import { basename, join } from 'node:path'
import { copyAside } from './copy-aside.ts'
import { type ImportSource, noSource } from './source.ts'

const NAMES_PER_PAGE = 500

/**
 * The database of Hocuspocus' extension-sqlite: a table `documents(name, data)`, with a state of Yjs for each document.
 * @throws {CoweaveError} `import/no-source`, `import/source-changes`
 */
export async function openHocuspocusSqlite(file: string): Promise<ImportSource> {
  if (!existsSync(file)) throw noSource(`there is no database at ${file}`)
  const { default: Database } = await import('better-sqlite3')
  // What a server that was killed had not yet put into the file is beside it.
  const aside = await copyAside([file, `${file}-wal`, `${file}-journal`])
  try {
    const db = new Database(join(aside.folder, basename(file)))
    // The names are in an index, so that a damaged page of the table costs its own documents alone.
    const page = prepare(file, () =>
      db
        .prepare<{ after: string; limit: number }, string>(
          'SELECT name FROM documents WHERE name > :after ORDER BY name LIMIT :limit',
        )
        .pluck(),
    )
    const select = prepare(file, () =>
      db.prepare<[string], unknown>('SELECT data FROM documents WHERE name = ?').pluck(),
    )
    return {
      others: [],
      *names() {
        // A document without a name would come first.
        if (select.get('') !== undefined) yield ''
        for (let after = ''; ; ) {
          const names = prepare(file, () => page.all({ after, limit: NAMES_PER_PAGE }))
          yield* names
          const last = names.at(-1)
          if (last === undefined) return
          after = last
        }
      },
      async read(name) {
        const data = select.get(name)
        if (!(data instanceof Uint8Array)) throw new Error('its data is no blob')
        return [data]
      },
      async close() {
        db.close()
        await aside.remove()
      },
    }
  } catch (error) {
    await aside.remove()
    throw error
  }
}

function prepare<Result>(file: string, use: () => Result): Result {
  try {
    return use()
  } catch (cause) {
    const problem = `${file} is no database of Hocuspocus' extension-sqlite, or its list of names is damaged`
    throw noSource(`${problem}: ${String(cause)}`, { cause })
  }
}

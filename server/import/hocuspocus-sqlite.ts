import { statSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { Database } from 'better-sqlite3'
import { copyAside } from './copy-aside.ts'
import { type ImportSource, noSource } from './source.ts'

const NAMES_PER_PAGE = 500

/**
 * The database of Hocuspocus' extension-sqlite: a table `documents(name, data)`, with a state of Yjs for each document.
 * @throws {CoweaveError} `import/no-source`, `import/source-changes`
 */
export async function openHocuspocusSqlite(file: string): Promise<ImportSource> {
  if (!statSync(file, { throwIfNoEntry: false })?.isFile()) throw noSource(`there is no database at ${file}`)
  const { default: Sqlite } = await import('better-sqlite3')
  // What a server that was killed had not yet put into the file is beside it.
  const aside = await copyAside([file, `${file}-wal`, `${file}-journal`])
  const db = new Sqlite(join(aside.folder, basename(file)))
  const close = async () => {
    db.close()
    await aside.remove()
  }
  try {
    const { page, select } = reading(file, () => statementsOf(db))
    return {
      others: [],
      *names() {
        // A document without a name would come first.
        if (reading(file, () => select.get('')) !== undefined) yield ''
        for (let after = ''; ; ) {
          const names = reading(file, () => page.all({ after, limit: NAMES_PER_PAGE }))
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
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

/** The names are in an index, so that a damaged page of the table costs its own documents alone. */
function statementsOf(db: Database) {
  const page = db.prepare<{ after: string; limit: number }, string>(
    'SELECT name FROM documents WHERE name > :after ORDER BY name LIMIT :limit',
  )
  const select = db.prepare<[string], unknown>('SELECT data FROM documents WHERE name = ?')
  return { page: page.pluck(), select: select.pluck() }
}

function reading<Result>(file: string, use: () => Result): Result {
  try {
    return use()
  } catch (cause) {
    const problem = `${file} is no database of Hocuspocus' extension-sqlite, or its list of names is damaged`
    throw noSource(`${problem}: ${String(cause)}`, { cause })
  }
}

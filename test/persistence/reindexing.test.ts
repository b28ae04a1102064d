import { join } from 'node:path'
import Database from 'better-sqlite3'
import { onTestFinished, test } from 'vitest'
import { openSqliteLog } from '../../persistence/sqlite/sqlite-log.ts'
import { makeFolder } from './folder.ts'
import { expectReindexed } from './reindexing.ts'

test.each([
  // Pages of the index that are no index: FTS5 has its words in blocks of a table of its own.
  [
    'damaged blocks',
    `UPDATE messages_text_data SET block = x'ff00ff00ff' WHERE id > 1;
     UPDATE texts_words_data SET block = x'ff00ff00ff' WHERE id > 1`,
  ],
  ['a damaged structure', `UPDATE messages_text_data SET block = x'01'; UPDATE texts_words_data SET block = x'01'`],
  [
    'copies of texts that say something else',
    `UPDATE messages SET text = 'something else'; UPDATE texts SET text = 'something else'`,
  ],
])('%s of SQLite: coweave reindex finds everything again', async (_, sql) => {
  const folder = await makeFolder()
  const file = join(folder, 'coweave.db')
  const log = await openSqliteLog({ file })
  onTestFinished(() => log.close())
  await expectReindexed({
    log,
    place: folder,
    damage() {
      const db = new Database(file)
      db.unsafeMode()
      db.exec(sql)
      db.close()
    },
  })
})

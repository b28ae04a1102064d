import type { Database } from 'better-sqlite3'
import { StorageError } from '../storage-error.ts'

/** Written into the file's header ("Cowe"), so that another program's database is never taken for ours. */
export const APPLICATION_ID = 0x436f7765

/**
 * One step a version, in order. `user_version` counts the steps done. Never change a released step: add one.
 *
 * Rows carry a CRC-32 over all that identifies them and their bytes as stored; SQLite itself has no page checksums.
 * `key` is the id of the key that `data` is encrypted with, null when it is plain.
 */
const MIGRATIONS = [
  `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;

  -- position, bytes, clients: the last row's position, the plain bytes of all rows, and the number of rows in clients.
  -- They tell when rows are missing, and how long the tail is without reading it.
  CREATE TABLE documents (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    position INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    clients INTEGER NOT NULL,
    checksum INTEGER NOT NULL
  );

  CREATE TABLE updates (
    document INTEGER NOT NULL,
    position INTEGER NOT NULL,
    at INTEGER NOT NULL,
    author TEXT NOT NULL,
    key TEXT,
    data BLOB NOT NULL,
    checksum INTEGER NOT NULL,
    PRIMARY KEY (document, position)
  ) WITHOUT ROWID;

  CREATE TABLE clients (
    document INTEGER NOT NULL,
    client INTEGER NOT NULL,
    user TEXT NOT NULL,
    position INTEGER NOT NULL,
    checksum INTEGER NOT NULL,
    PRIMARY KEY (document, client)
  ) WITHOUT ROWID;

  -- A snapshot is written part by part and counts once it is complete. log_bytes: documents.bytes at its position.
  CREATE TABLE snapshots (
    id INTEGER PRIMARY KEY,
    document INTEGER NOT NULL,
    position INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    log_bytes INTEGER NOT NULL,
    parts INTEGER NOT NULL,
    complete INTEGER NOT NULL,
    checksum INTEGER NOT NULL
  );
  CREATE INDEX snapshots_by_document ON snapshots (document, complete, position);

  CREATE TABLE snapshot_parts (
    snapshot INTEGER NOT NULL,
    part INTEGER NOT NULL,
    key TEXT,
    data BLOB NOT NULL,
    checksum INTEGER NOT NULL,
    PRIMARY KEY (snapshot, part)
  ) WITHOUT ROWID;
  `,
  `
  -- The chat archive. data: the whole message as JSON; the columns before it are a copy, to search and sort by. With
  -- encryption only data holds the text. "row" is written out so that VACUUM keeps it: the index below refers to it.
  CREATE TABLE messages (
    row INTEGER PRIMARY KEY,
    room TEXT NOT NULL,
    seq INTEGER NOT NULL,
    id TEXT NOT NULL,
    author TEXT NOT NULL,
    at INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    edited_at INTEGER,
    deleted_at INTEGER,
    text TEXT,
    key TEXT,
    data BLOB NOT NULL,
    checksum INTEGER NOT NULL,
    UNIQUE (room, seq),
    UNIQUE (room, id)
  );

  -- Its content is the table's, so that it can be verified and built anew from there. Lengths are for ranking only.
  CREATE VIRTUAL TABLE messages_text USING fts5 (
    text, content = 'messages', content_rowid = 'row', tokenize = 'unicode61 remove_diacritics 2', columnsize = 0
  );
  CREATE TRIGGER messages_inserted AFTER INSERT ON messages BEGIN
    INSERT INTO messages_text (rowid, text) VALUES (new.row, new.text);
  END;
  CREATE TRIGGER messages_updated AFTER UPDATE OF text ON messages WHEN new.text IS NOT old.text BEGIN
    INSERT INTO messages_text (messages_text, rowid, text) VALUES ('delete', old.row, old.text);
    INSERT INTO messages_text (rowid, text) VALUES (new.row, new.text);
  END;
  CREATE TRIGGER messages_deleted AFTER DELETE ON messages BEGIN
    INSERT INTO messages_text (messages_text, rowid, text) VALUES ('delete', old.row, old.text);
  END;
  `,
  `
  -- Browsers that are told of messages in a room through their push service. id: the endpoint's hash; data: endpoint and
  -- keys as JSON. Without checksums: what can't be read ends, and its browser subscribes anew.
  CREATE TABLE push_subscriptions (
    id TEXT PRIMARY KEY,
    room TEXT NOT NULL,
    at INTEGER NOT NULL,
    key TEXT,
    data BLOB NOT NULL
  ) WITHOUT ROWID;
  CREATE INDEX push_subscriptions_by_room ON push_subscriptions (room, at);

  -- What is still to be pushed; message: its id in the subscription's room. An id is never used again, since whoever
  -- claimed it may settle it late.
  CREATE TABLE pushes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    subscription TEXT NOT NULL,
    message TEXT NOT NULL,
    at INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL
  );
  CREATE INDEX pushes_by_time ON pushes (due_at);
  CREATE INDEX pushes_by_subscription ON pushes (subscription);
  `,
  `
  -- What happened, in the order of commits. data: whom it concerns and the rest, as JSON. A number is never used again,
  -- since readers remember how far they are.
  CREATE TABLE events (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    at INTEGER NOT NULL,
    document TEXT NOT NULL,
    key TEXT,
    data BLOB NOT NULL,
    checksum INTEGER NOT NULL
  );
  CREATE INDEX events_by_kind ON events (kind, number);

  -- Who works through the events, how far that is, and which process does it now.
  CREATE TABLE event_consumers (
    name TEXT PRIMARY KEY,
    last INTEGER NOT NULL,
    owner TEXT NOT NULL,
    until INTEGER NOT NULL
  ) WITHOUT ROWID;
  `,
  `
  -- Set together, for a deleted document. erasure: 0 for one that can be restored, 1 while its rows are being erased, 2
  -- once nothing but this row is left.
  ALTER TABLE documents ADD COLUMN deleted_at INTEGER;
  ALTER TABLE documents ADD COLUMN deleted_by TEXT;
  ALTER TABLE documents ADD COLUMN erasure INTEGER;
  CREATE INDEX documents_deleted ON documents (name) WHERE deleted_at IS NOT NULL;
  CREATE INDEX documents_to_erase ON documents (deleted_at) WHERE erasure < 2;
  `,
  `
  -- Named positions. data: the name.
  CREATE TABLE versions (
    document INTEGER NOT NULL,
    id TEXT NOT NULL,
    position INTEGER NOT NULL,
    author TEXT NOT NULL,
    at INTEGER NOT NULL,
    key TEXT,
    data BLOB NOT NULL,
    checksum INTEGER NOT NULL,
    PRIMARY KEY (document, id)
  ) WITHOUT ROWID;

  -- Up to where users have seen documents.
  CREATE TABLE seen (
    document INTEGER NOT NULL,
    user TEXT NOT NULL,
    position INTEGER NOT NULL,
    at INTEGER NOT NULL,
    checksum INTEGER NOT NULL,
    PRIMARY KEY (document, user)
  ) WITHOUT ROWID;
  `,
  `
  -- Set together, where rows are forgotten: up to which position, and when the last of them was taken.
  ALTER TABLE documents ADD COLUMN forgotten INTEGER;
  ALTER TABLE documents ADD COLUMN forgotten_at INTEGER;
  `,
  `
  -- What documents say, made of the log up to a position, to search in. free_at: before that nobody makes it anew, ms.
  -- Without checksums: it can be made again. A table of its own for what changes without the text.
  CREATE TABLE text_states (
    document INTEGER PRIMARY KEY,
    position INTEGER NOT NULL,
    free_at INTEGER NOT NULL
  );
  CREATE TABLE texts (
    document INTEGER PRIMARY KEY,
    text TEXT NOT NULL
  );
  CREATE VIRTUAL TABLE texts_words USING fts5 (
    text, content = 'texts', content_rowid = 'document', tokenize = 'unicode61 remove_diacritics 2'
  );
  CREATE TRIGGER texts_inserted AFTER INSERT ON texts BEGIN
    INSERT INTO texts_words (rowid, text) VALUES (new.document, new.text);
  END;
  CREATE TRIGGER texts_updated AFTER UPDATE OF text ON texts WHEN new.text IS NOT old.text BEGIN
    INSERT INTO texts_words (texts_words, rowid, text) VALUES ('delete', old.document, old.text);
    INSERT INTO texts_words (rowid, text) VALUES (new.document, new.text);
  END;
  CREATE TRIGGER texts_deleted AFTER DELETE ON texts BEGIN
    INSERT INTO texts_words (texts_words, rowid, text) VALUES ('delete', old.document, old.text);
  END;
  `,
  `
  -- Rows of updates that stood side by side, compressed together in place of them: those from first to last.
  -- at: when the first of them was taken.
  CREATE TABLE packs (
    document INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    at INTEGER NOT NULL,
    key TEXT,
    data BLOB NOT NULL,
    checksum INTEGER NOT NULL,
    PRIMARY KEY (document, last)
  ) WITHOUT ROWID;
  `,
  `
  -- The position that a document's content begins with since it was reset: rows before it are history alone.
  ALTER TABLE documents ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0;
  `,
  `
  -- What admins did. outcome: null until it is done.
  CREATE TABLE admin_actions (
    number INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    admin TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    document TEXT NOT NULL,
    detail TEXT NOT NULL,
    outcome TEXT,
    checksum INTEGER NOT NULL
  );

  -- Whom admins keep from what. document: '' for all; until: null for no end; version: in the order of changes.
  CREATE TABLE restrictions (
    version INTEGER NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    document TEXT NOT NULL,
    at INTEGER NOT NULL,
    until INTEGER,
    admin TEXT NOT NULL,
    checksum INTEGER NOT NULL,
    PRIMARY KEY (kind, subject, document)
  ) WITHOUT ROWID;
  `,
  `
  -- Documents with updates behind the position "since" that no event told of; at: when the first of them was taken.
  CREATE TABLE untold (
    document INTEGER PRIMARY KEY,
    since INTEGER NOT NULL,
    at INTEGER NOT NULL
  );
  `,
  `
  -- Where products are told of events. data: the rest, as JSON.
  CREATE TABLE webhooks (
    id TEXT PRIMARY KEY,
    at INTEGER NOT NULL,
    after INTEGER NOT NULL,
    key TEXT,
    data BLOB NOT NULL
  ) WITHOUT ROWID;

  -- Events that webhooks were not told of yet. state: 0 waiting, 1 dead, 2 tried again. due_at: NULL for a dead one, and for
  -- one that waits for an earlier one of its document.
  CREATE TABLE deliveries (
    webhook TEXT NOT NULL,
    event INTEGER NOT NULL,
    document TEXT NOT NULL,
    state INTEGER NOT NULL,
    at INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    due_at INTEGER,
    problem TEXT NOT NULL,
    PRIMARY KEY (webhook, event)
  ) WITHOUT ROWID;
  CREATE INDEX deliveries_by_time ON deliveries (webhook, due_at) WHERE due_at IS NOT NULL;
  CREATE INDEX deliveries_by_document ON deliveries (webhook, document, event) WHERE state = 0;
  `,
  `
  -- The erasing of people. data: what the server keeps of one, as JSON.
  CREATE TABLE erasures (
    id TEXT PRIMARY KEY,
    at INTEGER NOT NULL,
    is_done INTEGER NOT NULL,
    data TEXT NOT NULL
  ) WITHOUT ROWID;
  `,
  `
  -- How many deliveries wait, and since when: all but the dead.
  CREATE INDEX deliveries_by_age ON deliveries (at, state) WHERE state <> 1;
  `,
  `
  -- vector: the state vector, if nothing in the snapshot waits for updates that have not come.
  ALTER TABLE snapshots ADD COLUMN vector BLOB;
  `,
  `
  -- New messages enter the index together, at the end of their transaction.
  DROP TRIGGER messages_inserted;
  `,
] as const

export const SCHEMA_VERSION = MIGRATIONS.length

/**
 * Brings the schema up to this version, in one transaction, also when several processes start at once.
 * @throws {StorageError} `storage/version`, or `storage/corrupt` for another program's database
 */
export function migrate(db: Database): void {
  if (versionOf(db) === SCHEMA_VERSION) return
  db.transaction(() => {
    const from = versionOf(db) // again: another process may have been first
    for (const step of MIGRATIONS.slice(from)) db.exec(step)
    db.pragma(`application_id = ${APPLICATION_ID}`)
    db.pragma(`user_version = ${SCHEMA_VERSION}`)
  }).immediate()
}

/** How many steps this database has had; 0 for a new one. @throws {StorageError} as migrate() */
export function versionOf(db: Database): number {
  // At one moment: another process may be making the tables.
  const { applicationId, version, tables } = db.transaction(() => ({
    applicationId: db.pragma('application_id', { simple: true }),
    version: Number(db.pragma('user_version', { simple: true })),
    tables: Number(db.prepare('SELECT count(*) FROM sqlite_schema').pluck().get()),
  }))()
  if (applicationId !== APPLICATION_ID && (tables > 0 || version > 0)) {
    throw new StorageError('storage/corrupt', `${db.name} is an SQLite database, but not one of Coweave`)
  }
  if (version > SCHEMA_VERSION) {
    throw new StorageError(
      'storage/version',
      `${db.name} was written by a newer Coweave (schema ${version}, this one knows ${SCHEMA_VERSION}); update Coweave`,
    )
  }
  return version
}

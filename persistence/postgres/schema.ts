import { randomUUID } from 'node:crypto'
import type { KeyRing } from '../encryption.ts'
import { verifyKeys } from '../key-check.ts'
import { StorageError } from '../storage-error.ts'
import { type Session, toBytes, toText } from './session.ts'

/**
 * One step a version, in order. Never change a released step: add one.
 *
 * Everything stands in a schema of its own, so that the database may be shared. Rows carry a CRC-32 over all that
 * identifies them and their bytes as stored. `key` is the id of the key that `data` is encrypted with, null when it is
 * plain. What people or programs chose (authors, ids of messages) is UTF-8 in bytea.
 */
export const MIGRATIONS = [
  `
  CREATE TABLE coweave.meta (key text PRIMARY KEY, value bytea NOT NULL);

  -- position, bytes, clients: the last row's position, the plain bytes of all rows, and the number of rows in clients.
  -- Half of each page is left free, so that the update with every batch stays on its page and touches no index.
  CREATE TABLE coweave.documents (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text COLLATE "C" NOT NULL UNIQUE,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    position bigint NOT NULL,
    bytes bigint NOT NULL,
    clients bigint NOT NULL,
    checksum integer NOT NULL
  ) WITH (fillfactor = 50);

  CREATE TABLE coweave.updates (
    document bigint NOT NULL,
    position bigint NOT NULL,
    at bigint NOT NULL,
    author bytea NOT NULL,
    key text,
    data bytea NOT NULL,
    checksum integer NOT NULL,
    PRIMARY KEY (document, position)
  );

  CREATE TABLE coweave.clients (
    document bigint NOT NULL,
    client bigint NOT NULL,
    owner bytea NOT NULL,
    position bigint NOT NULL,
    checksum integer NOT NULL,
    PRIMARY KEY (document, client)
  );

  -- log_bytes: documents.bytes at its position.
  CREATE TABLE coweave.snapshots (
    id bigint PRIMARY KEY,
    document bigint NOT NULL,
    position bigint NOT NULL,
    bytes bigint NOT NULL,
    log_bytes bigint NOT NULL,
    parts bigint NOT NULL,
    checksum integer NOT NULL
  );
  CREATE INDEX snapshots_by_document ON coweave.snapshots (document, position);

  CREATE TABLE coweave.snapshot_parts (
    snapshot bigint NOT NULL,
    part bigint NOT NULL,
    key text,
    data bytea NOT NULL,
    checksum integer NOT NULL,
    PRIMARY KEY (snapshot, part)
  );

  -- The chat archive. data: the whole message as JSON; words: those of its text, null when it is encrypted.
  -- An id may be longer than an index takes.
  CREATE TABLE coweave.messages (
    entry bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    room text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    id bytea NOT NULL,
    key text,
    data bytea NOT NULL,
    checksum integer NOT NULL,
    words tsvector,
    UNIQUE (room, seq)
  );
  CREATE UNIQUE INDEX messages_by_id ON coweave.messages (room, sha256(id));
  CREATE INDEX messages_words ON coweave.messages USING gin (words);
  `,
  `
  -- Browsers that are told of messages in a room through their push service. id: the endpoint's hash; data: endpoint and
  -- keys as JSON. Without checksums: what can't be read ends, and its browser subscribes anew.
  CREATE TABLE coweave.push_subscriptions (
    id text COLLATE "C" PRIMARY KEY,
    room text COLLATE "C" NOT NULL,
    at bigint NOT NULL,
    key text,
    data bytea NOT NULL
  );
  CREATE INDEX push_subscriptions_by_room ON coweave.push_subscriptions (room, at);

  -- What is still to be pushed; message: its id in the subscription's room.
  CREATE TABLE coweave.pushes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subscription text COLLATE "C" NOT NULL,
    message bytea NOT NULL,
    at bigint NOT NULL,
    due_at bigint NOT NULL,
    attempts bigint NOT NULL
  );
  CREATE INDEX pushes_by_time ON coweave.pushes (due_at);
  CREATE INDEX pushes_by_subscription ON coweave.pushes (subscription);
  `,
  `
  -- What happened, in the order of commits. data: whom it concerns and the rest, as JSON.
  CREATE TABLE coweave.events (
    number bigint PRIMARY KEY,
    id text COLLATE "C" NOT NULL UNIQUE,
    kind text COLLATE "C" NOT NULL,
    at bigint NOT NULL,
    document text COLLATE "C" NOT NULL,
    key text,
    data bytea NOT NULL,
    checksum integer NOT NULL
  );
  CREATE INDEX events_by_kind ON coweave.events (kind, number);

  -- The last number that was given, one row: whoever takes numbers keeps it locked until they are committed, which a
  -- sequence does not, so that no event becomes visible behind one with a higher number.
  CREATE TABLE coweave.event_counter (last bigint NOT NULL) WITH (fillfactor = 50);
  INSERT INTO coweave.event_counter (last) VALUES (0);

  -- Who works through the events, how far that is, and which process does it now.
  CREATE TABLE coweave.event_consumers (
    name text COLLATE "C" PRIMARY KEY,
    last bigint NOT NULL,
    owner text NOT NULL,
    until bigint NOT NULL
  ) WITH (fillfactor = 50);
  `,
  `
  -- Set together, for a deleted document. erasure: 0 for one that can be restored, 1 while its rows are being erased, 2
  -- once nothing but this row is left.
  ALTER TABLE coweave.documents ADD COLUMN deleted_at bigint, ADD COLUMN deleted_by bytea, ADD COLUMN erasure integer;
  CREATE INDEX documents_deleted ON coweave.documents (name) WHERE deleted_at IS NOT NULL;
  CREATE INDEX documents_to_erase ON coweave.documents (deleted_at) WHERE erasure < 2;
  `,
  `
  -- Named positions. data: the name.
  CREATE TABLE coweave.versions (
    document bigint NOT NULL,
    id text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    author bytea NOT NULL,
    at bigint NOT NULL,
    key text,
    data bytea NOT NULL,
    checksum integer NOT NULL,
    PRIMARY KEY (document, id)
  );

  -- Up to where users have seen documents.
  CREATE TABLE coweave.seen (
    document bigint NOT NULL,
    owner bytea NOT NULL,
    position bigint NOT NULL,
    at bigint NOT NULL,
    checksum integer NOT NULL,
    PRIMARY KEY (document, owner)
  );
  `,
  `
  -- Set together, where rows are forgotten: up to which position, and when the last of them was taken.
  ALTER TABLE coweave.documents ADD COLUMN forgotten bigint, ADD COLUMN forgotten_at bigint;
  `,
  `
  -- What documents say, made of the log up to a position, to search in. free_at: before that nobody makes it anew, ms.
  -- Without checksums: it can be made again. A table of its own for what changes without the text.
  CREATE TABLE coweave.text_states (
    document bigint PRIMARY KEY,
    position bigint NOT NULL,
    free_at bigint NOT NULL
  ) WITH (fillfactor = 50);
  CREATE TABLE coweave.texts (
    document bigint PRIMARY KEY,
    text bytea NOT NULL,
    words tsvector NOT NULL
  );
  CREATE INDEX texts_words ON coweave.texts USING gin (words);
  `,
  `
  -- Rows of updates that stood side by side, compressed together in place of them: those from first to last.
  -- at: when the first of them was taken.
  CREATE TABLE coweave.packs (
    document bigint NOT NULL,
    first bigint NOT NULL,
    last bigint NOT NULL,
    at bigint NOT NULL,
    key text,
    data bytea NOT NULL,
    checksum integer NOT NULL,
    PRIMARY KEY (document, last)
  );
  ALTER TABLE coweave.packs ALTER COLUMN data SET STORAGE EXTERNAL; -- is compressed already
  `,
  `
  -- The position that a document's content begins with since it was reset: rows before it are history alone.
  ALTER TABLE coweave.documents ADD COLUMN epoch bigint NOT NULL DEFAULT 0;
  `,
  `
  -- What admins did. outcome: null until it is done.
  CREATE TABLE coweave.admin_actions (
    number bigint PRIMARY KEY,
    at bigint NOT NULL,
    admin bytea NOT NULL,
    action text NOT NULL,
    subject bytea NOT NULL,
    document text NOT NULL,
    detail bytea NOT NULL,
    outcome bytea,
    checksum integer NOT NULL
  );

  -- Whom admins keep from what. document: '' for all; until: null for no end; version: in the order of changes.
  CREATE TABLE coweave.restrictions (
    version bigint NOT NULL UNIQUE,
    kind text NOT NULL,
    subject bytea NOT NULL,
    document text COLLATE "C" NOT NULL,
    at bigint NOT NULL,
    until bigint,
    admin bytea NOT NULL,
    checksum integer NOT NULL,
    PRIMARY KEY (kind, subject, document)
  );
  `,
  `
  -- Documents with updates behind the position "since" that no event told of; at: when the first of them was taken.
  CREATE TABLE coweave.untold (
    document bigint PRIMARY KEY,
    since bigint NOT NULL,
    at bigint NOT NULL
  );
  `,
  `
  -- Where products are told of events. data: the rest, as JSON.
  CREATE TABLE coweave.webhooks (
    id text COLLATE "C" PRIMARY KEY,
    at bigint NOT NULL,
    after bigint NOT NULL,
    key text,
    data bytea NOT NULL
  );

  -- Events that webhooks were not told of yet. state: 0 waiting, 1 dead, 2 tried again. due_at: NULL for a dead one, and for
  -- one that waits for an earlier one of its document.
  CREATE TABLE coweave.deliveries (
    webhook text COLLATE "C" NOT NULL,
    event bigint NOT NULL,
    document text COLLATE "C" NOT NULL,
    state integer NOT NULL,
    at bigint NOT NULL,
    attempts integer NOT NULL,
    due_at bigint,
    problem text NOT NULL,
    PRIMARY KEY (webhook, event)
  );
  CREATE INDEX deliveries_by_time ON coweave.deliveries (webhook, due_at) WHERE due_at IS NOT NULL;
  CREATE INDEX deliveries_by_document ON coweave.deliveries (webhook, document, event) WHERE state = 0;
  `,
  `
  -- The erasing of people. data: what the server keeps of one, as JSON.
  CREATE TABLE coweave.erasures (
    id text COLLATE "C" PRIMARY KEY,
    at bigint NOT NULL,
    is_done bigint NOT NULL,
    data bytea NOT NULL
  );
  `,
  `
  -- How many deliveries wait, and since when: all but the dead.
  CREATE INDEX deliveries_by_age ON coweave.deliveries (at, state) WHERE state <> 1;
  `,
  `
  -- vector: the state vector, if nothing in the snapshot waits for updates that have not come.
  ALTER TABLE coweave.snapshots ADD COLUMN vector bytea;
  `,
] as const

export const SCHEMA_VERSION = MIGRATIONS.length

/** One server process at a time brings the schema up to date; others wait for this lock. */
export const MIGRATION_LOCK = `pg_advisory_xact_lock(hashtextextended('coweave.migrate', 0))`

/** How many steps this database has had; 0 for a new one. @throws {StorageError} `storage/version`, `storage/corrupt` */
export async function versionOf(session: Session, place: string): Promise<number> {
  // From the catalogs themselves: names are looked up in a cache, which an advisory lock does not bring up to date.
  const [[schema, meta] = []] = await session.rows(
    `SELECT n.oid, c.oid FROM (SELECT 1) AS one LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = 'coweave'
     LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = 'meta'`,
  )
  if (schema === null) return 0
  const [[value] = []] = meta === null ? [] : await session.rows(`SELECT value FROM coweave.meta WHERE key = 'version'`)
  const version = Number(toText(value))
  if (!Number.isSafeInteger(version)) {
    throw new StorageError('storage/corrupt', `${place} has a schema "coweave", but not one of Coweave`)
  }
  if (version <= SCHEMA_VERSION) return version
  const message = `${place} was written by a newer Coweave (schema ${version}, this one knows ${SCHEMA_VERSION}); update Coweave`
  throw new StorageError('storage/version', message)
}

/** Brings the schema up to this version; call it first in a transaction. @throws {StorageError} as versionOf() */
export async function migrate(session: Session, place: string): Promise<void> {
  await session.rows(`SELECT ${MIGRATION_LOCK}`)
  const from = await versionOf(session, place) // with the lock: another process may have been first
  if (from === 0) await session.run('CREATE SCHEMA coweave')
  for (const step of MIGRATIONS.slice(from)) await session.run(step)
  await writeMeta(session, 'version', toBytes(String(SCHEMA_VERSION)))
}

/** The id that the database was given when it was made, given now if it is new. */
export async function identify(session: Session): Promise<string> {
  await session.rows(`INSERT INTO coweave.meta (key, value) VALUES ('database', $1) ON CONFLICT (key) DO NOTHING`, [
    toBytes(randomUUID()),
  ])
  return (await databaseIdOf(session)) ?? ''
}

export async function databaseIdOf(session: Session): Promise<string | undefined> {
  const [[value] = []] = await session.rows(`SELECT value FROM coweave.meta WHERE key = 'database'`)
  const text = toText(value)
  return typeof text === 'string' ? text : undefined
}

/** As verifyKeys() says. @throws {StorageError} `storage/key` */
export async function checkKeys(
  session: Session,
  keys: KeyRing | undefined,
  names: { readonly databaseId: string; readonly place: string },
): Promise<void> {
  const rows = await session.rows(`SELECT substr(key, 5), value FROM coweave.meta WHERE key LIKE 'key:%'`)
  const checks = rows.map(([id, value]) => ({ id: String(id), value }))
  const added = verifyKeys(keys, checks, names)
  if (added !== undefined) await writeMeta(session, `key:${added.id}`, added.value)
}

/** A write that changes nothing but a mark of its own. */
export async function beat(session: Session): Promise<void> {
  await writeMeta(session, 'heartbeat', toBytes(randomUUID()))
}

async function writeMeta(session: Session, key: string, value: Uint8Array): Promise<void> {
  await session.rows(
    'INSERT INTO coweave.meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
    [key, value],
  )
}

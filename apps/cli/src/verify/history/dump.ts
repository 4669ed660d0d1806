/**
 * The content of a server: every relation of every database, byte for byte.
 *
 *   D1  Tables, TOAST tables, materialized views, sequences and catalogs, unlogged ones too; shared ones once. Each row is
 *       read in physical order, with its place (ctid), the transactions in its header and the time the first of them committed.
 *   D2  Left out is what a start ends: temporary relations of other sessions. A materialized view without content cannot be read.
 *       Unlogged sequences are left out too: recovery up to Postgres 17.10 loses their only row (seq_redo leaves the init fork
 *       in a buffer, and it is copied from the disk).
 *   D3  What no relation holds: the cluster's counters as its next checkpoint logs them, and prepared transactions. The next
 *       transaction id is compared in the steps of 1024 that the pageserver keeps it in. Databases named beside the oldest
 *       ids are left out: they serve messages, and recovery does not follow them as a clean shutdown does.
 *   D4  A relation that cannot be read, because a prepared transaction locks it, is dumped as the message that says so.
 */
import { type Client, DatabaseError } from 'pg';
import { type Copy, databasesOf, openTemplate, withSession } from './copy';
import { type CopyDigest, digestOf } from './copy-digest';

export interface DumpedRelation {
  readonly database: string;
  readonly query: string;
  readonly digest: CopyDigest | { readonly unreadable: string };
}

/** By database and name. */
export type Dump = ReadonlyMap<string, DumpedRelation>;

export interface DumpOptions {
  /** What is as the WAL left it: transactions in rows' headers, their commit times, counters. Not so once the copy was written to. */
  readonly transactions: boolean;
}

const SHARED_DATABASE = 'postgres';

const COUNTERS = `
  SELECT (split_part(next_xid, ':', 1)::bigint << 32) + (split_part(next_xid, ':', 2)::bigint + 1023) / 1024 * 1024 AS next_xid,
    next_oid, next_multixact_id, next_multi_offset, oldest_xid, oldest_multi_xid, oldest_commit_ts_xid, newest_commit_ts_xid
  FROM pg_control_checkpoint()`;
const PREPARED = 'SELECT transaction, gid, prepared, owner, database FROM pg_prepared_xacts ORDER BY gid';

const RELATIONS = `
  SELECT format('%I.%I', nspname, relname) AS name, relkind = 'S' AS "isSequence"
  FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
  WHERE relkind IN ('r', 'm', 't', 'S') AND relpersistence <> 't' AND relispopulated
    AND NOT (relkind = 'S' AND relpersistence = 'u') AND relisshared = $1
  ORDER BY c.oid`;

interface NamedRelation {
  readonly name: string;
  readonly isSequence: boolean;
}

/** Opens template0 on the way. */
export async function dumpOf(copy: Copy, options: DumpOptions): Promise<Dump> {
  const dump = new Map<string, DumpedRelation>();
  await withSession(copy, SHARED_DATABASE, async (client) => {
    if (options.transactions) {
      await client.query('CHECKPOINT');
      await add(dump, client, { database: SHARED_DATABASE, name: '(counters)', query: COUNTERS });
    }
    await add(dump, client, { database: SHARED_DATABASE, name: '(prepared transactions)', query: PREPARED });
    await addRelations(dump, client, { database: SHARED_DATABASE, isShared: true, ...options });
  });
  await openTemplate(copy);
  for (const database of await databasesOf(copy))
    await withSession(copy, database, (client) =>
      addRelations(dump, client, { database, isShared: false, ...options }),
    );
  return dump;
}

async function addRelations(
  dump: Map<string, DumpedRelation>,
  client: Client,
  { database, isShared, transactions }: DumpOptions & { readonly database: string; readonly isShared: boolean },
): Promise<void> {
  const { rows } = await client.query<NamedRelation>(RELATIONS, [isShared]);
  // Only a scan of the heap yields rows in their physical order.
  for (const scan of ['indexscan', 'indexonlyscan', 'bitmapscan']) await client.query(`SET enable_${scan} = off`);
  for (const { name, isSequence } of rows) {
    const header = !transactions ? '' : isSequence ? ', xmin, xmax' : ', xmin, xmax, pg_xact_commit_timestamp(xmin)';
    await add(dump, client, { database, name, query: `SELECT ctid${header}, * FROM ONLY ${name}` });
  }
}

async function add(
  dump: Map<string, DumpedRelation>,
  client: Client,
  { database, name, query }: { readonly database: string; readonly name: string; readonly query: string },
): Promise<void> {
  const digest = await digestOf(client, query).catch((error: unknown) => {
    if (!(error instanceof DatabaseError)) throw error;
    return { unreadable: error.message };
  });
  dump.set(`${database} ${name}`, { database, query, digest });
}

export interface DumpTotals {
  readonly relations: number;
  readonly rows: number;
  readonly bytes: number;
  readonly unreadable: readonly string[];
}

export function totalsOf(dump: Dump): DumpTotals {
  const digests = [...dump.values()].flatMap(({ digest }) => ('sha256' in digest ? [digest] : []));
  return {
    relations: dump.size,
    rows: digests.reduce((sum, { rowCount }) => sum + rowCount, 0),
    bytes: digests.reduce((sum, { byteCount }) => sum + byteCount, 0),
    unreadable: [...dump].flatMap(([name, { digest }]) => ('sha256' in digest ? [] : [name])),
  };
}

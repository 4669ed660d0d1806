/**
 * amcheck on everything it knows: heaps by `verify_heapam`, btrees by `bt_index_parent_check`, each with all it can check.
 *
 *   S1  Heaps are tables, catalogs, TOAST tables, materialized views and, from 15 on, sequences; TOAST pointers followed, no page skipped.
 *   S2  A btree is checked against its heap (every visible row has its entry) and each entry is found again from the root.
 *   S3  Left out: temporary relations of other sessions, and indexes that Postgres says are not valid.
 */
import type { Client } from 'pg';

export interface StructureReport {
  heaps: number;
  btrees: number;
  /** What amcheck said, with the relation it said it of. */
  readonly complaints: string[];
}

interface CheckedRelation {
  readonly oid: number;
  readonly name: string;
}

const HEAPS = `
  SELECT c.oid, c.oid::regclass::text AS name FROM pg_class c LEFT JOIN pg_am a ON a.oid = relam
  WHERE relpersistence <> 't' AND (relkind = 'S' AND $1 OR relkind IN ('r', 'm', 't') AND amname = 'heap') ORDER BY c.oid`;
const BTREES = `
  SELECT c.oid, c.oid::regclass::text AS name
  FROM pg_class c JOIN pg_am a ON a.oid = relam JOIN pg_index i ON i.indexrelid = c.oid
  WHERE amname = 'btree' AND relkind = 'i' AND relpersistence <> 't' AND indisvalid ORDER BY c.oid`;

const FIRST_TO_CHECK_SEQUENCES = 15;

/** Leaves amcheck installed. */
export async function checkStructure(client: Client, major: number, report: StructureReport): Promise<void> {
  await client.query('CREATE EXTENSION IF NOT EXISTS amcheck SCHEMA pg_catalog');
  for (const { oid, name } of (await client.query<CheckedRelation>(HEAPS, [major >= FIRST_TO_CHECK_SEQUENCES])).rows) {
    report.heaps += 1;
    await complaintsOf(client, { oid, name }, report);
  }
  for (const { oid, name } of (await client.query<CheckedRelation>(BTREES)).rows) {
    report.btrees += 1;
    await client
      .query('SELECT bt_index_parent_check($1::oid::regclass, heapallindexed => true, rootdescend => true)', [oid])
      .catch((error: unknown) => report.complaints.push(`${name}: ${String(error)}`));
  }
}

async function complaintsOf(client: Client, { oid, name }: CheckedRelation, report: StructureReport): Promise<void> {
  try {
    const { rows } = await client.query<{ complaint: string }>(
      `SELECT format('block %s, item %s, column %s: %s', blkno, offnum, attnum, msg) AS complaint
       FROM verify_heapam($1::oid::regclass, on_error_stop => false, check_toast => true, skip => 'none')`,
      [oid],
    );
    report.complaints.push(...rows.map(({ complaint }) => `${name}: ${complaint}`));
  } catch (error) {
    report.complaints.push(`${name}: ${String(error)}`);
  }
}

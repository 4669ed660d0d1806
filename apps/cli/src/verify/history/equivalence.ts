/**
 * Indexes that amcheck does not know (hash, GIN, GiST, SP-GiST, BRIN, bloom, and any that an extension or a test brings):
 * the same query finds the same rows with the index and without it.
 *
 *   E1  Each key column of each such index is asked by each search operator of its operator class for which a value can be
 *       made (`probes.ts`), with values sampled from the table itself, and for NULL where the access method finds those.
 *   E2  An answer counts as the index's only when the plan names the index: the other indexes of the table are hidden from
 *       the planner meanwhile, in a transaction that is rolled back.
 *   E3  Compared are the places (ctid) of the rows found, by each sampled value: their number and a sum of their hashes. A
 *       question that fails must fail alike with the index and without.
 */
import { type Client, DatabaseError } from 'pg';
import { probesFor } from './probes';

export interface EquivalenceReport {
  indexes: number;
  /** Queries that were answered by an index. */
  queries: number;
  rowsFound: number;
  /** Questions that the planner would not put to the index. */
  unused: number;
  /** Operators for whose right side no value can be made. */
  withoutProbe: number;
  /** Questions that failed alike with the index and without. */
  failed: number;
  readonly queriesByAccessMethod: Map<string, number>;
  readonly complaints: string[];
}

export const emptyEquivalenceReport = (): EquivalenceReport => ({
  indexes: 0,
  queries: 0,
  rowsFound: 0,
  unused: 0,
  withoutProbe: 0,
  failed: 0,
  queriesByAccessMethod: new Map(),
  complaints: [],
});

interface IndexColumn {
  readonly oid: number;
  readonly indexName: string;
  readonly name: string;
  readonly accessMethod: string;
  readonly table: string;
  readonly tableOid: number;
  readonly predicate: string | null;
  readonly expression: string;
  readonly findsNulls: boolean;
  readonly operators: readonly { readonly name: string; readonly left: string; readonly right: string }[];
}

const SAMPLES = 3;

const COLUMNS = `
  SELECT c.oid, c.relname AS "indexName", c.oid::regclass::text AS name, amname AS "accessMethod",
    format('%I.%I', n.nspname, t.relname) AS table, t.oid AS "tableOid", pg_get_expr(indpred, indrelid) AS predicate,
    pg_get_indexdef(c.oid, position, false) AS expression,
    coalesce(pg_index_column_has_property(c.oid, position, 'search_nulls'), false) AS "findsNulls",
    (SELECT coalesce(json_agg(json_build_object(
        'name', format('OPERATOR(%I.%s)', o.nspname, oprname),
        'left', format_type(amoplefttype, NULL), 'right', format_type(amoprighttype, NULL)) ORDER BY amopopr), '[]')
      FROM pg_amop JOIN pg_operator ON pg_operator.oid = amopopr JOIN pg_namespace o ON o.oid = oprnamespace
      WHERE amopfamily = opcfamily AND amoppurpose = 's' AND amoplefttype = opcintype) AS operators
  FROM pg_index i JOIN pg_class c ON c.oid = indexrelid JOIN pg_am a ON a.oid = c.relam
    JOIN pg_class t ON t.oid = indrelid JOIN pg_namespace n ON n.oid = t.relnamespace,
    generate_series(1, indnkeyatts) position JOIN pg_opclass p ON true
  WHERE p.oid = indclass[position - 1] AND amname <> 'btree' AND c.relkind = 'i' AND c.relpersistence <> 't' AND indisvalid
  ORDER BY c.oid, position`;

const WITH_INDEX = { seqscan: 'off', indexscan: 'on', indexonlyscan: 'on', bitmapscan: 'on' };
const WITHOUT_INDEX = { seqscan: 'on', indexscan: 'off', indexonlyscan: 'off', bitmapscan: 'off' };

export async function checkEquivalence(client: Client, report: EquivalenceReport): Promise<void> {
  // One loop over the samples, one scan of the table for each.
  for (const node of ['hashjoin', 'mergejoin', 'material', 'memoize']) await client.query(`SET enable_${node} = off`);
  const { rows: columns } = await client.query<IndexColumn>(COLUMNS);
  report.indexes += new Set(columns.map(({ oid }) => oid)).size;
  for (const column of columns) {
    await client.query('BEGIN');
    await client.query('UPDATE pg_index SET indisvalid = false WHERE indrelid = $1 AND indexrelid <> $2', [
      column.tableOid,
      column.oid,
    ]);
    for (const question of questionsOf(column, report)) await ask(client, column, question, report);
    await client.query('ROLLBACK');
  }
}

interface Question {
  readonly what: string;
  readonly query: string;
}

function questionsOf(column: IndexColumn, report: EquivalenceReport): Question[] {
  const questions = column.operators.flatMap(({ name, left, right }) => {
    const probes = probesFor(left, right);
    if (probes.length === 0) report.withoutProbe += 1;
    return probes.map((probe) => ({
      what: `${column.expression} ${name} ${probe('…')}`,
      query: sampledQuery(column, `${name} (${probe('neon_sample.neon_value')})`),
    }));
  });
  return column.findsNulls ? [...questions, { what: 'IS NULL', query: nullQuery(column) }] : questions;
}

const conditions = (...all: (string | null)[]): string =>
  all.flatMap((each) => (each === null ? [] : [`(${each})`])).join(' AND ');

/** The sample is ordered by a hash of places, so that it is the same everywhere and of everything. */
const sampledQuery = ({ table, predicate, expression }: IndexColumn, comparison: string): string => `
  WITH neon_sample AS MATERIALIZED (
    SELECT row_number() OVER () AS neon_number, neon_value FROM (
      SELECT ${expression} AS neon_value FROM ONLY ${table} WHERE ${conditions(`(${expression}) IS NOT NULL`, predicate)}
      ORDER BY md5(ctid::text) LIMIT ${SAMPLES}) AS neon_values)
  SELECT count(*)::int AS found, bit_xor(hashtidextended(neon_place, neon_number))::text AS places
  FROM neon_sample, LATERAL (
    SELECT ctid AS neon_place FROM ONLY ${table}
    WHERE ${conditions(`(${expression}) ${comparison}`, predicate)}) AS neon_found`;

const nullQuery = ({ table, predicate, expression }: IndexColumn): string => `
  SELECT count(*)::int AS found, bit_xor(hashtidextended(ctid, 0))::text AS places
  FROM ONLY ${table} WHERE ${conditions(`(${expression}) IS NULL`, predicate)}`;

interface Answer {
  readonly found: number;
  readonly text: string;
}

async function ask(
  client: Client,
  column: IndexColumn,
  { what, query }: Question,
  report: EquivalenceReport,
): Promise<void> {
  const planned = await attempt(client, WITH_INDEX, async () => {
    const { rows } = await client.query<{ 'QUERY PLAN': unknown }>(`EXPLAIN (FORMAT json) ${query}`);
    return { found: 0, text: JSON.stringify(rows[0]?.['QUERY PLAN']) };
  });
  const { indexName, name, table, accessMethod } = column;
  if (!isFailure(planned) && !planned.text.includes(`"Index Name":${JSON.stringify(indexName)}`)) {
    report.unused += 1;
    return;
  }
  const answer = async (): Promise<Answer> => {
    const { rows } = await client.query<{ found: number; places: string | null }>(query);
    return { found: rows[0]?.found ?? 0, text: `${rows[0]?.found} rows (${rows[0]?.places})` };
  };
  const byIndex = await attempt(client, WITH_INDEX, answer);
  const byScan = await attempt(client, WITHOUT_INDEX, answer);
  if (byIndex.text !== byScan.text)
    report.complaints.push(
      `${name} (${accessMethod}) of ${table}, ${what}: ${byIndex.text} by the index, ${byScan.text} without`,
    );
  else if (isFailure(byIndex)) report.failed += 1;
  else {
    report.queries += 1;
    report.rowsFound += byIndex.found;
    report.queriesByAccessMethod.set(accessMethod, (report.queriesByAccessMethod.get(accessMethod) ?? 0) + 1);
  }
}

const FAILED = -1;
const isFailure = ({ found }: Answer): boolean => found === FAILED;

/** What it answers, or how it fails, with such scans as `scans` allows. */
async function attempt(client: Client, scans: typeof WITH_INDEX, run: () => Promise<Answer>): Promise<Answer> {
  await client.query('SAVEPOINT attempt');
  try {
    for (const [scan, value] of Object.entries(scans)) await client.query(`SET LOCAL enable_${scan} = ${value}`);
    return await run();
  } catch (error) {
    if (!(error instanceof DatabaseError)) throw error;
    return { found: FAILED, text: error.message };
  } finally {
    await client.query('ROLLBACK TO attempt');
  }
}

/** Two dumps side by side: which relations differ, and in which rows. */
import { DatabaseError } from 'pg';
import { type Copy, withSession } from './copy';
import { digestOf } from './copy-digest';
import type { Dump, DumpedRelation } from './dump';

export interface Dumped {
  readonly copy: Copy;
  readonly dump: Dump;
}

/** Differing rows shown of one relation, and characters of each. */
const ROWS_SHOWN = 3;
const ROW_CHARACTERS = 300;
/** Relations whose rows are read again to be shown. */
const RELATIONS_SHOWN = 20;

/** @returns one text a relation that differs */
export async function compareDumps(compute: Dumped, reference: Dumped): Promise<string[]> {
  const names = new Set([...compute.dump.keys(), ...reference.dump.keys()]);
  const differences: string[] = [];
  for (const name of names) {
    const [ours, theirs] = [compute.dump.get(name), reference.dump.get(name)];
    if (ours === undefined || theirs === undefined)
      differences.push(`${name}: only on the ${ours === undefined ? reference.copy.name : compute.copy.name}`);
    else if (JSON.stringify(ours.digest) !== JSON.stringify(theirs.digest))
      differences.push(
        `${name}: ${summary(ours)} on the compute, ${summary(theirs)} on the reference${
          differences.length < RELATIONS_SHOWN ? await differingRows(compute.copy, reference.copy, ours) : ''
        }`,
      );
  }
  return differences;
}

const summary = ({ digest }: DumpedRelation): string =>
  'sha256' in digest
    ? `${digest.rowCount} rows of ${digest.byteCount} bytes (${digest.sha256.slice(0, 8)})`
    : `unreadable (${digest.unreadable})`;

async function differingRows(compute: Copy, reference: Copy, { database, query }: DumpedRelation): Promise<string> {
  const [ours, theirs] = await Promise.all([compute, reference].map((copy) => rowsOf(copy, database, query)));
  const only = (rows: ReadonlySet<string> = new Set(), others: ReadonlySet<string> = new Set()): string[] =>
    [...rows].filter((row) => !others.has(row)).slice(0, ROWS_SHOWN);
  return [
    ...only(ours, theirs).map((row) => `\n    compute    ${row}`),
    ...only(theirs, ours).map((row) => `\n    reference  ${row}`),
  ].join('');
}

async function rowsOf(copy: Copy, database: string, query: string): Promise<ReadonlySet<string>> {
  const rows = new Set<string>();
  await withSession(copy, database, async (client) => {
    for (const scan of ['indexscan', 'indexonlyscan', 'bitmapscan']) await client.query(`SET enable_${scan} = off`);
    await digestOf(client, query, (line) => void rows.add(line.toString('utf8').trimEnd().slice(0, ROW_CHARACTERS)));
  }).catch((error: unknown) => {
    if (!(error instanceof DatabaseError)) throw error;
  });
  return rows;
}

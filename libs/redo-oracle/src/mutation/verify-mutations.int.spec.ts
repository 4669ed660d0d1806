/**
 * A sample of the mutation check: one mutant of each function, against what one major writes.
 *
 * @long
 */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findDistributions, packagedPostgres } from '@neon/postgres-server';
import { countOf, formatMutationReport, isClean } from './mutation-report';
import { verifyMutations } from './verify-mutations';

const CHECKOUT = join(__dirname, '../../../..');
const MAJOR = 17;
const SEED = 1;

test('of each function of redo a mutant is caught', async () => {
  const workDir = mkdtempSync(join(tmpdir(), 'redo-mutations-'));
  // As root, Postgres runs as another user, who must get through.
  chmodSync(workDir, 0o711);
  try {
    const distributions = findDistributions(packagedPostgres(CHECKOUT)).filter(({ major }) => major === MAJOR);
    const report = await verifyMutations({
      checkout: CHECKOUT,
      distributions,
      quick: true,
      seed: SEED,
      report: () => undefined,
      workDir,
    });
    expect(isClean(report) ? '' : formatMutationReport(report)).toBe('');
    expect(countOf(report, 'caught')).toBeGreaterThan(300);
  } finally {
    rmSync(workDir, { recursive: true, force: true });
  }
}, 1_200_000);

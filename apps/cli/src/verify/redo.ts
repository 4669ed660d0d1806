/** `./neon verify redo`: every page image that stock Postgres logs for checking, compared with what our redo makes of the page. */
import { chownSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatReport, verifyRedo } from '@neon/redo-oracle';
import { packagedPostgres } from '@neon/postgres-server';
import { DEFAULT_MAJOR } from '../installation';
import { openHome } from '../home';
import { CommandFailure, say } from '../progress';

export async function verifyRedoCommand({ quick, seed }: { quick: boolean; seed: number }): Promise<void> {
  const { checkout, user } = openHome();
  const workDir = mkdtempSync(join(tmpdir(), 'neon-verify-redo-'));
  if (user !== null) chownSync(workDir, user.uid, user.gid);
  try {
    const [distributionDir] = packagedPostgres(checkout);
    if (distributionDir === undefined) throw new CommandFailure(`no Postgres ${DEFAULT_MAJOR} among the packages`);
    const report = await verifyRedo({ distributionDir, quick, seed, workDir, report: (line) => say(`  ${line}`) });
    say(formatReport(report));
    if (report.mismatchCount > 0) throw new CommandFailure(`${report.mismatchCount} pages differ (seed ${seed})`);
  } finally {
    rmSync(workDir, { recursive: true, force: true });
  }
}

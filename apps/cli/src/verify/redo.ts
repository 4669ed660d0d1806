/** `./neon verify redo`: every page image that stock Postgres logs for checking, compared with what our redo makes of the page. */
import { chownSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Distribution, findDistributions, packagedPostgres } from '@neon/postgres-server';
import {
  type RedoReport,
  type Scenario,
  findPostgresSources,
  formatMatrix,
  formatReport,
  gapsOf,
  nearestSource,
  testSuites,
  verifyRedo,
} from '@neon/redo-oracle';
import { openHome, reachable } from '../home';
import { CommandFailure, say } from '../progress';

export interface DistributionChoice {
  /** One major; all of them unless given. */
  readonly version?: number;
  /** A build of Postgres to use instead of the packaged ones. */
  readonly distribution?: string;
}

export interface VerifyRedoCommand extends DistributionChoice {
  readonly quick: boolean;
  readonly seed: number;
  /** A directory with source trees of Postgres, whose tests are run too. */
  readonly sources?: string;
}

export async function verifyRedoCommand(command: VerifyRedoCommand): Promise<void> {
  const { user } = openHome();
  const workDir = mkdtempSync(join(tmpdir(), 'neon-verify-redo-'));
  if (user !== null) chownSync(workDir, user.uid, user.gid);
  const reports: RedoReport[] = [];
  const interruption = new AbortController();
  const interrupt = (): void => interruption.abort(new CommandFailure('interrupted'));
  process.once('SIGINT', interrupt);
  try {
    for (const distribution of distributionsOf(command)) {
      const { quick, seed, sources } = command;
      const report = await verifyRedo({
        distribution,
        quick,
        seed,
        workDir,
        signal: interruption.signal,
        furtherScenarios: sources === undefined ? [] : suitesFor(sources, distribution.major),
        report: (line) => say(`  ${line}`),
      });
      say(formatReport(report));
      reports.push(report);
    }
  } catch (error) {
    interruption.signal.throwIfAborted();
    throw error;
  } finally {
    process.off('SIGINT', interrupt);
    rmSync(workDir, { recursive: true, force: true });
  }
  conclude(reports, command.seed);
}

/** @throws CommandFailure when there is no such Postgres */
export function distributionsOf({ version, distribution }: DistributionChoice): Distribution[] {
  const home = openHome();
  const found = findDistributions(distribution === undefined ? packagedPostgres(home.checkout) : [distribution]);
  const chosen = found.filter(({ major }) => version === undefined || major === version);
  if (chosen.length === 0) throw new CommandFailure(`no Postgres${version === undefined ? '' : ` ${version}`} found`);
  return chosen.map((each) => ({ ...each, directory: reachable(home, each.directory) }));
}

/** @throws CommandFailure when there is no source tree */
function suitesFor(directory: string, major: number): readonly Scenario[] {
  const source = nearestSource(findPostgresSources(directory), major);
  if (source !== undefined) return testSuites(source);
  throw new CommandFailure(`no Postgres source tree in ${directory}: tools/fetch-postgres-sources.sh gets some`);
}

function conclude(reports: readonly RedoReport[], seed: number): void {
  say();
  say(formatMatrix(reports));
  say();
  const gaps = reports.flatMap((report) => gapsOf(report).map((gap) => `Postgres ${report.postgresVersion}: ${gap}`));
  for (const gap of gaps) say(gap);
  const different = reports.reduce((sum, { mismatchCount }) => sum + mismatchCount, 0);
  if (different > 0) throw new CommandFailure(`${different} pages differ (seed ${seed})`);
  if (gaps.length > 0) throw new CommandFailure(`${gaps.length} types of records were not covered (seed ${seed})`);
}

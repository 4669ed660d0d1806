/** `./neon verify redo`: every page image that stock Postgres logs for checking, compared with what our redo makes of the page. */
import { chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Distribution, findDistributions, packagedPostgres } from '@neon/postgres-server';
import {
  type RedoReport,
  type Scenario,
  findPostgresSources,
  formatMatrix,
  formatMutationReport,
  formatReport,
  formatTable,
  gapsOf,
  isClean,
  nearestSource,
  testSuites,
  verifyMutations,
  verifyRedo,
} from '@neon/redo-oracle';
import { openHome, reachableDistribution } from '../home';
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
  /** Whether redo itself is broken, to see that the comparison notices. */
  readonly mutations: boolean;
  /** Where the table of all mutants goes. */
  readonly table?: string;
}

export async function verifyRedoCommand(command: VerifyRedoCommand): Promise<void> {
  const { user } = openHome();
  const workDir = mkdtempSync(join(tmpdir(), 'neon-verify-redo-'));
  if (user !== null) chownSync(workDir, user.uid, user.gid);
  const interruption = new AbortController();
  const { signal } = interruption;
  const interrupt = (): void => interruption.abort(new CommandFailure('interrupted'));
  process.once('SIGINT', interrupt);
  try {
    if (command.mutations) await checkMutations(command, { workDir, signal });
    else await checkRedo(command, { workDir, signal });
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    process.off('SIGINT', interrupt);
    rmSync(workDir, { recursive: true, force: true });
  }
}

interface Run {
  readonly workDir: string;
  readonly signal: AbortSignal;
}

async function checkMutations(command: VerifyRedoCommand, run: Run): Promise<void> {
  const { quick, seed, table } = command;
  const report = await verifyMutations({
    checkout: openHome().checkout,
    distributions: distributionsOf(command),
    quick,
    seed,
    ...run,
    report: (line) => say(`  ${line}`),
  });
  if (table !== undefined) writeFileSync(table, `${formatTable(report)}\n`);
  say(formatMutationReport(report));
  if (!isClean(report)) throw new CommandFailure(`redo may be broken without anything noticing (seed ${seed})`);
}

async function checkRedo(command: VerifyRedoCommand, run: Run): Promise<void> {
  const reports: RedoReport[] = [];
  for (const distribution of distributionsOf(command)) {
    const { quick, seed, sources } = command;
    const report = await verifyRedo({
      distribution,
      quick,
      seed,
      ...run,
      furtherScenarios: sources === undefined ? [] : suitesFor(sources, distribution.major),
      report: (line) => say(`  ${line}`),
    });
    say(formatReport(report));
    reports.push(report);
  }
  conclude(reports, command.seed);
}

/** @throws CommandFailure when there is no such Postgres */
export function distributionsOf({ version, distribution }: DistributionChoice): Distribution[] {
  const home = openHome();
  const found = findDistributions(distribution === undefined ? packagedPostgres(home.checkout) : [distribution]);
  const chosen = found.filter(({ major }) => version === undefined || major === version);
  if (chosen.length === 0) throw new CommandFailure(`no Postgres${version === undefined ? '' : ` ${version}`} found`);
  return chosen.map((each) => reachableDistribution(home, each));
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

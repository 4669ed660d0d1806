/**
 * `./neon verify history`: a workload on a compute without page images in WAL; then, at several LSNs of its history, a fresh
 * compute is compared with a stock server that replayed the same WAL to the same LSN.
 *
 *   H1  Each LSN is a commit boundary, and what the branch really starts at is what the reference stops at.
 *   H2  On both: the dump, before anything is changed; then amcheck; then the other indexes, with and without. Any difference of
 *       the dumps fails the run, and so does any complaint of a check, whoever it is of.
 *   H3  Prepared transactions that are pending are committed on both after the dump, and everything is dumped again.
 */
import { chmodSync, chownSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Lsn } from '@neon/kernel';
import type { PostgresMajor } from '@neon/postgres';
import { distributionOf } from '@neon/postgres-server';
import type { PgSettings } from '../../api';
import { type Installation, openRunningInstallation } from '../../installation';
import { CommandFailure, say, step } from '../../progress';
import { templatesDir } from '../../stack/services';
import { computeOf } from '../local-compute';
import { compareAt, type Findings } from './compare';
import { type Mark, chosen } from './marks';
import { type ReferenceOptions, withReference } from './reference';
import { findSuite, outputDirectory } from './regression';
import { Running, lastLsn } from './run';
import { archiveWal } from './wal-archive';

export interface HistoryOptions {
  readonly quick: boolean;
  readonly seed: number;
  /** The major of the project and of the reference. */
  readonly version: PostgresMajor;
  readonly sources?: string;
}

/** Everything that redo knows is written; autovacuum has its say while the run lasts. */
const SETTINGS: PgSettings = {
  wal_level: 'logical',
  track_commit_timestamp: 'on',
  max_prepared_transactions: '20',
  autovacuum_naptime: '5s',
};
const SIZES = {
  quick: { clients: 3, transactionsPerClient: 120 },
  full: { clients: 6, transactionsPerClient: 2_000 },
};
const LSNS = { quick: 5, full: 8 };
const DIFFERENCES_SHOWN = 40;
const REMOVE_ATTEMPTS = 50;
const REMOVE_PAUSE_MS = 200;

export async function verifyHistory({ quick, seed, version, sources }: HistoryOptions): Promise<void> {
  say(`Postgres ${version}, seed ${seed}`);
  const installation = await openRunningInstallation();
  const { home, distributions } = installation.stack;
  const distribution = distributionOf(distributions, version);
  const suite = sources === undefined || quick ? null : findSuite(sources, version);
  const workDir = mkdtempSync(join(tmpdir(), 'neon-verify-history-'));
  chmodSync(workDir, 0o711);
  if (home.user !== null) chownSync(workDir, home.user.uid, home.user.gid);
  const projectId = await step('creating a project', () =>
    installation.api.createProject('verify-history', { major: version, settings: SETTINGS }),
  );
  try {
    const run = await Running.all({
      installation,
      projectId,
      endpointId: await onlyEndpoint(installation, projectId),
      major: version,
      seed,
      size: quick ? SIZES.quick : SIZES.full,
      regression: suite === null ? null : { suite, outputDir: outputDirectory(workDir, home.user) },
    });
    const clusterDir = join(templatesDir(home), String(version));
    const archive = await archiveWal(installation, {
      timeline: run.compute,
      endLsn: lastLsn(run),
      clusterDir,
      directory: join(workDir, 'wal'),
    });
    say(`  ${mebibytes(archive.byteCount)} of WAL for the reference`);
    const reference: ReferenceOptions = {
      distribution,
      user: home.user,
      clusterDir,
      archiveDir: archive.directory,
      workDir,
      settings: SETTINGS,
    };
    const marks = chosen(run.named, run.samples, quick ? LSNS.quick : LSNS.full);
    const findings: Findings[] = [];
    for (const each of marks) findings.push(await atMark(installation, { projectId, reference, mark: each }));
    conclude(findings, seed);
  } finally {
    rmSync(workDir, { recursive: true, force: true });
    await removed(() => installation.api.deleteProject(projectId));
  }
}

/** Waits for operations that are still under way; what is left over otherwise is told, and hides no other failure. */
async function removed(remove: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await remove();
    } catch (error) {
      if (!(error instanceof CommandFailure)) throw error;
      if (attempt === REMOVE_ATTEMPTS) return say(`  ! ${error.message}`);
      await sleep(REMOVE_PAUSE_MS);
    }
  }
}

async function onlyEndpoint({ api }: Installation, projectId: string): Promise<string> {
  const [endpoint] = await api.endpoints(projectId);
  if (endpoint === undefined) throw new CommandFailure('the project has no endpoint');
  return endpoint.id;
}

/** H1. */
async function atMark(
  installation: Installation,
  { projectId, reference, mark }: { projectId: string; reference: ReferenceOptions; mark: Mark },
): Promise<Findings> {
  const { api } = installation;
  const name = Lsn.format(mark.lsn);
  say(`${name}: ${mark.what}, ${mark.openTransactions} transactions open`);
  const branch = await step('a fresh compute on a branch', () =>
    api.createBranch(projectId, { name, lsn: name, settings: { ...SETTINGS, autovacuum: 'off' } }),
  );
  try {
    const compute = await computeOf(installation, branch.endpointId);
    const startLsn = Lsn.parse(branch.startLsn);
    const findings = await compareAt(
      startLsn,
      { name: 'compute', major: reference.distribution.major, socket: compute.socket },
      (use) => withReference(reference, startLsn, use),
    );
    report(findings);
    return findings;
  } finally {
    await removed(() => api.deleteBranch(projectId, branch.branchId));
  }
}

function report({ lsn, totals, structure, equivalence, differences, seconds }: Findings): void {
  const methods = [...equivalence.queriesByAccessMethod].sort().map(([name, queries]) => `${name} ${queries}`);
  say(`  at ${Lsn.format(lsn)}, in ${seconds.toFixed(1)} s:`);
  say(
    `    ${totals.databases} databases, ${totals.relations} relations, ${totals.rows} rows, ${totals.bytes} bytes compared, ${totals.unreadable.length} unreadable`,
  );
  say(`    ${structure.heaps} heaps and ${structure.btrees} btrees checked`);
  say(
    `    ${equivalence.indexes} other indexes: ${equivalence.queries} queries (${methods.join(', ')}) found ${equivalence.rowsFound} rows with and without; ${equivalence.unused} not put to an index, ${equivalence.failed} failed with and without, ${equivalence.withoutProbe} operators without a value to ask for`,
  );
  say(`    ${differences.length} differences`);
  for (const difference of differences.slice(0, DIFFERENCES_SHOWN)) say(`    ! ${difference}`);
}

function conclude(findings: readonly Findings[], seed: number): void {
  const sum = (of: (each: Findings) => number): number => findings.reduce((total, each) => total + of(each), 0);
  const differences = sum((each) => each.differences.length);
  say(
    `${findings.length} LSNs, ${sum(({ totals }) => totals.relations)} relations, ${sum(({ totals }) => totals.rows)} rows, ${sum(({ structure, equivalence }) => structure.btrees + equivalence.indexes)} indexes compared, ${differences} differences`,
  );
  if (differences > 0) throw new CommandFailure(`the history is not what Postgres makes of it (seed ${seed})`);
}

const mebibytes = (bytes: number): string => `${Math.round(bytes / 1024 / 1024)} MiB`;

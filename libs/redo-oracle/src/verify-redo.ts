/**
 * The oracle: stock Postgres writes WAL in which every record carries the pages it must lead to; our redo replays all of it
 * from the cold copy of the data directory, and every image is compared, and at the end every page.
 *
 *   O1  A run fails on any page that differs after Postgres' own masking, any record that is not known, any error.
 *   O2  Bits of visibility maps, which Postgres' masking hides, are compared too; `tolerance` says what may differ.
 *   O3  A run that missed a type of record that its Postgres can write tells so (`coverage`).
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { Refusal } from '@neon/kernel';
import { type PostgresMajor, type WalRecord, isPostgresMajor } from '@neon/postgres';
import type { Distribution } from '@neon/postgres-server';
import { compareFinalState } from './final-state';
import { loadBase } from './load-base';
import { OracleCluster } from './oracle-cluster';
import type { PageStore } from './page-store';
import { recordingOf, type Recording } from './recording';
import { Replay } from './replay';
import { Findings, type RedoReport } from './report';
import { hintBits } from './scenario/hint-bits';
import { minimal } from './scenario/minimal';
import { recovery } from './scenario/recovery';
import type { Scenario } from './scenario/scenario';
import { scripts } from './scenario/scripts';
import { wraparound } from './scenario/wraparound';
import { readWal, type WalRange } from './wal-files';
import type { WorkloadSize } from './workload/run-workload';

export interface VerifyRedoOptions {
  readonly distribution: Distribution;
  /** Fewer random transactions: a run for every build. */
  readonly quick: boolean;
  readonly seed: number;
  /** Run after the ones that are always run. */
  readonly furtherScenarios?: readonly Scenario[];
  /** Shown everything that is replayed. */
  readonly observer?: ReplayObserver;
  /** Told what happens, line by line. */
  readonly report: (line: string) => void;
  /** A directory for clusters, each of which is removed before the next begins; the caller removes the rest. */
  readonly workDir: string;
  /** Ends the run: it throws, with its server stopped and its cluster removed. */
  readonly signal?: AbortSignal;
}

export interface ReplayObserver {
  /** A record, and the pages it is about to be applied to. */
  record(record: WalRecord, store: PageStore): void;
  /** A cluster, all of whose WAL was replayed. */
  cluster(dataDir: string, range: WalRange): void;
}

const QUICK: WorkloadSize = { clients: 3, transactionsPerClient: 120 };
const FULL: WorkloadSize = { clients: 6, transactionsPerClient: 4000 };

export const SCENARIOS: readonly Scenario[] = [recovery, minimal, wraparound, hintBits, scripts];

export async function verifyRedo(options: VerifyRedoOptions): Promise<RedoReport> {
  const { distribution, seed, report, furtherScenarios = [] } = options;
  const findings = new Findings();
  for (const scenario of [...SCENARIOS, ...furtherScenarios]) {
    findings.scenario = scenario.name;
    await withRecording(options, scenario, (recording) => {
      report('  replay');
      replayAll(recording, findings, options.observer);
    });
  }
  return { ...findings.summary(), major: majorOf(distribution), seed, postgresVersion: distribution.version };
}

/** Runs a scenario in a cluster of its own, which is gone afterwards. */
export async function withRecording<T>(
  { distribution, quick, seed, report, workDir, signal }: Omit<VerifyRedoOptions, 'furtherScenarios'>,
  scenario: Scenario,
  use: (recording: Recording) => T,
): Promise<T> {
  const major = majorOf(distribution);
  const scenarioDir = join(workDir, String(major));
  report(`Postgres ${distribution.version}: ${scenario.name}`);
  const cluster = await OracleCluster.create(distribution, scenarioDir);
  const interrupt = (): void => void cluster.stop('immediate');
  signal?.addEventListener('abort', interrupt, { once: true });
  try {
    const context = { major, seed, size: quick ? QUICK : FULL, report: (line: string) => report(`  ${line}`) };
    await scenario.run(cluster, context);
    signal?.throwIfAborted();
    return use(recordingOf(cluster));
  } finally {
    signal?.removeEventListener('abort', interrupt);
    await cluster.stop('immediate');
    rmSync(scenarioDir, { recursive: true, force: true });
  }
}

function majorOf({ major, version }: Distribution): PostgresMajor {
  if (isPostgresMajor(major)) return major;
  throw new Refusal('UnknownMajor', `the formats of Postgres ${version} are not known`);
}

/** Replays what the server logged, and compares. */
function replayAll(
  { baseDir, dataDir, range, settings }: Recording,
  findings: Findings,
  observer?: ReplayObserver,
): void {
  const store = loadBase(baseDir, { major: range.major, codecs: settings });
  const replay = new Replay(store, findings, settings);
  const start = process.hrtime.bigint();
  for (const record of readWal(dataDir, range)) {
    observer?.record(record, store);
    replay.step(record);
  }
  observer?.cluster(dataDir, range);
  findings.replayMs += Number(process.hrtime.bigint() - start) / 1e6;
  findings.walSizeBytes += range.lastLsn - range.startLsn;
  const { loggedDatabases, commitCount } = replay;
  compareFinalState({ major: range.major, dataDir, store, findings, loggedDatabases, commitCount });
}

/**
 * The oracle: stock Postgres writes WAL in which every record carries the pages it must lead to; our redo replays all of it
 * from the cold copy of the data directory, and every image is compared, and at the end every page.
 *
 *   O1  A run fails on any page that differs after Postgres' own masking, any record that is not known, any error.
 *   O2  Bits of visibility maps, which Postgres' masking hides, are compared too; `tolerance` says what may differ.
 *   O3  A run that missed a type of record that its Postgres can write tells so (`coverage`).
 */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import { Refusal } from '@neon/kernel';
import { ControlFile, type ImageCodecs, type PostgresMajor, type WalRecord } from '@neon/postgres';
import type { Distribution } from '@neon/postgres-server';
import { compareFinalState } from './final-state';
import { loadBase } from './load-base';
import { OracleCluster } from './oracle-cluster';
import type { PageStore } from './page-store';
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

const SCENARIOS: readonly Scenario[] = [recovery, minimal, wraparound, hintBits, scripts];

const CODECS: ImageCodecs = { zstd: (compressed) => new Uint8Array(zstdDecompressSync(compressed)) };

export async function verifyRedo(options: VerifyRedoOptions): Promise<RedoReport> {
  const { distribution, quick, seed, report, workDir, furtherScenarios = [], signal } = options;
  const major = majorOf(distribution);
  const findings = new Findings();
  const scenarioDir = join(workDir, String(major));
  for (const scenario of [...SCENARIOS, ...furtherScenarios]) {
    report(`Postgres ${distribution.version}: ${scenario.name}`);
    findings.scenario = scenario.name;
    const cluster = await OracleCluster.create(distribution, scenarioDir);
    const interrupt = (): void => void cluster.stop('immediate');
    signal?.addEventListener('abort', interrupt, { once: true });
    try {
      const context = { major, seed, size: quick ? QUICK : FULL, report: (line: string) => report(`  ${line}`) };
      await scenario.run(cluster, context);
      signal?.throwIfAborted();
      report('  replay');
      replayAll(cluster, findings, options.observer);
    } finally {
      signal?.removeEventListener('abort', interrupt);
      await cluster.stop('immediate');
      rmSync(scenarioDir, { recursive: true, force: true });
    }
  }
  return { ...findings.summary(), major, seed, postgresVersion: distribution.version };
}

function majorOf({ major, version }: Distribution): PostgresMajor {
  if (major === 14 || major === 15 || major === 16 || major === 17 || major === 18) return major;
  throw new Refusal('UnknownMajor', `the formats of Postgres ${version} are not known`);
}

/** Replays what the server logged after `baseDir` was copied, and compares. */
function replayAll({ baseDir, dataDir }: OracleCluster, findings: Findings, observer?: ReplayObserver): void {
  const before = readControlFile(baseDir);
  const after = readControlFile(dataDir);
  const store = loadBase(baseDir, before.major, CODECS);
  const { walLogHints, trackCommitTimestamp } = before.parameters;
  const replay = new Replay(store, findings, {
    ...CODECS,
    walLogHints: walLogHints || before.dataChecksumVersion !== 0,
    trackCommitTimestamp,
  });
  const start = process.hrtime.bigint();
  const range = {
    startLsn: before.checkpointLsn,
    lastLsn: after.checkpointLsn,
    segmentSize: before.segmentSize,
    major: before.major,
  };
  for (const record of readWal(dataDir, range)) {
    observer?.record(record, store);
    replay.step(record);
  }
  observer?.cluster(dataDir, range);
  findings.replayMs += Number(process.hrtime.bigint() - start) / 1e6;
  findings.walSizeBytes += after.checkpointLsn - before.checkpointLsn;
  compareFinalState({ dataDir, store, findings, loggedDatabases: replay.loggedDatabases });
}

const readControlFile = (dataDir: string): ControlFile =>
  ControlFile.parse(new Uint8Array(readFileSync(join(dataDir, 'global/pg_control'))));

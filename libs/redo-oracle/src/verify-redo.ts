/**
 * The oracle: stock Postgres writes WAL in which every record carries the pages it must lead to; our redo replays all of it
 * from the cold copy of the data directory, and every image is compared, and at the end every page.
 *
 *   O1  A run fails on any page that differs after Postgres' own masking, any record that is not known, any error.
 *   O2  Bits of visibility maps, which Postgres' masking hides, are compared too; `visibility-tolerance` says what may differ.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ControlFile } from '@neon/postgres';
import { findDistributions, distributionOf } from '@neon/postgres-server';
import { compareFinalState } from './final-state';
import { loadBase } from './load-base';
import { Replay } from './replay';
import { Findings, type RedoReport } from './report';
import { runWorkload, type WorkloadSize } from './run-workload';
import { startOracleServer } from './server';
import { readWal } from './wal-files';

export interface VerifyRedoOptions {
  /** A directory with `bin/postgres`, or one whose `native` has it. */
  readonly distributionDir: string;
  readonly major?: number;
  /** Fewer random transactions: a run for every build. */
  readonly quick: boolean;
  readonly seed: number;
  /** Further server parameters, such as wal_compression or wal_log_hints. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Told what happens, line by line. */
  readonly report: (line: string) => void;
  /** An empty or missing directory for the cluster; the caller removes it. */
  readonly workDir: string;
}

const QUICK: WorkloadSize = { clients: 3, transactionsPerClient: 120 };
const FULL: WorkloadSize = { clients: 6, transactionsPerClient: 4000 };

export async function verifyRedo(options: VerifyRedoOptions): Promise<RedoReport> {
  const { distributionDir, quick, seed, report, workDir, major = 17, settings = {} } = options;
  const distribution = distributionOf(findDistributions([distributionDir]), major);
  const server = await startOracleServer(distribution, workDir, settings);
  try {
    await runWorkload(server, { seed, size: quick ? QUICK : FULL, log: report });
  } finally {
    await server.stop();
  }
  report('replay');
  return replayAll({ ...server, seed, postgresVersion: distribution.version });
}

interface Directories {
  readonly baseDir: string;
  readonly dataDir: string;
  readonly seed: number;
  readonly postgresVersion: string;
}

/** Replays what the server logged after `baseDir` was copied, and compares. */
function replayAll({ baseDir, dataDir, seed, postgresVersion }: Directories): RedoReport {
  const before = readControlFile(baseDir);
  const after = readControlFile(dataDir);
  const findings = new Findings();
  const store = loadBase(baseDir, before.major);
  const { walLogHints, trackCommitTimestamp } = before.parameters;
  const replay = new Replay(store, findings, {
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
  for (const record of readWal(dataDir, range)) replay.step(record);
  const replayMs = Number(process.hrtime.bigint() - start) / 1e6;
  compareFinalState({ dataDir, store, findings, loggedDatabases: replay.loggedDatabases });
  return {
    seed,
    postgresVersion,
    types: findings.types,
    recordCount: findings.recordCount,
    walSizeBytes: after.checkpointLsn - before.checkpointLsn,
    imagesCompared: findings.imagesCompared,
    finalPagesCompared: findings.finalPagesCompared,
    toleratedVisibilityPages: findings.toleratedVisibilityPages,
    mismatches: findings.mismatches,
    mismatchCount: findings.mismatchCount,
    replayMs,
  };
}

const readControlFile = (dataDir: string): ControlFile =>
  ControlFile.parse(new Uint8Array(readFileSync(join(dataDir, 'global/pg_control'))));

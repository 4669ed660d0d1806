/** What a scenario leaves behind: the data directory before the first record and after the stop, and the WAL between. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import { ControlFile, type ChangeSettings, type ImageCodecs } from '@neon/postgres';
import type { OracleCluster } from './oracle-cluster';
import type { WalRange } from './wal-files';

export interface Recording {
  readonly baseDir: string;
  readonly dataDir: string;
  readonly range: WalRange;
  /** The server's settings before the first record. */
  readonly settings: ChangeSettings;
}

export const CODECS: ImageCodecs = { zstd: (compressed) => new Uint8Array(zstdDecompressSync(compressed)) };

export function recordingOf({ baseDir, dataDir }: Pick<OracleCluster, 'baseDir' | 'dataDir'>): Recording {
  const before = readControlFile(baseDir);
  const after = readControlFile(dataDir);
  const { walLogHints, trackCommitTimestamp } = before.parameters;
  return {
    baseDir,
    dataDir,
    range: {
      startLsn: before.checkpointLsn,
      lastLsn: after.checkpointLsn,
      segmentSize: before.segmentSize,
      major: before.major,
    },
    settings: { ...CODECS, walLogHints: walLogHints || before.dataChecksumVersion !== 0, trackCommitTimestamp },
  };
}

const readControlFile = (dataDir: string): ControlFile =>
  ControlFile.parse(new Uint8Array(readFileSync(join(dataDir, 'global/pg_control'))));

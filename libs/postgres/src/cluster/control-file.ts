/**
 * global/pg_control (catalog/pg_control.h) of Postgres 14–18: read, changed in the fields we set, written back.
 *
 *   K1  `ControlFile.encode` changes only the bytes of the fields it was given and the checksum.
 *   K2  A file with a wrong checksum, an unknown catalog version or a block size other than 8192 is refused as `Corrupt`.
 *
 * @example ControlFile.encode(ControlFile.parse(bytes), { state: ClusterState.SHUT_DOWN, checkpointLsn, checkpoint })
 */
import { Corrupt, Lsn, SystemId, copyOf, crc32c } from '@neon/kernel';
import { readU32, writeU32 } from '../page/little-endian';
import { majorOfCatalogVersion, versionOf } from '../versions';
import { readI64, readU64, writeI64, writeU64 } from '../wal/layout';
import type { PostgresMajor } from '../wal/record';
import { CHECKPOINT_SIZE, Checkpoint } from './checkpoint';
import type { ClusterParameters } from './parameter-change';

export const CONTROL_FILE_SIZE = 8192;

/** DBState. */
export const ClusterState = {
  STARTUP: 0,
  SHUT_DOWN: 1,
  SHUT_DOWN_IN_RECOVERY: 2,
  SHUTTING_DOWN: 3,
  IN_CRASH_RECOVERY: 4,
  IN_ARCHIVE_RECOVERY: 5,
  IN_PRODUCTION: 6,
} as const;

export interface ControlFile {
  readonly bytes: Uint8Array;
  readonly major: PostgresMajor;
  readonly systemId: SystemId;
  readonly catalogVersion: number;
  readonly state: number;
  /** Unix seconds. */
  readonly timeS: number;
  readonly checkpointLsn: Lsn;
  readonly checkpoint: Checkpoint;
  readonly parameters: ClusterParameters;
  readonly segmentSize: number;
  /** 0 when data pages carry no checksums. */
  readonly dataChecksumVersion: number;
}

export interface ControlFileChange {
  readonly systemId?: SystemId;
  readonly state?: number;
  readonly timeS?: number;
  readonly checkpointLsn?: Lsn;
  readonly checkpoint?: Checkpoint;
  readonly parameters?: ClusterParameters;
  readonly minRecoveryLsn?: Lsn;
}

const AT = {
  systemId: 0,
  controlFileVersion: 8,
  catalogVersion: 12,
  state: 16,
  timeS: 24,
  checkpointLsn: 32,
  checkpoint: 40,
  minRecoveryLsn: 136,
  walLevel: 172,
  walLogHints: 176,
  maxConnections: 180,
  maxWorkerProcesses: 184,
  maxWalSenders: 188,
  maxPreparedTransactions: 192,
  maxLocksPerTransaction: 196,
  trackCommitTimestamp: 200,
  blockSize: 216,
  segmentSize: 228,
  dataChecksumVersion: 252,
} as const;

const BLOCK_SIZE = 8192;

export const ControlFile = {
  /** @throws Corrupt (K2) */
  parse(bytes: Uint8Array): ControlFile {
    if (bytes.length !== CONTROL_FILE_SIZE)
      throw new Corrupt(`pg_control has ${bytes.length} bytes, not ${CONTROL_FILE_SIZE}`);
    const catalogVersion = readU32(bytes, AT.catalogVersion);
    const major = majorOfCatalogVersion(catalogVersion);
    if (major === null || readU32(bytes, AT.controlFileVersion) !== versionOf(major).controlFileVersion)
      throw new Corrupt(`pg_control is of an unknown catalog version, ${catalogVersion}`);
    const crcAt = versionOf(major).controlFileCrcAt;
    if (crc32c(bytes, 0, crcAt) !== readU32(bytes, crcAt)) throw new Corrupt('pg_control does not have its checksum');
    if (readU32(bytes, AT.blockSize) !== BLOCK_SIZE)
      throw new Corrupt(`block size ${readU32(bytes, AT.blockSize)} is not ${BLOCK_SIZE}`);
    return {
      bytes,
      major,
      systemId: SystemId.fromBigInt(view(bytes).getBigUint64(AT.systemId, true)),
      catalogVersion,
      state: readU32(bytes, AT.state),
      timeS: readI64(bytes, AT.timeS),
      checkpointLsn: Lsn.of(readU64(bytes, AT.checkpointLsn)),
      checkpoint: Checkpoint.parse(bytes.subarray(AT.checkpoint, AT.checkpoint + CHECKPOINT_SIZE), major),
      parameters: parseParameters(bytes),
      segmentSize: readU32(bytes, AT.segmentSize),
      dataChecksumVersion: readU32(bytes, AT.dataChecksumVersion),
    };
  },

  /** The file's bytes with `change` made. */
  encode({ bytes: before, major }: ControlFile, change: ControlFileChange = {}): Uint8Array {
    const bytes = copyOf(before);
    const { systemId, state, timeS, checkpointLsn, checkpoint, parameters, minRecoveryLsn } = change;
    if (systemId !== undefined) view(bytes).setBigUint64(AT.systemId, SystemId.toBigInt(systemId), true);
    if (state !== undefined) writeU32(bytes, AT.state, state);
    if (timeS !== undefined) writeI64(bytes, AT.timeS, timeS);
    if (checkpointLsn !== undefined) writeU64(bytes, AT.checkpointLsn, checkpointLsn);
    if (checkpoint !== undefined) bytes.set(Checkpoint.encode(checkpoint, major), AT.checkpoint);
    if (minRecoveryLsn !== undefined) writeU64(bytes, AT.minRecoveryLsn, minRecoveryLsn);
    if (parameters !== undefined) writeParameters(bytes, parameters);
    const crcAt = versionOf(major).controlFileCrcAt;
    writeU32(bytes, crcAt, crc32c(bytes, 0, crcAt));
    return bytes;
  },
};

const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

const parseParameters = (bytes: Uint8Array): ClusterParameters => ({
  maxConnections: readU32(bytes, AT.maxConnections),
  maxWorkerProcesses: readU32(bytes, AT.maxWorkerProcesses),
  maxWalSenders: readU32(bytes, AT.maxWalSenders),
  maxPreparedTransactions: readU32(bytes, AT.maxPreparedTransactions),
  maxLocksPerTransaction: readU32(bytes, AT.maxLocksPerTransaction),
  walLevel: readU32(bytes, AT.walLevel),
  walLogHints: bytes[AT.walLogHints] !== 0,
  trackCommitTimestamp: bytes[AT.trackCommitTimestamp] !== 0,
});

function writeParameters(bytes: Uint8Array, parameters: ClusterParameters): void {
  writeU32(bytes, AT.maxConnections, parameters.maxConnections);
  writeU32(bytes, AT.maxWorkerProcesses, parameters.maxWorkerProcesses);
  writeU32(bytes, AT.maxWalSenders, parameters.maxWalSenders);
  writeU32(bytes, AT.maxPreparedTransactions, parameters.maxPreparedTransactions);
  writeU32(bytes, AT.maxLocksPerTransaction, parameters.maxLocksPerTransaction);
  writeU32(bytes, AT.walLevel, parameters.walLevel);
  bytes[AT.walLogHints] = parameters.walLogHints ? 1 : 0;
  bytes[AT.trackCommitTimestamp] = parameters.trackCommitTimestamp ? 1 : 0;
}

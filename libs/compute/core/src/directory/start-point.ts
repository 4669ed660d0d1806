/**
 * What makes stock Postgres start at an LSN of our choosing: it finds a cluster that was shut down cleanly there.
 *
 *   P1  pg_control says "shut down" and points at a shutdown checkpoint that begins where the timeline's WAL ended, with
 *       the counters of everything before it. Postgres goes on from there, on the same Postgres timeline.
 *   P2  A basebackup of another timeline, LSN or cluster than the one asked for is refused.
 */
import { BasebackupManifest } from '@neon/pageserver-contract';
import { Corrupt, Lsn, SystemId } from '@neon/kernel';
import { Checkpoint, ClusterState, ControlFile, type SparseWalFile, encodeShutdownCheckpoint } from '@neon/postgres';

export interface StartPoint {
  /** The new content of global/pg_control. */
  readonly controlFile: Uint8Array;
  /** For pg_wal. */
  readonly walFiles: readonly SparseWalFile[];
}

export interface StartPointWanted {
  readonly tenantId: string;
  readonly timelineId: string;
  readonly systemId: string;
  readonly walSegmentSize: number;
  readonly startLsn: Lsn;
}

/** @param controlFile the basebackup's global/pg_control. @throws Corrupt (P2) */
export function planStartPoint(
  manifest: BasebackupManifest,
  controlFile: Uint8Array,
  wanted: StartPointWanted,
): StartPoint {
  checkManifest(manifest, wanted);
  const before = ControlFile.parse(controlFile);
  if (before.major !== manifest.pgMajor)
    throw new Corrupt(`pg_control is of Postgres ${before.major}, the basebackup of ${manifest.pgMajor}`);
  const systemId = SystemId.parse(manifest.systemId);
  const checkpointBytes = Uint8Array.from(atob(manifest.checkpoint), (character) => character.charCodeAt(0));
  const record = encodeShutdownCheckpoint({
    major: before.major,
    lsn: wanted.startLsn,
    prevLsn: Lsn.parse(manifest.prevRecordLsn),
    checkpoint: Checkpoint.parse(checkpointBytes, before.major),
    systemId,
    segmentSize: manifest.walSegmentSize,
  });
  return {
    controlFile: ControlFile.encode(before, {
      systemId,
      state: ClusterState.SHUT_DOWN,
      checkpointLsn: record.recordLsn,
      checkpoint: record.checkpoint,
    }),
    walFiles: record.walFiles,
  };
}

function checkManifest(manifest: BasebackupManifest, wanted: StartPointWanted): void {
  const expected = { ...wanted, startLsn: Lsn.format(wanted.startLsn) };
  const found = { ...manifest, startLsn: Lsn.format(Lsn.parse(manifest.lsn)) };
  for (const field of ['tenantId', 'timelineId', 'systemId', 'walSegmentSize', 'startLsn'] as const)
    if (found[field] !== expected[field])
      throw new Corrupt(`basebackup of another ${field}: ${found[field]}, wanted ${expected[field]}`);
}

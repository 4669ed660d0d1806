/**
 * Which WAL of a timeline nobody needs any more.
 *
 *   TR1  Nothing is removed that a restart scans, that a pageserver may ask for again, that another safekeeper of the timeline
 *        lacks, that a connected reader has not been sent, or that is not in the archive where there is one.
 *   TR2  Without an archive nothing is removed, unless the settings say otherwise: a pageserver's disk could be lost, and is
 *        made again from WAL alone.
 *   TR3  Only whole segments are removed.
 *
 * @example trimHorizon({ … }) // { lsn: 0/3000000, heldBy: 'pageserver' }
 */
import { Lsn } from '@neon/kernel';

/** Up to which LSN a timeline's WAL is in the archive; null when there is no archive. */
export type ArchivedPosition = Lsn | null;

/** What happens to WAL that is in no archive, once the pageserver has what it says. */
export type UnarchivedWal = 'kept' | 'trimmed';

export interface TrimPositions {
  /** The start of the WAL that is here. */
  readonly trimmedLsn: Lsn;
  /** As the control file has it, durably: where a scan after a restart begins. */
  readonly durableCommitLsn: Lsn;
  /** Every safekeeper of the timeline holds what is below it. */
  readonly truncateLsn: Lsn;
  /** The pageserver never asks for what is below it again; `Lsn.ZERO` until it has said so. */
  readonly remoteConsistentLsn: Lsn;
  readonly archivedLsn: ArchivedPosition;
  /** Where the connected readers are. */
  readonly readerLsns: readonly Lsn[];
}

export type TrimHolder = 'commit' | 'peer' | 'pageserver' | 'archive' | 'reader' | 'setting';

export interface TrimHorizon {
  readonly lsn: Lsn;
  /** Who keeps it from being higher. */
  readonly heldBy: TrimHolder;
}

/** TR1, TR2. */
export function trimHorizon(positions: TrimPositions, unarchived: UnarchivedWal): TrimHorizon {
  const { trimmedLsn, archivedLsn } = positions;
  if (archivedLsn === null && unarchived === 'kept') return { lsn: trimmedLsn, heldBy: 'setting' };
  const holders: readonly TrimHorizon[] = [
    { heldBy: 'commit', lsn: positions.durableCommitLsn },
    { heldBy: 'peer', lsn: positions.truncateLsn },
    { heldBy: 'pageserver', lsn: positions.remoteConsistentLsn },
    ...(archivedLsn === null ? [] : [{ heldBy: 'archive' as const, lsn: archivedLsn }]),
    ...positions.readerLsns.map((lsn) => ({ heldBy: 'reader' as const, lsn })),
  ];
  const lowest = holders.reduce((least, holder) => (holder.lsn < least.lsn ? holder : least));
  return { lsn: Lsn.max(trimmedLsn, lowest.lsn), heldBy: lowest.heldBy };
}

/** TR3: up to where segments can be removed, which is not before `trimmedLsn`. */
export function trimTarget(positions: TrimPositions, unarchived: UnarchivedWal, segmentSize: number): Lsn {
  const { lsn } = trimHorizon(positions, unarchived);
  return Lsn.max(positions.trimmedLsn, Lsn.of(lsn - (lsn % segmentSize)));
}

/**
 * Names of objects in the archive (`docs/protocols/wal-archive.md`).
 *
 *   AL1  A segment has one name, whoever puts it: whole committed segments are the same bytes on every safekeeper.
 *   AL2  The tail of an offloaded timeline has a name of its own for each safekeeper, term and LSN: nobody replaces or removes
 *        one that another safekeeper counts on.
 *   AL3  All objects of a timeline, and nothing else, begin with `timelinePrefix`.
 *
 * @example segmentName(identity, Lsn.parse('0/3000028')) // 'wal/<tenant>/<timeline>/segments/000000010000000000000003'
 */
import type { TimelineIdentity } from '@neon/consensus';
import type { Lsn, SafekeeperId, TenantId, Term, TimelineId } from '@neon/kernel';
import { WalSegment } from '@neon/postgres';

interface Names {
  readonly tenantId: TenantId;
  readonly timelineId: TimelineId;
}

/** Where the log of an offloaded timeline ends: all of it is committed. */
export interface OffloadPoint {
  readonly endLsn: Lsn;
  /** Of the last record. */
  readonly term: Term;
}

export const timelinePrefix = ({ tenantId, timelineId }: Names): string => `wal/${tenantId}/${timelineId}/`;

export const tailPrefix = (names: Names): string => `${timelinePrefix(names)}tails/`;

/** AL1. */
export const segmentName = (identity: TimelineIdentity, lsn: Lsn): string =>
  `${timelinePrefix(identity)}segments/${WalSegment.fileName({ lsn, segmentSize: identity.walSegmentSize })}`;

/** AL2. */
export function tailName(
  identity: TimelineIdentity,
  { endLsn, term }: OffloadPoint,
  safekeeperId: SafekeeperId,
): string {
  const segment = WalSegment.fileName({ lsn: endLsn, segmentSize: identity.walSegmentSize });
  const end = endLsn.toString(16).toUpperCase().padStart(16, '0');
  return `${tailPrefix(identity)}${segment}_${term}_${end}${ownerSuffix(safekeeperId)}`;
}

/** Whether a name that begins with `tailPrefix` is one that this safekeeper gave. */
export const isTailOf = (name: string, safekeeperId: SafekeeperId): boolean => name.endsWith(ownerSuffix(safekeeperId));

const ownerSuffix = (safekeeperId: SafekeeperId): string => `_sk${safekeeperId}`;

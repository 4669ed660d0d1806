/** What a safekeeper tells about a timeline, as its contract has it. */
import { AcceptorState, MembershipRecord, TermHistory } from '@neon/consensus';
import { Lsn } from '@neon/kernel';
import type { SafekeeperTimelineStatus, TimelineDetail } from '@neon/safekeeper-contract';
import type { Timeline } from './timeline';

export interface ReaderProgress {
  readonly name: string;
  readonly sentLsn: Lsn;
  readonly flushLsn: Lsn;
  readonly applyLsn: Lsn;
}

export function timelineDetail(timeline: Timeline, readers: readonly ReaderProgress[]): TimelineDetail {
  const { state } = timeline;
  return {
    ...state.identity,
    membershipGeneration: state.membership.generation,
    membership: MembershipRecord.of(state.membership),
    incarnation: state.incarnation,
    term: state.term,
    termHistory: state.termHistory.map(({ term, startLsn }) => ({ term, startLsn: Lsn.format(startLsn) })),
    startLsn: Lsn.format(TermHistory.startLsn(state.termHistory)),
    flushLsn: Lsn.format(state.flushLsn),
    commitLsn: Lsn.format(state.commitLsn),
    truncateLsn: Lsn.format(state.truncateLsn),
    trimmedLsn: Lsn.format(timeline.firstLsn),
    remoteConsistentLsn: Lsn.format(timeline.trimmer.remoteConsistentLsn),
    archivedLsn: timeline.archivedLsn === null ? null : Lsn.format(timeline.archivedLsn),
    offloaded: timeline.isOffloaded,
    trimHeldBy: timeline.trimmer.horizon.heldBy,
    walBytes: timeline.keptBytes,
    fullness: timeline.fullness,
    writerConnected: timeline.isWriterConnected,
    readers: readers.map(({ name, sentLsn, flushLsn, applyLsn }) => ({
      name,
      sentLsn: Lsn.format(sentLsn),
      flushLsn: Lsn.format(flushLsn),
      applyLsn: Lsn.format(applyLsn),
    })),
  };
}

export function timelineStatus(
  timeline: Timeline,
  address: { readonly host: string; readonly replicationPort: number },
): SafekeeperTimelineStatus {
  const { state } = timeline;
  const { remoteConsistentLsn } = timeline.trimmer;
  const { archive } = timeline;
  return {
    safekeeperId: state.safekeeperId,
    tenantId: state.identity.tenantId,
    timelineId: state.identity.timelineId,
    term: state.term,
    lastLogTerm: AcceptorState.lastLogTerm(state),
    flushLsn: Lsn.format(state.flushLsn),
    commitLsn: Lsn.format(state.commitLsn),
    ...(remoteConsistentLsn === Lsn.ZERO ? {} : { remoteConsistentLsn: Lsn.format(remoteConsistentLsn) }),
    ...(archive === undefined ? {} : { archivedLsn: Lsn.format(archive.archivedLsn), archiving: archive.leads() }),
    ...address,
  };
}

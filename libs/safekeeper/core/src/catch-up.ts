/**
 * A timeline that nobody leads and that lags takes what is committed from another safekeeper (A10 of `@neon/consensus`).
 *
 *   CU1  Only what the other one knows to be committed is taken, in the history that it has it in; the acceptor decides where its
 *        own log goes on, and stops taking as soon as somebody leads it.
 *   CU2  The other one is a member, as the disk that is listed, where members are listed.
 *        A higher membership that it tells is taken on first, as from a greeting: one that has been replaced, and has not heard
 *        of it, finds out here instead of following the members for ever.
 *   CU3  Memory is bounded: a piece is asked for when the one before it was written, and room is waited for.
 */
import { AcceptorState, FULL, Membership } from '@neon/consensus';
import { Lsn, Refusal } from '@neon/kernel';
import type { Donor } from './pull';
import type { Timeline } from './timeline';

/** One request for WAL. */
const PIECE_SIZE = 1024 * 1024;
const NOTHING = new Uint8Array(0);

/** @returns how much WAL it took. @throws Refusal `DonorMismatch`, `DonorRefused`; Unavailable */
export async function catchUp(timeline: Timeline, donor: Donor): Promise<number> {
  const { member, control } = await donor.describe();
  const { membership, term } = timeline.state;
  if (Membership.supersedes(control.membership, membership)) await timeline.configure(control.membership, term);
  if (!isMember(timeline)) return 0;
  if (!Membership.includes(timeline.state.membership, member))
    throw new Refusal('DonorMismatch', `safekeeper ${member.safekeeperId} is not a member, or another disk of it`);
  const { termHistory, commitLsn: endLsn } = control;
  const beganAtLsn = timeline.state.flushLsn;
  await timeline.learn({ termHistory, endLsn, startLsn: endLsn, bytes: NOTHING });
  while (isBehind(timeline, endLsn)) {
    const startLsn = timeline.state.writeLsn;
    const bytes = await donor.read({ startLsn, endLsn: Lsn.min(endLsn, Lsn.advance(startLsn, PIECE_SIZE)) });
    await timeline.relief();
    await timeline.learn({ termHistory, endLsn, startLsn, bytes });
    // Somebody leads it, or what came is no WAL.
    if (timeline.state.writeLsn === startLsn) break;
  }
  return Math.max(0, timeline.state.writeLsn - beganAtLsn);
}

const isBehind = (timeline: Timeline, endLsn: Lsn): boolean =>
  timeline.failed === undefined && mayLearn(timeline) && timeline.state.writeLsn < endLsn;

/** Whether it would take anything (CU1). */
export const mayLearn = (timeline: Timeline): boolean =>
  timeline.state.leader === undefined && timeline.fullness < FULL && isMember(timeline);

export const isMember = ({ state }: Timeline): boolean =>
  Membership.includes(state.membership, AcceptorState.member(state));

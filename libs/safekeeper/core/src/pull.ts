/**
 * A timeline copied from another safekeeper, by which one that never had it begins as a member.
 *
 *   PU1  A copy is no timeline: it lies under a name of its own, has no votes, and is not found, until it is whole, durable and
 *        is adopted as one; a crash before that leaves a copy, a crash after it a timeline.
 *   PU2  Each part of it is compared with the donor's digest after it was written; what is equal already is not copied again. So
 *        a copy that was interrupted, whenever and however, goes on where it was.
 *   PU3  The donor is of one term and one history from before the first byte until after the last, and of one disk. Else what was
 *        copied may have been cut: by another leader, or by the one of that very term, which announces itself after the vote.
 *   PU4  Of a timeline there is one copy at a time; whoever asks for it meanwhile waits for the same one.
 *   PU5  A safekeeper that takes no more WAL takes none for a copy: the room that is left is for what it has to save.
 *   PU6  A copy and a removal (SK7) of one timeline do not run at the same time: whoever comes second asks again.
 *
 * What the donor trimmed is trimmed here too. What it is sent after the copy began is for a leader to bring, as for any member.
 */
import {
  type AdmissionRequest,
  AcceptorState,
  type DurableAcceptorState,
  FULL,
  Member,
  type RemovalRequest,
  TermHistory,
} from '@neon/consensus';
import { Lsn, Refusal, type Term, Unavailable } from '@neon/kernel';
import { type Safekeeper, type TimelineKey, nameOf } from './safekeeper';
import type { Timeline } from './timeline';
import type { WalSpace } from './wal-space';

export interface LogRange {
  readonly startLsn: Lsn;
  readonly endLsn: Lsn;
}

/** What a donor holds. */
export interface DonorLog {
  readonly member: Member;
  readonly control: DurableAcceptorState;
  readonly trimmedLsn: Lsn;
  readonly flushLsn: Lsn;
}

/**
 * Another safekeeper, as a port. What a call that names a term answers is what it holds in that term, committed or not; the call
 * fails when it is of another. Without a term only what is committed is told. @throws Unavailable, Refusal
 */
export abstract class Donor {
  abstract describe(): Promise<DonorLog>;
  /** The range, or its beginning. */
  abstract read(range: LogRange, term?: Term): Promise<Uint8Array>;
  abstract digest(range: LogRange, term: Term): Promise<string>;
}

/** What has been copied of a timeline, as a port. */
export abstract class TimelineCopy {
  /** As the donor's; undefined when there are not so many bytes. */
  abstract digest(range: LogRange): Promise<string | undefined>;
  /** Durable when it resolves; within one segment. */
  abstract write(startLsn: Lsn, bytes: Uint8Array): Promise<void>;
  /** PU1: makes a timeline of it, which has exactly the WAL of `[trimmedLsn, flushLsn)`. */
  abstract adopt(
    control: DurableAcceptorState,
    range: { readonly trimmedLsn: Lsn; readonly flushLsn: Lsn },
  ): Promise<void>;
}

export abstract class TimelineCopies {
  /** Begins a copy, or goes on with what is there. */
  abstract open(donor: DurableAcceptorState): Promise<TimelineCopy>;
  abstract discard(key: TimelineKey): Promise<void>;
}

export interface PullRequest extends AdmissionRequest {
  readonly donor: Member;
}

/** One request for WAL. */
const PIECE_SIZE = 1024 * 1024;

export class Pulls {
  /** PU4. */
  private readonly running = new Map<string, Promise<Timeline>>();
  /** PU6. */
  private readonly removing = new Set<string>();

  constructor(
    private readonly safekeeper: Safekeeper,
    private readonly copies: TimelineCopies,
  ) {}

  /** @throws Refusal `WrongIncarnation`, `TimelineDeleted`, `NotAMember`, `DonorMismatch`; Unavailable */
  async pull(key: TimelineKey, request: PullRequest, donor: Donor): Promise<Timeline> {
    const admission = await this.safekeeper.admission(key, request);
    if (admission === 'keep') return this.safekeeper.get(key);
    const known = this.running.get(nameOf(key));
    if (known !== undefined) return known;
    if (this.removing.has(nameOf(key))) throw new Unavailable('what was here before is being removed');
    const pull = this.copy(key, request, donor).finally(() => this.running.delete(nameOf(key)));
    this.running.set(nameOf(key), pull);
    return pull;
  }

  /** PU6. @throws Refusal `WrongIncarnation`, `MalformedRequest`, `MembershipSuperseded`; Unavailable */
  async remove(key: TimelineKey, request: RemovalRequest): Promise<void> {
    const name = nameOf(key);
    if (this.running.has(name) || this.removing.has(name))
      throw new Unavailable('the timeline is being copied here, or removed');
    this.removing.add(name);
    try {
      await this.safekeeper.remove(key, request);
    } finally {
      this.removing.delete(name);
    }
  }

  private async copy(key: TimelineKey, request: PullRequest, donor: Donor): Promise<Timeline> {
    const log = await described(key, request, donor);
    const copy = await this.copies.open(log.control);
    const { space } = this.safekeeper;
    for (const range of parts(log)) await copyPart(range, { donor, copy, space, term: log.control.term });
    const after = await described(key, request, donor);
    if (after.control.term !== log.control.term)
      throw new Unavailable(
        `the donor went from term ${log.control.term} to ${after.control.term}: the copy begins anew`,
      );
    if (!TermHistory.equal(after.control.termHistory, log.control.termHistory))
      throw new Unavailable('the donor went on with another history: the copy begins anew');
    const { trimmedLsn, flushLsn } = log;
    const control = AcceptorState.seed(log.control, {
      safekeeperId: this.safekeeper.id,
      membership: request.membership,
      flushLsn,
    });
    let isAdopted = false;
    const adopt = async (): Promise<void> => {
      await copy.adopt(control, { trimmedLsn, flushLsn });
      isAdopted = true;
    };
    try {
      const timeline = await this.safekeeper.adoptCopy(key, request, adopt);
      // It was made in another way meanwhile.
      if (!isAdopted) await this.copies.discard(key);
      return timeline;
    } catch (error) {
      if (error instanceof Refusal) await this.copies.discard(key);
      throw error;
    }
  }
}

/** PU3. */
async function described(key: TimelineKey, request: PullRequest, donor: Donor): Promise<DonorLog> {
  const log = await donor.describe();
  const { tenantId, timelineId } = log.control.identity;
  if (!Member.equal(log.member, request.donor) || tenantId !== key.tenantId || timelineId !== key.timelineId)
    throw new Refusal('DonorMismatch', `the donor is ${Member.key(log.member)}, not ${Member.key(request.donor)}`);
  return log;
}

/** By segment: what files hold, and what is compared at once. */
function* parts({ control, trimmedLsn, flushLsn }: DonorLog): Generator<LogRange> {
  const { walSegmentSize } = control.identity;
  for (let startLsn = trimmedLsn; startLsn < flushLsn;) {
    const endLsn = Lsn.min(flushLsn, Lsn.of(startLsn - (startLsn % walSegmentSize) + walSegmentSize));
    yield { startLsn, endLsn };
    startLsn = endLsn;
  }
}

/** PU2, PU5. */
async function copyPart(
  range: LogRange,
  { donor, copy, space, term }: { donor: Donor; copy: TimelineCopy; space: WalSpace; term: Term },
): Promise<void> {
  const wanted = await donor.digest(range, term);
  if ((await copy.digest(range)) === wanted) return;
  for (let lsn = range.startLsn; lsn < range.endLsn;) {
    const endLsn = Lsn.min(range.endLsn, Lsn.advance(lsn, PIECE_SIZE));
    if (space.fullness >= FULL) throw new Unavailable('this safekeeper is full: there is no room for a copy');
    const bytes = await donor.read({ startLsn: lsn, endLsn }, term);
    await copy.write(lsn, bytes);
    lsn = Lsn.advance(lsn, bytes.length);
  }
  if ((await copy.digest(range)) !== wanted)
    throw new Unavailable(`the copy of WAL from ${Lsn.format(range.startLsn)} differs from the donor's`);
}

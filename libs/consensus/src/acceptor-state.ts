/** The acceptor's state, what goes in, and what comes out. The rules are in `acceptor.ts`. */
import type { Lsn, SafekeeperId, Term } from '@neon/kernel';
import type { Member, Membership } from './membership';
import type { AcceptorMessage, ProposerMessage, RefusalCode, TimelineIdentity } from './message';
import { TermHistory } from './term-history';

/** What the control file holds. */
export interface DurableAcceptorState {
  readonly safekeeperId: SafekeeperId;
  readonly identity: TimelineIdentity;
  readonly membership: Membership;
  readonly term: Term;
  readonly termHistory: TermHistory;
  /** At most the acceptor's `commitLsn`: it is saved now and then, and bounds the scan of the WAL after a restart. */
  readonly commitLsn: Lsn;
  readonly truncateLsn: Lsn;
}

export interface AcceptorState extends DurableAcceptorState {
  /** Of the disk it is on: which member this is. */
  readonly incarnation: string;
  /** The commit LSN in the control file. */
  readonly savedCommitLsn: Lsn;
  /** The largest commit LSN heard from the leader of this term; it may lie beyond the end of this log. */
  readonly heardCommitLsn: Lsn;
  /** The end of the log, and the end of its last whole record. */
  readonly writeLsn: Lsn;
  readonly writeRecordLsn: Lsn;
  /** The durable part of both. `flushLsn` is the one that others are told. */
  readonly durableLsn: Lsn;
  readonly flushLsn: Lsn;
  /** Tells flushes that began before a truncation from those after it. */
  readonly truncationCount: number;
  /** The session whose proposer leads in this term. */
  readonly leader: SessionId | undefined;
}

/** A connection of one proposer; the shell numbers them and never uses a number twice. */
export type SessionId = number;

/** A question of whoever drives a change of membership; the shell numbers them and never uses a number twice. */
export type RequestId = number;

/** What an acceptor holds, durably: what a change of membership is decided by. */
export interface AcceptorPosition {
  readonly membership: Membership;
  readonly term: Term;
  readonly lastLogTerm: Term;
  readonly flushLsn: Lsn;
}

export type AcceptorInput =
  | { readonly kind: 'received'; readonly session: SessionId; readonly message: ProposerMessage }
  | { readonly kind: 'disconnected'; readonly session: SessionId }
  /** A `write` effect is done (not durable): the log's end, and the end of the last whole record in it. */
  | { readonly kind: 'written'; readonly endLsn: Lsn; readonly recordEndLsn: Lsn }
  /** All bytes below `endLsn` are durable. */
  | {
      readonly kind: 'flushed';
      readonly endLsn: Lsn;
      readonly recordEndLsn: Lsn;
      readonly truncationCount: number;
    }
  /** Somebody who asked a quorum found that it holds the log of `term` up to `endLsn`, all of it accepted in that term. */
  | { readonly kind: 'chosen'; readonly term: Term; readonly endLsn: Lsn }
  /**
   * Another member knows the log of `termHistory` to be committed up to `endLsn`; the bytes are of that log, from `startLsn` on,
   * and end with it at most. Without bytes it says what is committed, and they are asked for where this log then ends.
   */
  | {
      readonly kind: 'learned';
      readonly termHistory: TermHistory;
      readonly endLsn: Lsn;
      readonly startLsn: Lsn;
      readonly bytes: Uint8Array;
    }
  /** Take on a membership, and in it a term of `minTerm` at least; the answer says what holds afterwards. */
  | {
      readonly kind: 'configure';
      readonly request: RequestId;
      readonly membership: Membership;
      readonly minTerm: Term;
    }
  /** Now and then, and before a shutdown: save what may lag in the control file. */
  | { readonly kind: 'save' };

/** The shell performs effects one by one, in order. When one fails, the rest are not performed and the acceptor stops. */
export type AcceptorEffect =
  /** Append to the log; the shell makes it durable as soon as it can, and reports `written` and later `flushed`. */
  | { readonly kind: 'write'; readonly startLsn: Lsn; readonly bytes: Uint8Array }
  /** Wait until every byte written so far is durable. */
  | { readonly kind: 'flush' }
  /** Cut the log, durably; nothing beyond may ever be read as a record again. */
  | { readonly kind: 'truncate'; readonly endLsn: Lsn }
  /** Replace the control file. `wait` false: in the background, for values that may lag. */
  | { readonly kind: 'persist'; readonly state: DurableAcceptorState; readonly wait: boolean }
  | { readonly kind: 'send'; readonly session: SessionId; readonly message: AcceptorMessage }
  | { readonly kind: 'answer'; readonly request: RequestId; readonly position: AcceptorPosition }
  /** Tell the proposer why, and close the connection. */
  | { readonly kind: 'refuse'; readonly session: SessionId; readonly code: RefusalCode; readonly reason: string };

export interface AcceptorStep {
  readonly state: AcceptorState;
  readonly effects: readonly AcceptorEffect[];
}

export const AcceptorState = {
  /** A timeline that was just created: an empty log at `startLsn`. */
  create: (options: {
    readonly safekeeperId: SafekeeperId;
    readonly identity: TimelineIdentity;
    readonly membership: Membership;
    readonly startLsn: Lsn;
    readonly term: Term;
  }): DurableAcceptorState => ({
    safekeeperId: options.safekeeperId,
    identity: options.identity,
    membership: options.membership,
    term: options.term,
    termHistory: TermHistory.start(options.startLsn),
    commitLsn: options.startLsn,
    truncateLsn: options.startLsn,
  }),

  /**
   * A new member's beginning: what a donor holds, under the new member's name. The shell copies the donor's log up to
   * `flushLsn` and makes it durable first; the donor must be of the same term and history before and after the copy, for
   * a log is cut by who brings another history. Safe for one that is absent for the membership (L5), and for no other.
   */
  seed: (
    donor: DurableAcceptorState,
    options: { readonly safekeeperId: SafekeeperId; readonly membership: Membership; readonly flushLsn: Lsn },
  ): DurableAcceptorState => ({
    ...donor,
    safekeeperId: options.safekeeperId,
    membership: options.membership,
    termHistory: TermHistory.upTo(donor.termHistory, options.flushLsn),
  }),

  /** After a restart: the control file, and the end of the last whole record that is durable in the log. */
  recover: (
    durable: DurableAcceptorState,
    { flushLsn, incarnation }: { readonly flushLsn: Lsn; readonly incarnation: string },
  ): AcceptorState => ({
    ...durable,
    incarnation,
    savedCommitLsn: durable.commitLsn,
    heardCommitLsn: durable.commitLsn,
    writeLsn: flushLsn,
    writeRecordLsn: flushLsn,
    durableLsn: flushLsn,
    flushLsn,
    truncationCount: 0,
    leader: undefined,
  }),

  durable: (state: AcceptorState): DurableAcceptorState => ({
    safekeeperId: state.safekeeperId,
    identity: state.identity,
    membership: state.membership,
    term: state.term,
    termHistory: state.termHistory,
    commitLsn: state.commitLsn,
    truncateLsn: state.truncateLsn,
  }),

  startLsn: (state: DurableAcceptorState): Lsn => TermHistory.startLsn(state.termHistory),

  /** The term of the last record in the log. */
  lastLogTerm: (state: AcceptorState): Term => TermHistory.termAt(state.termHistory, state.flushLsn),

  member: ({ safekeeperId, incarnation }: AcceptorState): Member => ({ safekeeperId, incarnation }),

  position: (state: AcceptorState): AcceptorPosition => ({
    membership: state.membership,
    term: state.term,
    lastLogTerm: AcceptorState.lastLogTerm(state),
    flushLsn: state.flushLsn,
  }),
};

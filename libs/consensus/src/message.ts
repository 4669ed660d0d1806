/**
 * What proposer and acceptor say to each other. Bytes: `codec.ts`; order and meaning: `docs/protocols/safekeeper.md`.
 *
 * Every message carries the membership generation it was written under; an acceptor of another generation refuses it (I9).
 * Greetings carry the membership itself, both ways: the lower one is given up for the higher.
 */
import type { Lsn, SafekeeperId, SystemId, TenantId, Term, TimelineId } from '@neon/kernel';
import type { Membership } from './membership';
import type { TermHistory } from './term-history';

export const PROTOCOL_VERSION = 3;

/** 16 WAL pages of Postgres: large enough to amortise a message, small enough that a commit never queues long behind one. */
export const APPEND_SIZE_MAX = 128 * 1024;

/** What must be equal on both sides before a single byte of WAL moves. */
export interface TimelineIdentity {
  readonly tenantId: TenantId;
  readonly timelineId: TimelineId;
  readonly pgMajor: number;
  readonly systemId: SystemId;
  readonly walSegmentSize: number;
}

export interface GreetingRequest {
  readonly kind: 'greetingRequest';
  readonly membership: Membership;
  readonly identity: TimelineIdentity;
  /** A service token with scope `timeline`; checked by the shell before the acceptor sees the message. */
  readonly token: string;
  /** W3C trace context of the election that this session is part of. For the shells: no rule reads it. */
  readonly traceparent?: string;
}

export interface VoteRequest {
  readonly kind: 'voteRequest';
  readonly membershipGeneration: number;
  readonly term: Term;
}

export interface ElectedRequest {
  readonly kind: 'electedRequest';
  readonly membershipGeneration: number;
  readonly term: Term;
  /** The common point of both logs: what the acceptor holds beyond it is not in the leader's log. */
  readonly startLsn: Lsn;
  readonly termHistory: TermHistory;
}

/** WAL for the end of the acceptor's log; without bytes it is a heartbeat. */
export interface AppendRequest {
  readonly kind: 'appendRequest';
  readonly membershipGeneration: number;
  readonly term: Term;
  readonly startLsn: Lsn;
  readonly commitLsn: Lsn;
  /** Every safekeeper holds the WAL below it. */
  readonly truncateLsn: Lsn;
  readonly bytes: Uint8Array;
}

export interface GreetingResponse {
  readonly kind: 'greetingResponse';
  /** The acceptor's; at least that of the greeting. */
  readonly membership: Membership;
  readonly safekeeperId: SafekeeperId;
  /** Of its disk: which member it is. */
  readonly incarnation: string;
  readonly term: Term;
}

export interface VoteResponse {
  readonly kind: 'voteResponse';
  readonly membershipGeneration: number;
  readonly term: Term;
  readonly granted: boolean;
  readonly flushLsn: Lsn;
  readonly truncateLsn: Lsn;
  /** Up to `flushLsn`. */
  readonly termHistory: TermHistory;
}

/** Of WAL, in percent: a safekeeper that is full takes no more. */
export const FULL = 100;

export interface AppendResponse {
  readonly kind: 'appendResponse';
  readonly membershipGeneration: number;
  /** The acceptor's term. In the answer to a message of an earlier term it stands alone: the positions are `Lsn.ZERO`. */
  readonly term: Term;
  /** The last record that is durable here ends at it. */
  readonly flushLsn: Lsn;
  /** Bytes below it are durable here, perhaps in the middle of a record: for flow control alone. */
  readonly durableLsn: Lsn;
  readonly commitLsn: Lsn;
  /** How full the safekeeper is of WAL, in percent from 50 on: at `FULL` it takes none. Writers should slow down before. */
  readonly fullness?: number;
  /** What the pageserver has, as far as this safekeeper has heard: writers slow down when it lags. */
  readonly pageserver?: PageserverPositions;
}

export interface PageserverPositions {
  /** It has ingested the WAL below it; `Lsn.ZERO` when that is not known here. */
  readonly receivedLsn: Lsn;
  /** It never asks for WAL below it again; `Lsn.ZERO` when that is not known here. */
  readonly durableLsn: Lsn;
}

/** The last message of a session: why the acceptor closes it. */
export interface SessionRefused {
  readonly kind: 'sessionRefused';
  readonly code: RefusalCode;
  readonly reason: string;
}

export const REFUSAL_CODES = [
  'VersionUnsupported',
  'Unauthorized',
  'TimelineUnknown',
  'IdentityMismatch',
  'MembershipMismatch',
  'NotElected',
  'LogGap',
  'CommonPointMismatch',
  'BelowCommit',
  'StorageUnavailable',
  'MalformedMessage',
  'TimelineDeleted',
] as const;

/**
 * A proposer acts differently on some: `LogGap`, `CommonPointMismatch`, `NotElected` and `StorageUnavailable` pass by
 * connecting again, and so does `MembershipMismatch`, since the greetings that follow tell the membership. `TimelineDeleted`
 * is for ever. The others need a person or the control plane.
 */
export type RefusalCode = (typeof REFUSAL_CODES)[number];

export type ProposerMessage = GreetingRequest | VoteRequest | ElectedRequest | AppendRequest;
export type AcceptorMessage = GreetingResponse | VoteResponse | AppendResponse | SessionRefused;

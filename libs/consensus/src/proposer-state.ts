/** The proposer's state, what goes in, and what comes out. The rules are in `proposer.ts`. */
import { Lsn, Term, type SafekeeperId } from '@neon/kernel';
import { type Member, Membership } from './membership';
import type { AcceptorMessage, ProposerMessage, RefusalCode, TimelineIdentity } from './message';
import type { LogPosition, TermHistory } from './term-history';
import type { WalWindow } from './wal-window';

export interface ProposerConfig {
  readonly identity: TimelineIdentity;
  /** As far as it is known at the start; safekeepers that know better tell when they are greeted (P9). */
  readonly membership: Membership;
  /** The members of a founding membership, which lists none. */
  readonly safekeepers: readonly SafekeeperId[];
  /** A service token with scope `timeline`. */
  readonly token: string;
  readonly timing: ProposerTiming;
}

/** In ticks. */
export interface ProposerTiming {
  /** How long to wait for further greetings once a quorum has greeted. */
  readonly greetingGrace: number;
  /** How long a campaign may last; a random part of the same length is added, so that rivals do not stay in step. */
  readonly campaign: number;
  /** A silent safekeeper is sent a heartbeat after it, and is disconnected after `silence`. */
  readonly heartbeat: number;
  readonly silence: number;
}

/** For a tick of 20 ms, which is what the compute's shell uses. */
export const DEFAULT_TIMING: ProposerTiming = { greetingGrace: 2, campaign: 25, heartbeat: 50, silence: 500 };

export type Peer =
  | { readonly kind: 'disconnected' }
  | { readonly kind: 'greeting'; readonly heardTick: number }
  /** Greeted, and of no set of this membership: it is neither asked nor counted. */
  | { readonly kind: 'stranger' }
  | VotingPeer;

/** A member, greeted in this membership's generation. */
export type VotingPeer =
  | (Greeted & { readonly kind: 'greeted'; readonly term: Term })
  | (Greeted & { readonly kind: 'voting' })
  | (Greeted & { readonly kind: 'voted'; readonly granted: boolean; readonly position: LogPosition })
  | StreamingPeer;

interface Greeted {
  readonly incarnation: string;
  readonly heardTick: number;
}

/** It was sent this leader's history; from then on it only follows. */
export interface StreamingPeer extends Greeted {
  readonly kind: 'streaming';
  /** The next byte to send. */
  readonly nextLsn: Lsn;
  /** Undefined until the peer has confirmed this leader's history. */
  readonly flushLsn: Lsn | undefined;
  readonly durableLsn: Lsn;
  readonly sentCommitLsn: Lsn;
  readonly sentTick: number;
}

/** A member as it is counted; of a founding membership the incarnations are not known. */
export type Voter = Pick<Member, 'safekeeperId'> & { readonly incarnation: string | undefined };

export type Phase =
  /** Waiting for a quorum of greetings, then for the stragglers' grace. */
  | { readonly kind: 'collecting'; readonly campaignTick: number | undefined }
  | { readonly kind: 'campaigning'; readonly deadlineTick: number }
  | {
      readonly kind: 'leading';
      readonly termHistory: TermHistory;
      readonly termStartLsn: Lsn;
      readonly donor: SafekeeperId;
    }
  | { readonly kind: 'deposed'; readonly term: Term };

/** WAL from before the window, being read for safekeepers that lag. */
export type Fetch =
  /** `failedLsn`: where the last read began, when it could not be made. */
  | { readonly kind: 'none'; readonly failedLsn?: Lsn }
  | { readonly kind: 'waiting'; readonly startLsn: Lsn; readonly endLsn: Lsn }
  | { readonly kind: 'ready'; readonly startLsn: Lsn; readonly bytes: Uint8Array };

export interface ProposerState {
  readonly config: ProposerConfig;
  /** The highest that this proposer knows. */
  readonly membership: Membership;
  /** Its sets, of each of which a quorum must agree. */
  readonly voterSets: readonly (readonly Voter[])[];
  readonly phase: Phase;
  readonly term: Term;
  /** The highest term heard of; the next campaign goes above it. */
  readonly heardTerm: Term;
  readonly tick: number;
  readonly peers: ReadonlyMap<SafekeeperId, Peer>;
  /** `Lsn.ZERO` until this leader has committed. */
  readonly commitLsn: Lsn;
  readonly truncateLsn: Lsn;
  readonly window: WalWindow;
  readonly fetch: Fetch;
}

export type ProposerInput =
  /** Time passes; `random` in [0, 1) spreads campaigns of rivals. */
  | { readonly kind: 'tick'; readonly random: number }
  /** A moment after WAL came or was committed: what waits is sent (P11), and safekeepers hear what is committed. */
  | { readonly kind: 'idle' }
  /** `traceparent` goes into the greeting as it is. */
  | { readonly kind: 'connected'; readonly safekeeper: SafekeeperId; readonly traceparent?: string | undefined }
  | { readonly kind: 'disconnected'; readonly safekeeper: SafekeeperId }
  | { readonly kind: 'received'; readonly safekeeper: SafekeeperId; readonly message: AcceptorMessage }
  /** WAL of this compute, after the first `committed`, exactly at the end of what was given before. */
  | { readonly kind: 'walAvailable'; readonly startLsn: Lsn; readonly bytes: Uint8Array }
  /** The answer to `fetchWal`: the range that was asked for, or the beginning of it. */
  | { readonly kind: 'walFetched'; readonly term: Term; readonly startLsn: Lsn; readonly bytes: Uint8Array }
  /** The answer to `fetchWal` will not come; it is asked again at a later tick. */
  | { readonly kind: 'fetchFailed'; readonly term: Term };

export type ProposerEffect =
  | { readonly kind: 'send'; readonly safekeeper: SafekeeperId; readonly message: ProposerMessage }
  /** Close the connection; the shell connects again after a pause, as after any loss. */
  | { readonly kind: 'disconnect'; readonly safekeeper: SafekeeperId; readonly reason: string }
  /** The safekeeper refused the session; it will close the connection. For the log. */
  | {
      readonly kind: 'refused';
      readonly safekeeper: SafekeeperId;
      readonly code: RefusalCode;
      readonly reason: string;
    }
  /** WAL of this term begins at `startLsn`. May come again with another term and LSN until the first `committed`. */
  | { readonly kind: 'elected'; readonly term: Term; readonly startLsn: Lsn }
  /**
   * A quorum holds everything below `lsn` in this term. The first one has the `startLsn` of the last `elected`: the
   * recovery is over, and that LSN is where the compute's WAL begins.
   */
  | { readonly kind: 'committed'; readonly lsn: Lsn }
  /** The membership is another one: the shell needs the addresses of its members. All but one must be connected anew. */
  | { readonly kind: 'membershipChanged'; readonly membership: Membership }
  /** Another proposer leads. Nothing more may be acknowledged, and no further input has an effect. */
  | { readonly kind: 'deposed'; readonly term: Term }
  /**
   * Read `[startLsn, endLsn)` of this leader's log and answer with `walFetched`: from the donor (`START_REPLICATION`
   * with `term`), or from local files where the range lies at or above the elected `startLsn`.
   */
  | {
      readonly kind: 'fetchWal';
      readonly startLsn: Lsn;
      readonly endLsn: Lsn;
      readonly donor: SafekeeperId;
      readonly term: Term;
    };

export interface ProposerStep {
  readonly state: ProposerState;
  readonly effects: readonly ProposerEffect[];
}

export const voterSets = (config: ProposerConfig, membership: Membership): readonly (readonly Voter[])[] =>
  membership.kind === 'founding'
    ? [config.safekeepers.map((safekeeperId) => ({ safekeeperId, incarnation: undefined }))]
    : Membership.sets(membership);

/** Whether the disk that answered as `safekeeperId` is the one that is meant. */
export const isVoter = (state: ProposerState, safekeeperId: SafekeeperId, incarnation: string): boolean =>
  state.voterSets.some((set) => set.some((voter) => isSame(voter, safekeeperId, incarnation)));

const isSame = (voter: Voter, safekeeperId: SafekeeperId, incarnation: string): boolean =>
  voter.safekeeperId === safekeeperId && (voter.incarnation === undefined || voter.incarnation === incarnation);

/** What answers for a member, once it was greeted in this generation (P9). */
export function peerOf(state: ProposerState, voter: Voter): VotingPeer | undefined {
  const peer = state.peers.get(voter.safekeeperId);
  if (peer === undefined || !isVotingPeer(peer)) return undefined;
  return isSame(voter, voter.safekeeperId, peer.incarnation) ? peer : undefined;
}

export const isVotingPeer = (peer: Peer): peer is VotingPeer =>
  peer.kind !== 'disconnected' && peer.kind !== 'greeting' && peer.kind !== 'stranger';

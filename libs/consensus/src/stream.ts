/** The proposer while it leads: announce, send, commit. Promises are numbered in `proposer.ts`. */
import { Lsn, type SafekeeperId, assert } from '@neon/kernel';
import { APPEND_SIZE_MAX, type AppendRequest, type AppendResponse } from './message';
import { quorumLsn } from './quorum';
import {
  type Fetch,
  type Peer,
  type Phase,
  type ProposerEffect,
  type ProposerInput,
  type ProposerState,
  type ProposerStep,
  type StreamingPeer,
  type Voter,
  isVotingPeer,
  peerOf,
} from './proposer-state';
import { type LogPosition, TermHistory } from './term-history';
import { WalWindow } from './wal-window';

/** Bytes sent to one safekeeper that it has not yet made durable: covers 100 MB/s at a round trip of 40 ms. */
export const IN_FLIGHT_MAX = 4 * 1024 * 1024;

/** P11: less than this waits until what was sent before it is committed. */
export const EAGER_SIZE_MIN = 64 * 1024;

/** Above it the shell stops reading WAL from Postgres, which then waits: no quorum keeps up. */
export const UNCOMMITTED_MAX = 16 * 1024 * 1024;

/** Committed WAL kept in memory for safekeepers that lag a little; those further behind are served by `fetchWal`. */
export const RETAINED_MAX = 16 * 1024 * 1024;

/** One read for safekeepers that lag; divisible by the size of an append. */
export const FETCH_SIZE_MAX = 8 * APPEND_SIZE_MAX;

type Leading = Phase & { kind: 'leading' };

export function leading(state: ProposerState): Leading {
  assert(state.phase.kind === 'leading', 'P3: only a leader sends WAL');
  return state.phase;
}

/** P4: tells a safekeeper this leader's history, and where its own log stops agreeing with it. */
export function announce(state: ProposerState, safekeeper: SafekeeperId, position: LogPosition): ProposerStep {
  const { termHistory } = leading(state);
  const voter = state.peers.get(safekeeper);
  assert(voter !== undefined && isVotingPeer(voter), 'P9: only a member is sent WAL');
  const startLsn = TermHistory.commonPoint(termHistory, position);
  if (startLsn === undefined)
    return {
      state: { ...state, peers: new Map(state.peers).set(safekeeper, { kind: 'disconnected' }) },
      effects: [{ kind: 'disconnect', safekeeper, reason: 'its log is not of this timeline: no common point' }],
    };
  const peer: StreamingPeer = {
    kind: 'streaming',
    incarnation: voter.incarnation,
    nextLsn: startLsn,
    flushLsn: undefined,
    durableLsn: startLsn,
    sentCommitLsn: Lsn.ZERO,
    sentTick: state.tick,
    heardTick: state.tick,
  };
  const announced = { ...state, peers: new Map(state.peers).set(safekeeper, peer) };
  const { generation: membershipGeneration } = state.membership;
  const message = { kind: 'electedRequest', membershipGeneration, term: state.term, startLsn, termHistory } as const;
  return after([{ kind: 'send', safekeeper, message }], pump(announced));
}

export function onAppendResponse(
  state: ProposerState,
  safekeeper: SafekeeperId,
  message: AppendResponse,
): ProposerStep {
  const peer = state.peers.get(safekeeper);
  if (peer?.kind !== 'streaming' || message.term !== state.term) return { state, effects: [] };
  // The answer to something this proposer said in an earlier term: the peer lives, and has confirmed nothing by it.
  if (message.flushLsn === Lsn.ZERO)
    return {
      state: { ...state, peers: new Map(state.peers).set(safekeeper, { ...peer, heardTick: state.tick }) },
      effects: [],
    };
  if (message.flushLsn > peer.nextLsn || message.durableLsn > peer.nextLsn)
    return {
      state: { ...state, peers: new Map(state.peers).set(safekeeper, { kind: 'disconnected' }) },
      effects: [{ kind: 'disconnect', safekeeper, reason: 'it confirms WAL that it was not sent' }],
    };
  const heard: StreamingPeer = {
    ...peer,
    flushLsn: Lsn.max(peer.flushLsn ?? Lsn.ZERO, message.flushLsn),
    durableLsn: Lsn.max(peer.durableLsn, message.durableLsn),
    heardTick: state.tick,
  };
  const next = { ...state, peers: new Map(state.peers).set(safekeeper, heard) };
  const committed = commit(next);
  return after(committed.effects, pump(trim(committed.state)));
}

/** P5: what a quorum has made durable in this term is committed, once it includes the start of the term. */
function commit(state: ProposerState): ProposerStep {
  const { termStartLsn } = leading(state);
  const truncateLsn = Lsn.max(state.truncateLsn, everywhere(state));
  const commitLsn = quorumLsn(state.voterSets, (voter) => confirmed(state, voter)?.flushLsn ?? Lsn.ZERO);
  if (commitLsn < termStartLsn || commitLsn <= state.commitLsn)
    return { state: { ...state, truncateLsn }, effects: [] };
  return { state: { ...state, truncateLsn, commitLsn }, effects: [{ kind: 'committed', lsn: commitLsn }] };
}

/** What a member has confirmed in this term and generation (P9); undefined until it has confirmed this leader's history. */
function confirmed(state: ProposerState, voter: Voter): StreamingPeer | undefined {
  const peer = peerOf(state, voter);
  return peer?.kind === 'streaming' && peer.flushLsn !== undefined ? peer : undefined;
}

/** What every member has: of an old set too, whose members may come back, for as long as it counts. */
function everywhere(state: ProposerState): Lsn {
  const flushed = state.voterSets.map((set) =>
    Lsn.min(Lsn.of(Number.MAX_SAFE_INTEGER), ...set.map((voter) => confirmed(state, voter)?.flushLsn ?? Lsn.ZERO)),
  );
  return Lsn.min(Lsn.of(Number.MAX_SAFE_INTEGER), ...flushed);
}

/** P6. */
export function wantsWal(state: ProposerState): boolean {
  if (state.phase.kind !== 'leading' || state.commitLsn < state.phase.termStartLsn) return false;
  if (state.window.endLsn - state.commitLsn < UNCOMMITTED_MAX) return true;
  const quorumDurableLsn = quorumLsn(state.voterSets, (voter) => confirmed(state, voter)?.durableLsn ?? Lsn.ZERO);
  return state.window.endLsn - Lsn.max(state.commitLsn, quorumDurableLsn) < UNCOMMITTED_MAX;
}

/** Drops what every safekeeper has, and of the committed rest what exceeds its limit. */
function trim(state: ProposerState): ProposerState {
  const excess = Lsn.of(Math.max(0, state.window.endLsn - RETAINED_MAX));
  const held = Lsn.min(state.window.endLsn, everywhere(state));
  const window = WalWindow.dropBelow(state.window, Lsn.max(held, Lsn.min(excess, state.commitLsn)));
  return window === state.window ? state : { ...state, window };
}

/** P3: before the term's start is committed, another campaign may move it, and WAL given so far would not fit. */
export function onWal(state: ProposerState, startLsn: Lsn, bytes: Uint8Array): ProposerStep {
  assert(state.commitLsn !== Lsn.ZERO, 'P3: live WAL comes after the first commit');
  return pump({ ...state, window: WalWindow.append(state.window, startLsn, bytes) });
}

/** The term tells the answer to this leader's question from the answer to one it asked in an earlier campaign. */
export function onFetched(state: ProposerState, input: ProposerInput & { kind: 'walFetched' }): ProposerStep {
  const { fetch } = state;
  if (fetch.kind !== 'waiting' || input.term !== state.term || input.startLsn !== fetch.startLsn)
    return { state, effects: [] };
  return pump({ ...state, fetch: { kind: 'ready', startLsn: input.startLsn, bytes: input.bytes } });
}

/** Sends each safekeeper what it may have, and asks for WAL that is no longer, or not yet, in memory. */
function pump(state: ProposerState, pace: { readonly isOverdue: boolean } = { isOverdue: false }): ProposerStep {
  const isCommitUnderWay = !pace.isOverdue && isUnderWay(state);
  const effects: ProposerEffect[] = [];
  let peers: Map<SafekeeperId, Peer> | undefined;
  for (const [safekeeper, peer] of state.peers) {
    if (peer.kind !== 'streaming' || (isCommitUnderWay && isLittle(state, peer))) continue;
    const next = pumpOne(state, safekeeper, peer, effects);
    if (next !== peer) peers = (peers ?? new Map(state.peers)).set(safekeeper, next);
  }
  return after(effects, considerFetch(peers === undefined ? state : { ...state, peers }));
}

/** P11: whether something was sent that no quorum has confirmed. */
function isUnderWay({ peers, commitLsn }: ProposerState): boolean {
  for (const peer of peers.values()) if (peer.kind === 'streaming' && peer.nextLsn > commitLsn) return true;
  return false;
}

/** P11. */
const isLittle = ({ window }: ProposerState, { nextLsn }: StreamingPeer): boolean =>
  nextLsn >= window.startLsn && window.endLsn - nextLsn < EAGER_SIZE_MIN;

/** P11: whether an `idle` is due soon. */
export function holdsWal(state: ProposerState): boolean {
  if (!isUnderWay(state)) return false;
  for (const peer of state.peers.values())
    if (peer.kind === 'streaming' && peer.nextLsn < state.window.endLsn && isLittle(state, peer)) return true;
  return false;
}

function pumpOne(
  state: ProposerState,
  safekeeper: SafekeeperId,
  peer: StreamingPeer,
  effects: ProposerEffect[],
): StreamingPeer {
  let { nextLsn } = peer;
  for (;;) {
    const room = IN_FLIGHT_MAX - (nextLsn - peer.durableLsn);
    const bytes = room <= 0 ? NOTHING : wal(state, nextLsn);
    if (bytes.length === 0) break;
    effects.push({ kind: 'send', safekeeper, message: sameOrNew(effects, appendRequest(state, nextLsn, bytes)) });
    nextLsn = Lsn.advance(nextLsn, bytes.length);
  }
  if (nextLsn === peer.nextLsn) return peer;
  return { ...peer, nextLsn, sentCommitLsn: state.commitLsn, sentTick: state.tick };
}

/** A message that was just made for another safekeeper, when it says the same: the shell encodes it once. */
function sameOrNew(effects: readonly ProposerEffect[], request: AppendRequest): AppendRequest {
  const last = effects.at(-1);
  if (last?.kind !== 'send' || last.message.kind !== 'appendRequest') return request;
  const { message } = last;
  return message.startLsn === request.startLsn && message.bytes.length === request.bytes.length ? message : request;
}

const NOTHING = new Uint8Array(0);

/** What is in memory of the log at `lsn`, one append's worth at most. */
function wal(state: ProposerState, lsn: Lsn): Uint8Array {
  if (lsn >= state.window.startLsn) return WalWindow.slice(state.window, lsn, APPEND_SIZE_MAX);
  if (state.fetch.kind !== 'ready' || lsn < state.fetch.startLsn) return NOTHING;
  const offset = lsn - state.fetch.startLsn;
  return state.fetch.bytes.subarray(offset, offset + APPEND_SIZE_MAX);
}

/** P11: a moment has passed, or a tick. Who is sent WAL hears with it what was committed. */
export function onIdle(state: ProposerState): ProposerStep {
  const pumped = pump(state, { isOverdue: true });
  return after(pumped.effects, heartbeat(pumped.state));
}

/** Heartbeats: for those that do not know the commit LSN yet, and for those that have heard nothing for long. */
function heartbeat(state: ProposerState): ProposerStep {
  const effects: ProposerEffect[] = [];
  const peers = new Map(state.peers);
  for (const [safekeeper, peer] of state.peers) {
    if (peer.kind !== 'streaming') continue;
    const isDue = peer.sentCommitLsn < state.commitLsn || state.tick - peer.sentTick >= state.config.timing.heartbeat;
    if (!isDue) continue;
    effects.push({ kind: 'send', safekeeper, message: appendRequest(state, peer.nextLsn, NOTHING) });
    peers.set(safekeeper, { ...peer, sentCommitLsn: state.commitLsn, sentTick: state.tick });
  }
  return { state: { ...state, peers }, effects };
}

const appendRequest = (state: ProposerState, startLsn: Lsn, bytes: Uint8Array): AppendRequest => ({
  kind: 'appendRequest',
  membershipGeneration: state.membership.generation,
  term: state.term,
  startLsn,
  commitLsn: state.commitLsn,
  truncateLsn: state.truncateLsn,
  bytes,
});

/** P7. */
export const failed = (fetch: Fetch): Fetch =>
  fetch.kind === 'waiting' ? { kind: 'none', failedLsn: fetch.startLsn } : { kind: 'none' };

/** P7: the lowest, or, after a read that failed, the next one above it. */
function nextFetch(wanting: readonly Lsn[], { fetch }: ProposerState): Lsn | undefined {
  const sorted = [...wanting].sort((a, b) => a - b);
  const failedLsn = fetch.kind === 'none' ? fetch.failedLsn : undefined;
  return (failedLsn === undefined ? undefined : sorted.find((lsn) => lsn > failedLsn)) ?? sorted[0];
}

/** P7. */
function considerFetch(state: ProposerState): ProposerStep {
  if (state.fetch.kind === 'waiting' || (state.fetch.kind === 'none' && !someLag(state))) return { state, effects: [] };
  const lagging = [...state.peers.values()].flatMap((peer) =>
    peer.kind === 'streaming' && peer.nextLsn < state.window.startLsn ? [peer] : [],
  );
  const usable = lagging.some((peer) => wal(state, peer.nextLsn).length > 0);
  const wanting = lagging.filter((peer) => peer.nextLsn - peer.durableLsn < IN_FLIGHT_MAX).map((peer) => peer.nextLsn);
  const startLsn = nextFetch(wanting, state);
  if (usable || startLsn === undefined)
    return { state: lagging.length === 0 ? { ...state, fetch: { kind: 'none' } } : state, effects: [] };
  const endLsn = Lsn.min(Lsn.advance(startLsn, FETCH_SIZE_MAX), state.window.startLsn);
  return {
    state: { ...state, fetch: { kind: 'waiting', startLsn, endLsn } },
    effects: [{ kind: 'fetchWal', startLsn, endLsn, donor: donor(state), term: state.term }],
  };
}

/** Behind what memory holds. */
function someLag(state: ProposerState): boolean {
  for (const peer of state.peers.values())
    if (peer.kind === 'streaming' && peer.nextLsn < state.window.startLsn) return true;
  return false;
}

/** A safekeeper that holds all WAL below the window: the one that gave the vote, or whoever has confirmed most since. */
function donor(state: ProposerState): SafekeeperId {
  const phase = leading(state);
  const streaming = [...state.peers].flatMap(([id, peer]) =>
    peer.kind === 'streaming' && (peer.flushLsn ?? Lsn.ZERO) >= state.window.startLsn ? [id] : [],
  );
  return streaming.includes(phase.donor) ? phase.donor : (streaming[0] ?? phase.donor);
}

const after = (effects: readonly ProposerEffect[], step: ProposerStep): ProposerStep =>
  effects.length === 0 ? step : { state: step.state, effects: [...effects, ...step.effects] };

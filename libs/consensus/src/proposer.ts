/**
 * The proposer: a compute's half of the consensus, for one timeline.
 *
 *   P1  A campaign goes to a term above every term that a quorum of safekeepers knows. While no quorum has greeted, those that
 *       have are greeted anew now and then: they may know of a later membership meanwhile.
 *   P2  A leader has the votes of a quorum, and starts its term at the end of the most advanced log among them, by last
 *       term and then by length. So its log holds everything that was ever committed.
 *   P3  It appends nothing before it is elected, and what it appends begins exactly there.
 *   P4  A safekeeper is sent WAL only from the common point of both logs, after it was sent this leader's history.
 *   P5  Committed is what a quorum has confirmed as durable in this term, and nothing before the start of the term is
 *       reached: WAL of an earlier term is never committed by counting.                                         (I4)
 *   P6  Memory is bounded: `wantsWal` turns false while too much is uncommitted, and appends to a safekeeper stop while
 *       too much is in flight.
 *   P7  WAL that is not in memory is asked for by `fetchWal`, one read at a time, for the safekeeper that lags most; when that WAL
 *       cannot be had, for the next one, so that nobody waits behind what is lost.
 *   P8  A higher term deposes a leader for good. Before it has committed anything it campaigns again instead: until then
 *       nobody relies on where its term starts.                                                                 (I10)
 *   P9  It goes by one membership at a time, the highest it was told of. A quorum is one of each of its sets, of members
 *       that were greeted in its generation, each as the disk that is meant; nobody else votes or counts. A leader goes on
 *       when the membership changes, a candidate begins again.                                                   (I9)
 *   P10 A safekeeper that confirms WAL which it was not sent in this session, or votes with a log that cannot be, is not
 *       believed, and disconnected.
 *   P11 A little WAL waits until what was sent before it is committed, until the next `idle` or tick at most: so commits that
 *       are made at the same time share one append, the same for all safekeepers. Much of it is sent at once.
 *
 * Inputs and effects: `proposer-state.ts`. A recovery is a run without live WAL: the first `committed` ends it, and
 * streaming goes on in the same term from there.
 *
 * @example
 *   let { state } = Proposer.create(config);
 *   ({ state, effects } = Proposer.step(state, { kind: 'connected', safekeeper }));
 */
import { Lsn, type SafekeeperId, Term, unreachable } from '@neon/kernel';
import {
  campaign,
  considerCampaign,
  disconnect,
  greet,
  onGreeting,
  onVoteInCampaign,
  switchMembership,
  withPeer,
} from './election';
import { Membership } from './membership';
import type { AcceptorMessage, VoteResponse } from './message';
import {
  type Peer,
  type ProposerConfig,
  type ProposerEffect,
  type ProposerInput,
  type ProposerState,
  type ProposerStep,
  voterSets,
} from './proposer-state';
import { announce, failed, holdsWal, onAppendResponse, onFetched, onIdle, onWal, wantsWal } from './stream';
import { WalWindow } from './wal-window';

export const Proposer = {
  create: (config: ProposerConfig): ProposerState => ({
    config,
    membership: config.membership,
    voterSets: voterSets(config, config.membership),
    phase: { kind: 'collecting', campaignTick: undefined },
    term: Term.ZERO,
    heardTerm: Term.ZERO,
    tick: 0,
    peers: new Map<SafekeeperId, Peer>(),
    commitLsn: Lsn.ZERO,
    truncateLsn: Lsn.ZERO,
    window: WalWindow.empty(Lsn.ZERO),
    fetch: { kind: 'none' },
  }),

  /** Whether more live WAL may be given; the shell asks before it reads from Postgres (P6). */
  wantsWal,

  /** Whether WAL waits for a commit; if that takes long, the shell ends the wait by `idle` (P11). */
  holdsWal,

  step(state: ProposerState, input: ProposerInput): ProposerStep {
    if (state.phase.kind === 'deposed') return still(state);
    switch (input.kind) {
      case 'tick':
        return onTick({ ...state, tick: state.tick + 1 }, input);
      case 'idle':
        return state.phase.kind === 'leading' ? onIdle(state) : still(state);
      case 'connected':
        return greet(state, input);
      case 'disconnected':
        return still(withPeer(state, input.safekeeper, { kind: 'disconnected' }));
      case 'received':
        return receive(state, input);
      case 'walAvailable':
        return state.phase.kind === 'leading' ? onWal(state, input.startLsn, input.bytes) : still(state);
      case 'walFetched':
        return state.phase.kind === 'leading' ? onFetched(state, input) : still(state);
      case 'fetchFailed':
        return still(input.term === state.term ? { ...state, fetch: failed(state.fetch) } : state);
      default:
        return unreachable(input);
    }
  },
};

const still = (state: ProposerState): ProposerStep => ({ state, effects: [] });

function receive(state: ProposerState, input: ProposerInput & { kind: 'received' }): ProposerStep {
  const { safekeeper, message } = input;
  if ((state.peers.get(safekeeper)?.kind ?? 'disconnected') === 'disconnected') return still(state);
  if (message.kind === 'sessionRefused')
    return {
      state: withPeer(state, safekeeper, { kind: 'disconnected' }),
      effects: [{ kind: 'refused', safekeeper, code: message.code, reason: message.reason }],
    };
  if (message.kind === 'greetingResponse' && Membership.supersedes(message.membership, state.membership))
    return onHigherMembership(state, input, message.membership);
  const generation = message.kind === 'greetingResponse' ? message.membership.generation : message.membershipGeneration;
  if (generation !== state.membership.generation)
    return disconnect(state, safekeeper, `membership generation ${generation}, here ${state.membership.generation}`);
  if (state.phase.kind === 'leading' && message.term > state.term) return overtaken(state, message.term);
  return dispatch(state, input, message);
}

/** P9. The one who told was greeted in it already. */
function onHigherMembership(
  state: ProposerState,
  input: ProposerInput & { kind: 'received' },
  membership: Membership,
): ProposerStep {
  const switched = switchMembership(state, membership, input.safekeeper);
  const answered = receive(switched.state, input);
  return { state: answered.state, effects: [...switched.effects, ...answered.effects] };
}

function dispatch(
  state: ProposerState,
  { safekeeper }: { readonly safekeeper: SafekeeperId },
  message: Exclude<AcceptorMessage, { kind: 'sessionRefused' }>,
): ProposerStep {
  switch (message.kind) {
    case 'greetingResponse':
      return onGreeting(state, safekeeper, message);
    case 'voteResponse':
      if (state.phase.kind === 'campaigning') return onVoteInCampaign(state, safekeeper, message);
      return state.phase.kind === 'leading' ? onLateVote(state, safekeeper, message) : still(state);
    case 'appendResponse':
      return state.phase.kind === 'leading' ? onAppendResponse(state, safekeeper, message) : still(state);
    default:
      return unreachable(message);
  }
}

/** A safekeeper that answers when the election is over, or that came back: whether it voted or not, its position counts. */
function onLateVote(state: ProposerState, safekeeper: SafekeeperId, message: VoteResponse): ProposerStep {
  if (message.term !== state.term || state.peers.get(safekeeper)?.kind !== 'voting') return still(state);
  return announce(state, safekeeper, message);
}

/** P8. */
function overtaken(state: ProposerState, term: Term): ProposerStep {
  if (state.commitLsn === Lsn.ZERO) return campaign({ ...state, heardTerm: term }, { random: 0 });
  return { state: { ...state, phase: { kind: 'deposed', term } }, effects: [{ kind: 'deposed', term }] };
}

function onTick(state: ProposerState, chance: { readonly random: number }): ProposerStep {
  const silenced = dropSilent(state);
  const next = timeToAct(silenced.state, chance);
  return { state: next.state, effects: [...silenced.effects, ...next.effects] };
}

function timeToAct(state: ProposerState, chance: { readonly random: number }): ProposerStep {
  switch (state.phase.kind) {
    case 'collecting':
      return considerCampaign(state);
    case 'campaigning':
      return state.tick >= state.phase.deadlineTick ? campaign(state, chance) : still(state);
    case 'leading':
      return onIdle(state);
    case 'deposed':
      return still(state);
    default:
      return unreachable(state.phase);
  }
}

function dropSilent(state: ProposerState): ProposerStep {
  let next = state;
  const effects: ProposerEffect[] = [];
  for (const [safekeeper, peer] of state.peers) {
    const reason = reasonToDrop(state, peer);
    if (reason === undefined) continue;
    const dropped = disconnect(next, safekeeper, reason);
    next = dropped.state;
    effects.push(...dropped.effects);
  }
  return { state: next, effects };
}

/** Of one that owes an answer; and of one that waits for this proposer, once what its greeting said may be outdated (P1). */
function reasonToDrop({ config, phase, tick }: ProposerState, peer: Peer): string | undefined {
  const { silence, campaign: patience } = config.timing;
  switch (peer.kind) {
    case 'disconnected':
    case 'stranger':
      return undefined;
    case 'greeting':
    case 'voting':
    case 'streaming':
      return tick - peer.heardTick >= silence ? `silent for ${silence} ticks` : undefined;
    case 'greeted':
    case 'voted':
      return phase.kind === 'collecting' && tick - peer.heardTick >= patience
        ? `greeted ${patience} ticks ago, and no quorum since`
        : undefined;
    default:
      return unreachable(peer);
  }
}

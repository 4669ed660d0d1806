/** The proposer until it leads: collect terms, campaign, win. Promises are numbered in `proposer.ts`. */
import { Lsn, type SafekeeperId, Term } from '@neon/kernel';
import type { Membership } from './membership';
import type { GreetingResponse, VoteResponse } from './message';
import {
  type Peer,
  type ProposerEffect,
  type ProposerInput,
  type ProposerState,
  type ProposerStep,
  type Voter,
  isVoter,
  isVotingPeer,
  peerOf,
  voterSets,
} from './proposer-state';
import { isQuorum } from './quorum';
import { announce } from './stream';
import { type LogPosition, TermHistory } from './term-history';
import { WalWindow } from './wal-window';

type Voted = Peer & { kind: 'voted' };

export function greet(state: ProposerState, connected: ProposerInput & { kind: 'connected' }): ProposerStep {
  const { config, tick } = state;
  const { safekeeper, traceparent } = connected;
  return {
    state: withPeer(state, safekeeper, { kind: 'greeting', heardTick: tick }),
    effects: [
      {
        kind: 'send',
        safekeeper,
        message: {
          kind: 'greetingRequest',
          membership: state.membership,
          identity: config.identity,
          token: config.token,
          ...(traceparent === undefined ? {} : { traceparent }),
        },
      },
    ],
  };
}

export function onGreeting(state: ProposerState, safekeeper: SafekeeperId, message: GreetingResponse): ProposerStep {
  if (message.safekeeperId !== safekeeper)
    return disconnect(state, safekeeper, `it is safekeeper ${message.safekeeperId}, not ${safekeeper}`);
  const { incarnation, term } = message;
  if (!isVoter(state, safekeeper, incarnation))
    return { state: withPeer(state, safekeeper, { kind: 'stranger' }), effects: [] };
  const next = withPeer({ ...state, heardTerm: Term.of(Math.max(state.heardTerm, term)) }, safekeeper, {
    kind: 'greeted',
    incarnation,
    term,
    heardTick: state.tick,
  });
  if (next.phase.kind === 'collecting') return considerCampaign(next);
  return askVote(next, safekeeper, incarnation);
}

/** P9. Answers to what was asked in the former membership would count for nothing, so its sessions end. */
export function switchMembership(state: ProposerState, membership: Membership, teller: SafekeeperId): ProposerStep {
  const effects: ProposerEffect[] = [{ kind: 'membershipChanged', membership }];
  const peers = new Map(state.peers);
  for (const [safekeeper, peer] of state.peers) {
    if (safekeeper === teller || peer.kind === 'disconnected') continue;
    peers.set(safekeeper, { kind: 'disconnected' });
    effects.push({ kind: 'disconnect', safekeeper, reason: `membership generation is ${membership.generation} now` });
  }
  const phase =
    state.phase.kind === 'leading' ? state.phase : ({ kind: 'collecting', campaignTick: undefined } as const);
  return { state: { ...state, membership, voterSets: voterSets(state.config, membership), peers, phase }, effects };
}

/** P1. A campaign begins when everyone has greeted, or when a quorum has and the stragglers had their time. */
export function considerCampaign(state: ProposerState): ProposerStep {
  if (state.phase.kind !== 'collecting') return { state, effects: [] };
  const hasGreeted = (voter: Voter): boolean => peerOf(state, voter)?.kind === 'greeted';
  if (!isQuorum(state.voterSets, hasGreeted)) return { state, effects: [] };
  const campaignTick = state.phase.campaignTick ?? state.tick + state.config.timing.greetingGrace;
  const isComplete = state.voterSets.every((set) => set.every(hasGreeted));
  if (isComplete || state.tick >= campaignTick) return campaign(state, { random: 0 });
  return { state: { ...state, phase: { kind: 'collecting', campaignTick } }, effects: [] };
}

export function campaign(state: ProposerState, chance: { readonly random: number }): ProposerStep {
  const { campaign: patience } = state.config.timing;
  const deadlineTick = state.tick + patience + Math.floor(chance.random * patience);
  const term = Term.next(Term.of(Math.max(state.heardTerm, state.term)));
  let next: ProposerState = { ...state, term, heardTerm: term, phase: { kind: 'campaigning', deadlineTick } };
  const effects: ProposerEffect[] = [];
  for (const [safekeeper, peer] of state.peers) {
    if (!isVotingPeer(peer)) continue;
    const asked = askVote(next, safekeeper, peer.incarnation);
    next = asked.state;
    effects.push(...asked.effects);
  }
  return { state: next, effects };
}

function askVote(state: ProposerState, safekeeper: SafekeeperId, incarnation: string): ProposerStep {
  const { generation: membershipGeneration } = state.membership;
  return {
    state: withPeer(state, safekeeper, { kind: 'voting', incarnation, heardTick: state.tick }),
    effects: [{ kind: 'send', safekeeper, message: { kind: 'voteRequest', membershipGeneration, term: state.term } }],
  };
}

/** An answer in a campaign. One for an earlier campaign of this proposer proves nothing and is passed over. */
export function onVoteInCampaign(state: ProposerState, safekeeper: SafekeeperId, message: VoteResponse): ProposerStep {
  const heardTerm = Term.of(Math.max(state.heardTerm, message.term));
  const peer = state.peers.get(safekeeper);
  if (message.term < state.term || peer === undefined || !isVotingPeer(peer))
    return { state: { ...state, heardTerm }, effects: [] };
  const granted = message.granted && message.term === state.term;
  const position: LogPosition = { termHistory: message.termHistory, flushLsn: message.flushLsn };
  // P10: whoever grants a term has seen none as high, and its log does not end before it begins.
  const isPossible =
    TermHistory.last(position.termHistory).term < message.term &&
    TermHistory.startLsn(position.termHistory) <= position.flushLsn;
  if (granted && !isPossible) return disconnect(state, safekeeper, 'its vote comes with an impossible log');
  const next = withPeer(
    { ...state, heardTerm, truncateLsn: Lsn.max(state.truncateLsn, message.truncateLsn) },
    safekeeper,
    { kind: 'voted', incarnation: peer.incarnation, granted, position, heardTick: state.tick },
  );
  const hasGranted = (voter: Voter): boolean => {
    const voted = peerOf(next, voter);
    return voted?.kind === 'voted' && voted.granted;
  };
  if (!isQuorum(next.voterSets, hasGranted)) return { state: next, effects: [] };
  const grants = [...next.peers].flatMap(([id, voted]) =>
    voted.kind === 'voted' && voted.granted ? [[id, voted] as const] : [],
  );
  return win(next, grants);
}

/** P2, P3: the most advanced log among the voters is this leader's log up to its own start. */
function win(state: ProposerState, grants: readonly (readonly [SafekeeperId, Voted])[]): ProposerStep {
  const [donor, best] = grants.reduce((a, b) => (TermHistory.compareLogs(b[1].position, a[1].position) > 0 ? b : a));
  const termStartLsn = best.position.flushLsn;
  const reached = TermHistory.upTo(best.position.termHistory, termStartLsn);
  const termHistory = TermHistory.append(reached, state.term, termStartLsn);
  let next: ProposerState = {
    ...state,
    phase: { kind: 'leading', termHistory, termStartLsn, donor },
    window: WalWindow.empty(termStartLsn),
    fetch: { kind: 'none' },
  };
  const effects: ProposerEffect[] = [{ kind: 'elected', term: state.term, startLsn: termStartLsn }];
  for (const [safekeeper, peer] of state.peers) {
    if (peer.kind !== 'voted' || !peer.granted) continue;
    const announced = announce(next, safekeeper, peer.position);
    next = announced.state;
    effects.push(...announced.effects);
  }
  return { state: next, effects };
}

export const withPeer = (state: ProposerState, safekeeper: SafekeeperId, peer: Peer): ProposerState => ({
  ...state,
  peers: new Map(state.peers).set(safekeeper, peer),
});

export const disconnect = (state: ProposerState, safekeeper: SafekeeperId, reason: string): ProposerStep => ({
  state: withPeer(state, safekeeper, { kind: 'disconnected' }),
  effects: [{ kind: 'disconnect', safekeeper, reason }],
});

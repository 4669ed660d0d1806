/** The proposer until it leads: collect terms, campaign, win. Promises are numbered in `proposer.ts`. */
import { Lsn, type SafekeeperId, Term } from '@neon/kernel';
import { PROTOCOL_VERSION, type GreetingResponse, type VoteResponse } from './message';
import { quorumSize } from './quorum';
import type { Peer, ProposerEffect, ProposerInput, ProposerState, ProposerStep } from './proposer-state';
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
          protocolVersion: PROTOCOL_VERSION,
          membershipGeneration: config.membershipGeneration,
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
  const next = withPeer({ ...state, heardTerm: Term.of(Math.max(state.heardTerm, message.term)) }, safekeeper, {
    kind: 'greeted',
    term: message.term,
    heardTick: state.tick,
  });
  if (next.phase.kind === 'collecting') return considerCampaign(next);
  return askVote(next, safekeeper);
}

/** P1. A campaign begins when everyone has greeted, or when a quorum has and the stragglers had their time. */
export function considerCampaign(state: ProposerState): ProposerStep {
  if (state.phase.kind !== 'collecting') return { state, effects: [] };
  const count = [...state.peers.values()].filter((peer) => peer.kind === 'greeted').length;
  if (count < quorumSize(state.config)) return { state, effects: [] };
  const campaignTick = state.phase.campaignTick ?? state.tick + state.config.timing.greetingGrace;
  if (count === state.config.safekeepers.length || state.tick >= campaignTick) return campaign(state, { random: 0 });
  return { state: { ...state, phase: { kind: 'collecting', campaignTick } }, effects: [] };
}

export function campaign(state: ProposerState, chance: { readonly random: number }): ProposerStep {
  const { campaign: patience } = state.config.timing;
  const deadlineTick = state.tick + patience + Math.floor(chance.random * patience);
  const term = Term.next(Term.of(Math.max(state.heardTerm, state.term)));
  let next: ProposerState = { ...state, term, heardTerm: term, phase: { kind: 'campaigning', deadlineTick } };
  const effects: ProposerEffect[] = [];
  for (const [safekeeper, peer] of state.peers) {
    if (peer.kind === 'disconnected' || peer.kind === 'greeting') continue;
    const asked = askVote(next, safekeeper);
    next = asked.state;
    effects.push(...asked.effects);
  }
  return { state: next, effects };
}

function askVote(state: ProposerState, safekeeper: SafekeeperId): ProposerStep {
  const { membershipGeneration } = state.config;
  return {
    state: withPeer(state, safekeeper, { kind: 'voting', heardTick: state.tick }),
    effects: [{ kind: 'send', safekeeper, message: { kind: 'voteRequest', membershipGeneration, term: state.term } }],
  };
}

/** An answer in a campaign. One for an earlier campaign of this proposer proves nothing and is passed over. */
export function onVoteInCampaign(state: ProposerState, safekeeper: SafekeeperId, message: VoteResponse): ProposerStep {
  const heardTerm = Term.of(Math.max(state.heardTerm, message.term));
  if (message.term < state.term) return { state: { ...state, heardTerm }, effects: [] };
  const granted = message.granted && message.term === state.term;
  const position: LogPosition = { termHistory: message.termHistory, flushLsn: message.flushLsn };
  const next = withPeer(
    { ...state, heardTerm, truncateLsn: Lsn.max(state.truncateLsn, message.truncateLsn) },
    safekeeper,
    { kind: 'voted', granted, position, heardTick: state.tick },
  );
  const grants = [...next.peers].flatMap(([id, peer]) =>
    peer.kind === 'voted' && peer.granted ? [[id, peer] as const] : [],
  );
  return grants.length >= quorumSize(next.config) ? win(next, grants) : { state: next, effects: [] };
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

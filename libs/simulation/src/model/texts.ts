/** Texts that are equal for equal parts of a state, and for no others. */
import { Membership, Member, type ProposerMessage, type ProposerState, type TermHistory } from '@neon/consensus';
import { unreachable } from '@neon/kernel';
import type { ModelAcceptor } from './parties';

const historyText = (history: TermHistory): string =>
  history.map(({ term, startLsn }) => `${term}@${startLsn}`).join(' ');

export const membershipText = (membership: Membership): string =>
  [
    membership.generation,
    membership.kind,
    ...Membership.sets(membership).map((set) => set.map(Member.key).sort().join()),
  ].join(' ');

export const acceptorText = ({ state, entries }: ModelAcceptor): string =>
  [
    membershipText(state.membership),
    state.term,
    historyText(state.termHistory),
    state.commitLsn,
    state.heardCommitLsn,
    state.writeLsn,
    state.flushLsn,
    entries.join(''),
  ].join('|');

export function messageText(message: ProposerMessage): string {
  switch (message.kind) {
    case 'greetingRequest':
      return `greet ${membershipText(message.membership)}`;
    case 'voteRequest':
      return `vote ${message.membershipGeneration} ${message.term}`;
    case 'electedRequest':
      return `elected ${message.membershipGeneration} ${message.startLsn} ${historyText(message.termHistory)}`;
    case 'appendRequest':
      return `append ${message.membershipGeneration} ${message.term} ${message.startLsn} ${message.commitLsn} ${message.truncateLsn} ${message.bytes.join('')}`;
    default:
      return unreachable(message);
  }
}

export function proposerText(state: ProposerState): string {
  const { phase } = state;
  const leading = phase.kind === 'leading' ? historyText(phase.termHistory) : '';
  const peers = [...state.peers].map(([id, peer]) => {
    switch (peer.kind) {
      case 'voted':
        return `${id} voted ${peer.granted} ${peer.position.flushLsn} ${historyText(peer.position.termHistory)}`;
      case 'streaming':
        return `${id} streaming ${peer.nextLsn} ${peer.flushLsn} ${peer.durableLsn}`;
      case 'greeted':
        return `${id} greeted ${peer.term}`;
      default:
        return `${id} ${peer.kind}`;
    }
  });
  const { generation } = state.membership;
  return [
    membershipText(state.membership),
    generation,
    phase.kind,
    leading,
    state.term,
    state.heardTerm,
    state.commitLsn,
    state.window.endLsn,
    ...peers,
  ].join('|');
}

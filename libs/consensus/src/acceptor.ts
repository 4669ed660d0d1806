/**
 * The acceptor: a safekeeper's half of the consensus, for one timeline.
 *
 *   A1  A vote is durable before it is answered, and a term is voted for once.                                      (I1)
 *   A2  `flushLsn` is durable before anyone is told, in a vote or in an answer to an append.                        (I2)
 *   A3  `commitLsn <= flushLsn`; it never falls, and both are ends of records.                                      (I3)
 *   A4  The log is never cut below `commitLsn`.                                                                     (I5)
 *   A5  The log is cut before the leader's history is adopted: no byte is ever attributed to a term it was not written in.
 *   A6  Bytes are appended exactly at the end of the log, from a leader whose history was adopted in this term.     (I7)
 *   A7  A message of another membership generation changes nothing but, by a greeting of a higher one, the membership;
 *       one that is not a member neither votes nor takes WAL.                                                       (I9)
 *   A8  Once a term is voted for, no append of an earlier term is acknowledged: its leader is told the term instead, (I10)
 *       and no position: what this log holds is not confirmed in the later term before its leader has announced itself.
 *   A9  The membership generation never falls, and is durable before anyone is told of it or served in it. With it every
 *       session of an earlier one ends, so that nothing is confirmed in a generation in which it was not asked.
 *   A10 While nobody leads it, a member takes what is committed from another one that knows it, as if its leader had brought it:
 *       the log is cut to the common point and the history of what is committed adopted, durably, before a byte of it is
 *       written. Its position never falls by that, its term may rise, and it confirms nothing to anybody.
 *
 * The shell performs effects in order; a crash may fall between any two. `step` never throws on what a peer sends.
 */
import { Lsn, type Term, assert, unreachable } from '@neon/kernel';
import {
  AcceptorState,
  type AcceptorEffect,
  type AcceptorInput,
  type AcceptorStep,
  type SessionId,
} from './acceptor-state';
import { Membership } from './membership';
import type {
  AppendRequest,
  AppendResponse,
  ElectedRequest,
  GreetingRequest,
  ProposerMessage,
  RefusalCode,
  TimelineIdentity,
  VoteRequest,
} from './message';
import { TermHistory } from './term-history';

export const Acceptor = {
  step(state: AcceptorState, input: AcceptorInput): AcceptorStep {
    switch (input.kind) {
      case 'received':
        return receive(state, input.session, input.message);
      case 'disconnected':
        return still(state.leader === input.session ? { ...state, leader: undefined } : state);
      case 'written':
        assert(input.endLsn >= state.writeLsn && input.recordEndLsn <= input.endLsn, 'A6: the log grows at its end');
        return still({ ...state, writeLsn: input.endLsn, writeRecordLsn: input.recordEndLsn });
      case 'flushed':
        return onFlushed(state, input);
      case 'chosen':
        return onChosen(state, input);
      case 'learned':
        return onLearned(state, input);
      case 'configure':
        return onConfigure(state, input);
      case 'save':
        return state.commitLsn > state.savedCommitLsn ? saveCommit(state) : still(state);
      default:
        return unreachable(input);
    }
  },
};

const still = (state: AcceptorState): AcceptorStep => ({ state, effects: [] });

function receive(state: AcceptorState, session: SessionId, message: ProposerMessage): AcceptorStep {
  if (message.kind === 'greetingRequest') return onGreeting(state, session, message);
  const { generation } = state.membership;
  if (message.membershipGeneration !== generation) return mismatch(state, session, message.membershipGeneration);
  if (!Membership.includes(state.membership, AcceptorState.member(state)))
    return refuse(state, session, 'MembershipMismatch', { reason: `not a member in generation ${generation}` });
  switch (message.kind) {
    case 'voteRequest':
      return onVote(state, session, message);
    case 'electedRequest':
      return onElected(state, session, message);
    case 'appendRequest':
      return onAppend(state, session, message);
    default:
      return unreachable(message);
  }
}

/** One of a lower generation is answered too: it learns the membership from the answer. */
function onGreeting(state: AcceptorState, session: SessionId, message: GreetingRequest): AcceptorStep {
  const difference = identityDifference(message.identity, state.identity);
  if (difference !== undefined) return refuse(state, session, 'IdentityMismatch', { reason: difference });
  const adopted = adopt(state, { membership: message.membership, minTerm: state.term });
  const { membership, safekeeperId, incarnation, term } = adopted.state;
  // What is no list cannot be adopted, and nothing else is above this generation now.
  if (message.membership.generation > membership.generation)
    return mismatch(state, session, message.membership.generation);
  const greeting = reply(adopted.state, session, {
    kind: 'greetingResponse',
    membership,
    safekeeperId,
    incarnation,
    term,
  });
  return { state: greeting.state, effects: [...adopted.effects, ...greeting.effects] };
}

/** A9. Everything written becomes durable first, so that the position in the answer is (A2). */
function onConfigure(state: AcceptorState, input: AcceptorInput & { kind: 'configure' }): AcceptorStep {
  const flushed = allFlushed(state);
  const adopted = adopt(flushed.state, input);
  const answer: AcceptorEffect = {
    kind: 'answer',
    request: input.request,
    position: AcceptorState.position(adopted.state),
  };
  return { state: adopted.state, effects: [...flushed.effects, ...adopted.effects, answer] };
}

/** A9. A term is raised only in the generation that was meant. */
function adopt(
  state: AcceptorState,
  wanted: { readonly membership: Membership; readonly minTerm: Term },
): AcceptorStep {
  const isSuperseded = Membership.supersedes(wanted.membership, state.membership);
  const membership = isSuperseded ? wanted.membership : state.membership;
  const isMeant = membership.generation === wanted.membership.generation;
  const term = isMeant && wanted.minTerm > state.term ? wanted.minTerm : state.term;
  if (!isSuperseded && term === state.term) return still(state);
  const next: AcceptorState = { ...state, membership, term, leader: undefined };
  const { leader: session } = state;
  const told =
    session === undefined ? [] : isSuperseded ? ended(next, session, state.membership) : deposed(next, session);
  return { state: saved(next), effects: [persist(next), ...told] };
}

/** The leader need not send another append to learn of it. */
const ended = (next: AcceptorState, session: SessionId, former: Membership): readonly AcceptorEffect[] =>
  mismatch(next, session, former.generation).effects;
const deposed = (next: AcceptorState, session: SessionId): readonly AcceptorEffect[] => [
  { kind: 'send', session, message: termAlone(next) },
];

function identityDifference(theirs: TimelineIdentity, ours: TimelineIdentity): string | undefined {
  const fields = ['tenantId', 'timelineId', 'pgMajor', 'systemId', 'walSegmentSize'] as const;
  const differing = fields.find((field) => theirs[field] !== ours[field]);
  return differing && `${differing} ${theirs[differing]}, here ${ours[differing]}`;
}

/** Everything written becomes durable first, so that the position in the answer is (A2) and stays the end of this log. */
function onVote(state: AcceptorState, session: SessionId, message: VoteRequest): AcceptorStep {
  const granted = message.term > state.term;
  const flushed = allFlushed(state);
  const next = granted ? { ...flushed.state, term: message.term, leader: undefined } : flushed.state;
  const effects: AcceptorEffect[] = [...flushed.effects];
  if (granted) effects.push(persist(next));
  effects.push({
    kind: 'send',
    session,
    message: {
      kind: 'voteResponse',
      membershipGeneration: next.membership.generation,
      term: next.term,
      granted,
      flushLsn: next.flushLsn,
      truncateLsn: next.truncateLsn,
      termHistory: TermHistory.upTo(next.termHistory, next.flushLsn),
    },
  });
  if (granted && state.leader !== undefined && state.leader !== session) effects.push(...deposed(next, state.leader));
  return { state: granted ? saved(next) : next, effects };
}

function allFlushed(state: AcceptorState): AcceptorStep {
  if (state.durableLsn === state.writeLsn) return still(state);
  const next = withCommit({ ...state, durableLsn: state.writeLsn, flushLsn: state.writeRecordLsn });
  return { state: next, effects: [{ kind: 'flush' }] };
}

function onElected(state: AcceptorState, session: SessionId, message: ElectedRequest): AcceptorStep {
  if (message.term < state.term) return reply(state, session, termAlone(state));
  if (TermHistory.last(message.termHistory).term !== message.term)
    return refuse(state, session, 'MalformedMessage', { reason: 'the history does not end in the elected term' });
  const common = TermHistory.commonPoint(message.termHistory, state);
  if (common !== message.startLsn)
    return refuse(state, session, 'CommonPointMismatch', {
      reason: `start ${Lsn.format(message.startLsn)}, common point ${common === undefined ? 'none' : Lsn.format(common)}`,
    });
  if (common < state.commitLsn)
    return refuse(state, session, 'BelowCommit', {
      reason: `start ${Lsn.format(common)}, committed ${Lsn.format(state.commitLsn)}`,
    });
  const next: AcceptorState = {
    ...state,
    term: message.term,
    termHistory: message.termHistory,
    heardCommitLsn: state.commitLsn,
    ...logEndingAt(common),
    truncationCount: state.truncationCount + 1,
    leader: session,
  };
  const effects: AcceptorEffect[] = [];
  if (state.writeLsn > common) effects.push({ kind: 'truncate', endLsn: common });
  if (next.term !== state.term || !TermHistory.equal(next.termHistory, state.termHistory)) effects.push(persist(next));
  return { state: saved(next), effects: [...effects, { kind: 'send', session, message: progress(next) }] };
}

const logEndingAt = (lsn: Lsn): Pick<AcceptorState, 'writeLsn' | 'writeRecordLsn' | 'durableLsn' | 'flushLsn'> => ({
  writeLsn: lsn,
  writeRecordLsn: lsn,
  durableLsn: lsn,
  flushLsn: lsn,
});

function onAppend(state: AcceptorState, session: SessionId, message: AppendRequest): AcceptorStep {
  if (message.term < state.term) return reply(state, session, termAlone(state));
  if (message.term > state.term || TermHistory.last(state.termHistory).term !== message.term)
    return refuse(state, session, 'NotElected', { reason: `append in term ${message.term} before it was announced` });
  if (message.bytes.length > 0 && message.startLsn !== state.writeLsn)
    return refuse(state, session, 'LogGap', {
      reason: `append at ${Lsn.format(message.startLsn)}, log ends at ${Lsn.format(state.writeLsn)}`,
    });
  const next = withCommit({
    ...state,
    leader: session,
    heardCommitLsn: Lsn.max(state.heardCommitLsn, message.commitLsn),
    truncateLsn: Lsn.max(state.truncateLsn, message.truncateLsn),
  });
  if (message.bytes.length === 0) return withSave(reply(next, session, progress(next)));
  return withSave({
    state: next,
    effects: [{ kind: 'write', startLsn: message.startLsn, bytes: message.bytes }],
  });
}

function onFlushed(state: AcceptorState, input: AcceptorInput & { kind: 'flushed' }): AcceptorStep {
  if (input.truncationCount !== state.truncationCount || input.endLsn <= state.durableLsn) return still(state);
  assert(input.endLsn <= state.writeLsn && input.recordEndLsn <= input.endLsn, 'A2: what is durable was written');
  const next = withCommit({
    ...state,
    durableLsn: input.endLsn,
    flushLsn: Lsn.max(state.flushLsn, input.recordEndLsn),
  });
  // After a vote for a later term there is nobody to tell: `leader` was cleared (A8).
  return withSave(next.leader === undefined ? still(next) : reply(next, next.leader, progress(next)));
}

/** As if its leader had said so; only while this log is that leader's, for then it is a prefix of what was chosen. */
function onChosen(state: AcceptorState, { term, endLsn }: AcceptorInput & { kind: 'chosen' }): AcceptorStep {
  if (TermHistory.last(state.termHistory).term !== term) return still(state);
  return withSave(still(hear(state, endLsn)));
}

type Learned = AcceptorInput & { kind: 'learned' };

/** A10. */
function onLearned(state: AcceptorState, input: Learned): AcceptorStep {
  const isMember = Membership.includes(state.membership, AcceptorState.member(state));
  if (state.leader !== undefined || !isMember || input.endLsn <= state.commitLsn) return still(state);
  const history = TermHistory.below(input.termHistory, input.endLsn);
  if (TermHistory.equal(TermHistory.compact(state.termHistory), history)) return append(state, input);
  const flushed = allFlushed(state);
  const common = TermHistory.commonPoint(history, flushed.state);
  // A log that does not hold what is committed here, or is behind this one, is not what it is said to be.
  const isBehind = TermHistory.last(history).term < AcceptorState.lastLogTerm(flushed.state);
  if (common === undefined || common < flushed.state.commitLsn) return flushed;
  if (common >= input.endLsn) return join(flushed, (next) => withSave(still(hear(next, input.endLsn))));
  return isBehind ? flushed : join(flushed, (next) => follow(next, history, { common, endLsn: input.endLsn }));
}

/** The same log: it goes on at its end. */
function append(state: AcceptorState, { startLsn, endLsn, bytes }: Learned): AcceptorStep {
  const next = hear(state, endLsn);
  const isNext = startLsn === state.writeLsn && bytes.length > 0 && Lsn.advance(startLsn, bytes.length) <= endLsn;
  return withSave({ state: next, effects: isNext ? [{ kind: 'write', startLsn, bytes }] : [] });
}

/** A5, as for a leader. */
function follow(
  state: AcceptorState,
  termHistory: TermHistory,
  { common, endLsn }: { readonly common: Lsn; readonly endLsn: Lsn },
): AcceptorStep {
  const { term } = TermHistory.last(termHistory);
  const next = withCommit({
    ...state,
    term: term > state.term ? term : state.term,
    termHistory,
    heardCommitLsn: endLsn,
    ...logEndingAt(common),
    truncationCount: state.truncationCount + 1,
  });
  const effects: AcceptorEffect[] = state.writeLsn > common ? [{ kind: 'truncate', endLsn: common }] : [];
  return { state: saved(next), effects: [...effects, persist(next)] };
}

const hear = (state: AcceptorState, commitLsn: Lsn): AcceptorState =>
  withCommit({ ...state, heardCommitLsn: Lsn.max(state.heardCommitLsn, commitLsn) });

function join(first: AcceptorStep, then: (state: AcceptorState) => AcceptorStep): AcceptorStep {
  const second = then(first.state);
  return { state: second.state, effects: [...first.effects, ...second.effects] };
}

/** A3. What is heard may be ahead of this log, which is a prefix of the leader's; so the smaller of both is committed. */
function withCommit(state: AcceptorState): AcceptorState {
  const commitLsn = Lsn.max(state.commitLsn, Lsn.min(state.heardCommitLsn, state.flushLsn));
  return commitLsn === state.commitLsn ? state : { ...state, commitLsn };
}

/**
 * The control file follows the commit LSN when the WAL enters another segment, which bounds the scan after a restart,
 * and when the leader's own start becomes committed, which is the end of a recovery.
 */
function withSave(step: AcceptorStep): AcceptorStep {
  const { commitLsn, savedCommitLsn, identity, termHistory } = step.state;
  const segment = (lsn: Lsn) => Math.floor(lsn / identity.walSegmentSize);
  const termStartLsn = TermHistory.last(termHistory).startLsn;
  const reachesTermStart = savedCommitLsn < termStartLsn && commitLsn >= termStartLsn;
  if (segment(commitLsn) === segment(savedCommitLsn) && !reachesTermStart) return step;
  const save = saveCommit(step.state);
  return { state: save.state, effects: [...step.effects, ...save.effects] };
}

const saveCommit = (state: AcceptorState): AcceptorStep => ({
  state: saved(state),
  effects: [{ kind: 'persist', state: AcceptorState.durable(state), wait: false }],
});

const saved = (state: AcceptorState): AcceptorState => ({ ...state, savedCommitLsn: state.commitLsn });

const persist = (state: AcceptorState): AcceptorEffect => ({
  kind: 'persist',
  state: AcceptorState.durable(state),
  wait: true,
});

const progress = (state: AcceptorState): AppendResponse => ({
  kind: 'appendResponse',
  membershipGeneration: state.membership.generation,
  term: state.term,
  flushLsn: state.flushLsn,
  durableLsn: state.durableLsn,
  commitLsn: state.commitLsn,
});

/** A8: the one who asked in an earlier term may lead the later one by now, and would take a position for confirmed. */
const termAlone = (state: AcceptorState): AppendResponse => ({
  kind: 'appendResponse',
  membershipGeneration: state.membership.generation,
  term: state.term,
  flushLsn: Lsn.ZERO,
  durableLsn: Lsn.ZERO,
  commitLsn: Lsn.ZERO,
});

const reply = (
  state: AcceptorState,
  session: SessionId,
  message: (AcceptorEffect & { kind: 'send' })['message'],
): AcceptorStep => ({ state, effects: [{ kind: 'send', session, message }] });

const mismatch = (state: AcceptorState, session: SessionId, generation: number): AcceptorStep =>
  refuse(state, session, 'MembershipMismatch', {
    reason: `generation ${generation}, here ${state.membership.generation}`,
  });

const refuse = (
  state: AcceptorState,
  session: SessionId,
  code: RefusalCode,
  detail: { readonly reason: string },
): AcceptorStep => ({ state, effects: [{ kind: 'refuse', session, code, reason: detail.reason }] });

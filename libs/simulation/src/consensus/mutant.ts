/**
 * Planted bugs. Each takes the place of one rule; the checkers must catch every one of them, or they prove nothing.
 */
import {
  type AcceptorEffect,
  type AcceptorInput,
  type AcceptorState,
  type AcceptorStep,
  type ChangeInput,
  type ChangeStep,
  type DurableAcceptorState,
  type MembershipChange,
  type ProposerInput,
  type ProposerState,
  type ProposerStep,
} from '@neon/consensus';
import { Lsn, Term } from '@neon/kernel';

type AcceptorStepOf = (state: AcceptorState, input: AcceptorInput) => AcceptorStep;
type ProposerStepOf = (state: ProposerState, input: ProposerInput) => ProposerStep;

/** A step around the true one. */
export type AcceptorStepFunction = (state: AcceptorState, input: AcceptorInput, step: AcceptorStepOf) => AcceptorStep;
export type ProposerStepFunction = (state: ProposerState, input: ProposerInput, step: ProposerStepOf) => ProposerStep;

type DriverStepOf = (state: MembershipChange, input: ChangeInput) => ChangeStep;
export type DriverStepFunction = (state: MembershipChange, input: ChangeInput, step: DriverStepOf) => ChangeStep;

export interface Mutant {
  readonly name: string;
  readonly acceptor?: AcceptorStepFunction;
  readonly proposer?: ProposerStepFunction;
  readonly driver?: DriverStepFunction;
  /** What is left of a control file after a crash. */
  readonly recovered?: (durable: DurableAcceptorState, created: DurableAcceptorState) => DurableAcceptorState;
  /** A timeline that was deleted may be made again. */
  readonly isTombstoneForgotten?: boolean;
  /** Former members remove the timeline while it is still a joint membership that is stored. */
  readonly isRemovedEarly?: boolean;
  /** A safekeeper removes a timeline whatever it goes by. */
  readonly isRemovedLate?: boolean;
  /** A timeline that was removed may be made again in any membership. */
  readonly isRemovalForgotten?: boolean;
  /** An acceptor that lost its disk is made again, empty. */
  readonly isMadeAgain?: boolean;
  /** A safekeeper takes for committed what another one has flushed. */
  readonly isLearningUncommitted?: boolean;
  /** What Postgres is told when its WAL stream was opened again. */
  readonly told?: (state: ProposerState) => Lsn;
  /** A little after this seed it is found; given for those that are rare. */
  readonly seed?: number;
  /** A little after this seed it is found by its consequences alone; for those whose damage is not too rare. */
  readonly outcomeSeed?: number;
}

const reordered =
  (rank: (effect: AcceptorEffect) => number): AcceptorStepFunction =>
  (state, input, step) => {
    const result = step(state, input);
    return { ...result, effects: [...result.effects].sort((a, b) => rank(a) - rank(b)) };
  };

const isVote = (input: AcceptorInput): boolean => input.kind === 'received' && input.message.kind === 'voteRequest';

/** More than an unfinished record can hold. */
const LONGEST_RECORD = 256;

/** Of the rules about logs and terms, whoever the members are. */
export const LOG_MUTANTS: readonly Mutant[] = [
  {
    name: 'an acceptor forgets its commit LSN at each election',
    acceptor: (state, input, step) => {
      const { state: next, effects } = step(state, input);
      if (input.kind !== 'received' || input.message.kind !== 'electedRequest') return { state: next, effects };
      return { state: { ...next, commitLsn: next.termHistory[0].startLsn }, effects };
    },
  },
  {
    name: 'an acceptor counts a flush from before a cut',
    acceptor: (state, input, step) => {
      if (input.kind !== 'flushed') return step(state, input);
      const { truncationCount, writeLsn, writeRecordLsn } = state;
      const endLsn = Lsn.min(input.endLsn, writeLsn);
      return step(state, {
        ...input,
        truncationCount,
        endLsn,
        recordEndLsn: Lsn.min(input.recordEndLsn, writeRecordLsn),
      });
    },
  },
  { name: 'an acceptor that lost its disk is made again', isMadeAgain: true, outcomeSeed: 239 },
  { name: 'Postgres is told what was received', told: ({ window }) => window.endLsn },
  { name: 'an acceptor answers before it persists', acceptor: reordered((effect) => (effect.kind === 'send' ? 0 : 1)) },
  {
    name: 'an acceptor votes without flushing',
    acceptor: (state, input, step) => {
      const result = step(state, input);
      return isVote(input) ? { ...result, effects: result.effects.filter(({ kind }) => kind !== 'flush') } : result;
    },
  },
  {
    name: 'an acceptor reports what is written as durable',
    outcomeSeed: 364,
    acceptor: (state, input, step) => {
      const result = step(state, input);
      const { leader, writeLsn, writeRecordLsn } = result.state;
      if (input.kind !== 'written' || leader === undefined) return result;
      const lying: AcceptorState = { ...result.state, durableLsn: writeLsn, flushLsn: writeRecordLsn };
      const { term, commitLsn } = lying;
      const membershipGeneration = lying.membership.generation;
      const message = {
        kind: 'appendResponse',
        membershipGeneration,
        term,
        commitLsn,
        flushLsn: writeRecordLsn,
        durableLsn: writeLsn,
      } as const;
      return { state: lying, effects: [...result.effects, { kind: 'send', session: leader, message }] };
    },
  },
  {
    name: 'an acceptor adopts a history before it cuts its log',
    outcomeSeed: 282,
    acceptor: reordered((effect) => (effect.kind === 'persist' ? 0 : 1)),
  },
  {
    name: 'an acceptor cuts its log below what is committed',
    acceptor: (state, input, step) => {
      const { state: next, effects } = step(state, input);
      if (input.kind !== 'received' || input.message.kind !== 'electedRequest') return { state: next, effects };
      const endLsn = next.termHistory[0].startLsn;
      const cut = { writeLsn: endLsn, writeRecordLsn: endLsn, durableLsn: endLsn, flushLsn: endLsn, commitLsn: endLsn };
      return { state: { ...next, ...cut }, effects: [{ kind: 'truncate', endLsn }, ...effects] };
    },
  },
  {
    name: 'an acceptor does not cut its log',
    acceptor: (state, input, step) => {
      const result = step(state, input);
      return { ...result, effects: result.effects.filter(({ kind }) => kind !== 'truncate') };
    },
  },
  {
    name: 'an acceptor votes twice in a term',
    acceptor: (state, input, step) => {
      const repeated =
        input.kind === 'received' && input.message.kind === 'voteRequest' && input.message.term === state.term;
      return step(repeated ? { ...state, term: Term.of(state.term - 1) } : state, input);
    },
  },
  {
    name: 'an acceptor accepts a gap',
    outcomeSeed: 1,
    acceptor: (state, input, step) => {
      // Ends of records are found across the gap too, or the log would merely stop growing.
      const lag = input.kind === 'written' ? input.endLsn - input.recordEndLsn : 0;
      if (input.kind === 'written' && lag > LONGEST_RECORD)
        return step(state, { ...input, recordEndLsn: input.endLsn });
      if (input.kind !== 'received' || input.message.kind !== 'appendRequest') return step(state, input);
      const { startLsn } = input.message;
      return step(startLsn > state.writeLsn ? { ...state, writeLsn: startLsn } : state, input);
    },
  },
  {
    name: 'an acceptor takes appends of an earlier term',
    acceptor: (state, input, step) => {
      if (input.kind !== 'received' || input.message.kind !== 'appendRequest') return step(state, input);
      const term = Term.of(Math.max(state.termHistory.at(-1)?.term ?? 0, input.message.term));
      if (term !== input.message.term) return step(state, input);
      const result = step({ ...state, term }, input);
      const effects = result.effects.map((effect) => effect);
      return { state: { ...result.state, term: state.term }, effects };
    },
  },
  {
    name: 'a proposer commits in an old term',
    proposer: (state, input, step) => {
      const { phase } = state;
      if (phase.kind !== 'leading') return step(state, input);
      const naive = step({ ...state, phase: { ...phase, termStartLsn: Lsn.ZERO } }, input);
      const next = naive.state.phase;
      if (next.kind !== 'leading') return naive;
      return { ...naive, state: { ...naive.state, phase: { ...next, termStartLsn: phase.termStartLsn } } };
    },
  },
  {
    name: 'a proposer takes the first voter for the donor',
    outcomeSeed: 1,
    proposer: (state, input, step) => {
      if (state.phase.kind !== 'campaigning') return step(state, input);
      if (input.kind !== 'received' || input.message.kind !== 'voteResponse' || !input.message.granted)
        return step(state, input);
      const first = [...state.peers.values()].flatMap((peer) =>
        peer.kind === 'voted' && peer.granted ? [peer] : [],
      )[0];
      if (first === undefined || input.message.flushLsn < first.position.flushLsn) return step(state, input);
      const { flushLsn, termHistory } = first.position;
      return step(state, { ...input, message: { ...input.message, flushLsn, termHistory } });
    },
  },
];

/** Planted bugs of A10: what a safekeeper takes from another one. */
import type { AcceptorEffect, AcceptorInput, AcceptorState, AcceptorStep } from '@neon/consensus';
import { Lsn } from '@neon/kernel';
import type { AcceptorStepFunction, Mutant } from './mutant';

type Learned = AcceptorInput & { kind: 'learned' };

/** Around the step of what is learned; other inputs are as they are. */
const learning =
  (
    change: (state: AcceptorState, input: Learned, step: (input: Learned) => AcceptorStep) => AcceptorStep,
  ): AcceptorStepFunction =>
  (state, input, step) =>
    input.kind === 'learned' ? change(state, input, (other) => step(state, other)) : step(state, input);

const without =
  (kind: AcceptorEffect['kind']) =>
  (_state: AcceptorState, input: Learned, step: (input: Learned) => AcceptorStep): AcceptorStep => {
    const result = step(input);
    return { ...result, effects: result.effects.filter((effect) => effect.kind !== kind) };
  };

export const LEARNING_MUTANTS: readonly Mutant[] = [
  { name: 'a safekeeper learns what is not committed', isLearningUncommitted: true, outcomeSeed: 1 },
  { name: 'an acceptor learns without cutting its log', seed: 331, acceptor: learning(without('truncate')) },
  { name: 'an acceptor learns a history that is not durable', acceptor: learning(without('persist')) },
  {
    name: 'an acceptor learns what does not follow upon its log',
    outcomeSeed: 1,
    acceptor: learning((state, input, step) => step({ ...input, termHistory: state.termHistory })),
  },
  {
    name: 'an acceptor takes for its own what it has only heard of',
    acceptor: learning((_state, input, step) => {
      const result = step(input);
      const commitLsn = Lsn.max(result.state.commitLsn, result.state.heardCommitLsn);
      return { ...result, state: { ...result.state, commitLsn } };
    }),
  },
];

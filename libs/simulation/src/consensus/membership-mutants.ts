/** Planted bugs of the rules about members: who votes and counts, what is remembered, and when a set takes over. */
import {
  type AcceptorEffect,
  type AcceptorState,
  type AcceptorStep,
  Membership,
  type MembershipChange,
  type ProposerState,
} from '@neon/consensus';
import { Lsn, SafekeeperId, Term } from '@neon/kernel';
import type { AcceptorStepFunction, DriverStepFunction, Mutant, ProposerStepFunction } from './mutant';

/** After each step of a proposer, its sets are not what they should be. */
const countingBy =
  (sets: (state: ProposerState) => ProposerState['voterSets']): ProposerStepFunction =>
  (state, input, step) => {
    const result = step(state, input);
    return { ...result, state: { ...result.state, voterSets: sets(result.state) } };
  };

const trueSets = ({ membership, config }: ProposerState): ProposerState['voterSets'] =>
  membership.kind === 'founding'
    ? [config.safekeepers.map((safekeeperId) => ({ safekeeperId, incarnation: undefined }))]
    : Membership.sets(membership);

/** Each member that is not connected is stood in for by somebody who is. */
function withStandIns(state: ProposerState): ProposerState['voterSets'] {
  const isConnected = (id: SafekeeperId): boolean => (state.peers.get(id)?.kind ?? 'disconnected') !== 'disconnected';
  return trueSets(state).map((set) => {
    const strangers = [...state.peers.keys()].filter(
      (id) => isConnected(id) && !set.some(({ safekeeperId }) => safekeeperId === id),
    );
    return set.map((voter) => {
      const standIn = isConnected(voter.safekeeperId) ? undefined : strangers.shift();
      return standIn === undefined ? voter : { safekeeperId: standIn, incarnation: undefined };
    });
  });
}

/** An acceptor that is not a member takes part as if it were. */
const asMember: AcceptorStepFunction = (state, input, step) => {
  const isAsked = input.kind === 'received' && input.message.kind !== 'greetingRequest';
  const [member] = Membership.sets(state.membership)[0] ?? [];
  if (!isAsked || member === undefined) return step(state, input);
  const { safekeeperId, incarnation } = state;
  const undisguised = (effect: AcceptorEffect): AcceptorEffect =>
    effect.kind === 'persist' ? { ...effect, state: { ...effect.state, safekeeperId } } : effect;
  const result = step({ ...state, ...member }, input);
  return { state: { ...result.state, safekeeperId, incarnation }, effects: result.effects.map(undisguised) };
};

const ignoringGeneration: Pick<Mutant, 'acceptor' | 'proposer'> = {
  acceptor: (state, input, step) => {
    if (input.kind !== 'received' || input.message.kind === 'greetingRequest') return step(state, input);
    const { generation } = state.membership;
    return step(state, { ...input, message: { ...input.message, membershipGeneration: generation } });
  },
  proposer: (state, input, step) => {
    if (input.kind !== 'received') return step(state, input);
    const { message } = input;
    if (message.kind === 'greetingResponse') {
      const isHigher = message.membership.generation > state.membership.generation;
      return step(state, isHigher ? { ...input, message: { ...message, membership: state.membership } } : input);
    }
    if (message.kind === 'sessionRefused') return step(state, input);
    const { generation } = state.membership;
    return step(state, { ...input, message: { ...message, membershipGeneration: generation } });
  },
};

/** What an acceptor says of itself to a driver is made better than it is. */
const flattered =
  (
    better: (state: MembershipChange) => { readonly term?: Term; readonly flushLsn?: Lsn; readonly lastLogTerm?: Term },
  ): DriverStepFunction =>
  (state, input, step) =>
    input.kind === 'answered'
      ? step(state, { ...input, position: { ...input.position, ...better(state) } })
      : step(state, input);

const isBounded = ({ phase }: MembershipChange): boolean => phase.kind === 'joining' && phase.bound !== undefined;

const withoutJoint: DriverStepFunction = (state, input, step) => {
  const result = step(state, input);
  const effects = result.effects.map((effect) =>
    effect.kind === 'store' && effect.membership.kind === 'joint'
      ? { ...effect, membership: Membership.settled(effect.membership.generation, effect.membership.newMembers) }
      : effect,
  );
  return { ...result, effects };
};

const withoutFormerQuorum: DriverStepFunction = (state, input, step) => {
  const result = step(state, input);
  const { phase } = result.state;
  if (phase.kind !== 'joining' || phase.answers.size === 0 || phase.bound !== undefined) return result;
  const { joint } = phase;
  const [member] = joint.members.filter(({ safekeeperId, incarnation }) =>
    phase.answers.has(`${safekeeperId}/${incarnation}`),
  );
  if (member === undefined) return result;
  const alone = { ...result.state, phase: { ...phase, joint: { ...joint, members: [member] } } };
  const position = phase.answers.get(`${member.safekeeperId}/${member.incarnation}`);
  return position === undefined ? result : step(alone, { kind: 'answered', member, position });
};

const persistedLater = (state: AcceptorState, step: AcceptorStep): AcceptorStep => {
  if (step.state.membership === state.membership) return step;
  return { ...step, effects: step.effects.filter(({ kind }) => kind !== 'persist') };
};

export const MEMBERSHIP_MUTANTS: readonly Mutant[] = [
  { name: 'the membership generation is ignored', outcomeSeed: 5, ...ignoringGeneration },
  {
    name: 'a proposer counts the former set alone while two count',
    outcomeSeed: 12,
    proposer: countingBy((state) => trueSets(state).slice(0, 1)),
  },
  {
    name: 'a proposer counts the new set alone while two count',
    outcomeSeed: 72,
    proposer: countingBy((state) => trueSets(state).slice(-1)),
  },
  {
    name: 'one that is no member votes and counts',
    outcomeSeed: 39,
    acceptor: asMember,
    proposer: countingBy(withStandIns),
  },
  {
    name: 'one that is no member votes',
    acceptor: asMember,
    proposer: (state, input, step) => {
      // Its vote is only asked for if the proposer takes it for a member.
      if (input.kind !== 'received' || input.message.kind !== 'greetingResponse') return step(state, input);
      const { safekeeperId } = input.message;
      const meant = Membership.sets(state.membership)
        .flat()
        .find((member) => member.safekeeperId === safekeeperId);
      return step(
        state,
        meant === undefined ? input : { ...input, message: { ...input.message, incarnation: meant.incarnation } },
      );
    },
  },
  {
    name: 'an acceptor forgets its generation at a crash',
    outcomeSeed: 258,
    recovered: (durable, created) => ({ ...durable, membership: created.membership }),
  },
  {
    name: 'an acceptor serves a membership that it has not persisted',
    acceptor: (state, input, step) => persistedLater(state, step(state, input)),
  },
  {
    name: 'a driver ends a change before the new members have the log',
    outcomeSeed: 42,
    driver: flattered((state) => (isBounded(state) ? { lastLogTerm: Term.of(1e9), flushLsn: Lsn.of(1e9) } : {})),
  },
  {
    name: 'a driver does not raise the terms of the new members',
    seed: 2434,
    driver: (state, input, step) => {
      const result = flattered((before) => (isBounded(before) ? { term: Term.of(1e9) } : {}))(state, input, step);
      const effects = result.effects.map((effect) =>
        effect.kind === 'configure' ? { ...effect, minTerm: Term.ZERO } : effect,
      );
      return { ...result, effects };
    },
  },
  { name: 'a driver takes one former member for their quorum', driver: withoutFormerQuorum, outcomeSeed: 690 },
  { name: 'a driver leaves out the joint membership', driver: withoutJoint, outcomeSeed: 49 },
  { name: 'a deleted timeline is made again by a late request', isTombstoneForgotten: true },
  {
    name: 'a former member is removed before the new ones have taken over',
    outcomeSeed: 1,
    isRemovedEarly: true,
  },
  { name: 'a member is removed by a request from before it was one', outcomeSeed: 1, isRemovedLate: true },
  { name: 'a removed timeline is made again in a membership in which it has voted', isRemovalForgotten: true },
];

/**
 * A change of membership, as the one who drives it sees it: a step function without memory of its own that matters.
 *
 *   M1  It may be stopped anywhere and begun again, by anyone, and by several at once: what is durable is the membership
 *       in the store, which changes only from the generation that the driver knows, and what acceptors hold.
 *   M2  A joint membership is first taken on by a quorum of the former members. From then on nothing is committed without
 *       the new members, and the highest position and term of that quorum bound what may have been before.
 *   M3  The new members take over alone only when a quorum of them has taken on the joint membership, with a log of that
 *       position at least and a term of that term at least: so they hold all that was committed, and no term is won twice.
 *   M4  A change that was begun towards another set is given up first: back to the former members, which is always safe.
 *
 * The shell performs effects and reports what came of them; what is not answered is asked again at the next `tick`.
 *
 * @example let { state, effects } = MembershipChange.start(newMembers); // effects: [{ kind: 'read' }]
 */
import { type Lsn, Term, assert, unreachable } from '@neon/kernel';
import type { AcceptorPosition } from './acceptor-state';
import { type JointMembership, type ListedMembership, Member, Membership, type SettledMembership } from './membership';
import { isQuorum } from './quorum';

export type ChangeInput =
  /** What the store holds, in answer to `read` and to `store`, whether that was taken or not. */
  | { readonly kind: 'stored'; readonly membership: ListedMembership }
  | { readonly kind: 'answered'; readonly member: Member; readonly position: AcceptorPosition }
  /** In answer to `configure`: this disk has no such timeline, and none that was removed from it could have voted in that membership (L5). */
  | { readonly kind: 'absent'; readonly member: Member }
  /** Time passed: what was lost or failed is asked again. */
  | { readonly kind: 'tick' };

export type ChangeEffect =
  | { readonly kind: 'read' }
  /** Replace the membership in the store if its generation is one less; then say what it holds. */
  | { readonly kind: 'store'; readonly membership: ListedMembership }
  /** The acceptor's input of this name; `member` must be that very disk. */
  | { readonly kind: 'configure'; readonly member: Member; readonly membership: Membership; readonly minTerm: Term }
  /** Let a member that has nothing begin with what the donor holds (`AcceptorState.seed`). */
  | { readonly kind: 'seed'; readonly member: Member; readonly membership: Membership; readonly donor: Member }
  /** A quorum of the wanted members goes by the settled membership. Ticks go on to tell those that do not. */
  | { readonly kind: 'done'; readonly membership: SettledMembership };

export interface ChangeStep {
  readonly state: MembershipChange;
  readonly effects: readonly ChangeEffect[];
}

/** Answers of members in the generation that is being spread, by `Member.key`. */
type Answers = ReadonlyMap<string, AcceptorPosition>;

type Phase =
  | { readonly kind: 'reading' }
  | { readonly kind: 'storing'; readonly membership: ListedMembership }
  | { readonly kind: 'joining'; readonly joint: JointMembership; readonly answers: Answers; readonly bound?: Bound }
  | { readonly kind: 'settling'; readonly membership: SettledMembership; readonly answers: Answers };

/** M2: no log and no term of the former members is beyond it, as far as anything can be committed. */
interface Bound {
  readonly term: Term;
  readonly lastLogTerm: Term;
  readonly flushLsn: Lsn;
  readonly donor: Member;
}

export interface MembershipChange {
  readonly wanted: readonly Member[];
  readonly phase: Phase;
}

export const MembershipChange = {
  start: (wanted: readonly Member[]): ChangeStep => ({
    state: { wanted, phase: { kind: 'reading' } },
    effects: [{ kind: 'read' }],
  }),

  step(state: MembershipChange, input: ChangeInput): ChangeStep {
    switch (input.kind) {
      case 'stored':
        return onStored(state, input.membership);
      case 'answered':
        return onAnswered(state, input);
      case 'absent':
        return { state, effects: seed(state, input.member) };
      case 'tick':
        return { state, effects: outstanding(state) };
      default:
        return unreachable(input);
    }
  },
};

/** M1: the store alone says where the change stands. */
function onStored(state: MembershipChange, membership: ListedMembership): ChangeStep {
  if (state.phase.kind !== 'reading' && state.phase.kind !== 'storing') return { state, effects: [] };
  const isWanted = (members: readonly Member[]): boolean => Membership.sameMembers(members, state.wanted);
  if (membership.kind === 'joint') {
    if (!isWanted(membership.newMembers))
      return enter(state, { kind: 'storing', membership: Membership.abort(membership) });
    return enter(state, { kind: 'joining', joint: membership, answers: new Map() });
  }
  if (isWanted(membership.members)) return enter(state, { kind: 'settling', membership, answers: new Map() });
  return enter(state, { kind: 'storing', membership: Membership.joint(membership, state.wanted) });
}

function enter(state: MembershipChange, phase: Phase): ChangeStep {
  const next = { ...state, phase };
  return { state: next, effects: outstanding(next) };
}

function onAnswered(state: MembershipChange, input: ChangeInput & { kind: 'answered' }): ChangeStep {
  const { phase } = state;
  if (phase.kind !== 'joining' && phase.kind !== 'settling') return { state, effects: [] };
  const { generation } = phase.kind === 'joining' ? phase.joint : phase.membership;
  const { position } = input;
  // Somebody else has gone on from here.
  if (position.membership.generation > generation) return enter(state, { kind: 'reading' });
  if (position.membership.generation < generation) return { state, effects: [] };
  const answers = new Map(phase.answers).set(Member.key(input.member), position);
  if (phase.kind === 'joining') return advance(state, { ...phase, answers });
  return { state: { ...state, phase: { ...phase, answers } }, effects: settled(phase, answers) };
}

/** Said once. Those who have not heard are told by later ticks, for as long as there are any. */
function settled(
  { membership, answers: before }: Phase & { kind: 'settling' },
  after: Answers,
): readonly ChangeEffect[] {
  const isTold = (answers: Answers): boolean =>
    isQuorum([membership.members], (member) => answers.has(Member.key(member)));
  return isTold(after) && !isTold(before) ? [{ kind: 'done', membership }] : [];
}

/** M2, then M3. */
function advance(state: MembershipChange, joining: Phase & { kind: 'joining' }): ChangeStep {
  const { joint, answers } = joining;
  const isFirst = joining.bound === undefined;
  const hasJoined = (member: Member): boolean => answers.has(Member.key(member));
  if (isFirst && !isQuorum([joint.members], hasJoined)) return { state: { ...state, phase: joining }, effects: [] };
  const bound = joining.bound ?? boundOf(joint.members, answers);
  assert(bound !== undefined, 'M2: a quorum has answered');
  if (isQuorum([joint.newMembers], (member) => reaches(answers.get(Member.key(member)), bound)))
    return enter(state, { kind: 'storing', membership: Membership.finish(joint) });
  const phase: Phase = { ...joining, bound };
  return isFirst ? enter(state, phase) : { state: { ...state, phase }, effects: [] };
}

/** Of those who have answered; undefined when nobody has. */
function boundOf(members: readonly Member[], answers: Answers): Bound | undefined {
  let bound: Bound | undefined;
  for (const donor of members) {
    const position = answers.get(Member.key(donor));
    if (position === undefined) continue;
    const { lastLogTerm, flushLsn } = position;
    const term = Term.of(Math.max(bound?.term ?? 0, position.term));
    if (bound === undefined || isBehind(bound, position)) bound = { term, lastLogTerm, flushLsn, donor };
    else bound = { ...bound, term };
  }
  return bound;
}

type LogEnd = Pick<AcceptorPosition, 'lastLogTerm' | 'flushLsn'>;

const isBehind = (a: LogEnd, b: LogEnd): boolean =>
  a.lastLogTerm < b.lastLogTerm || (a.lastLogTerm === b.lastLogTerm && a.flushLsn < b.flushLsn);

const reaches = (position: AcceptorPosition | undefined, bound: Bound): boolean =>
  position !== undefined && position.term >= bound.term && !isBehind(position, bound);

/** What has not been answered as it should be. */
function outstanding({ phase }: MembershipChange): readonly ChangeEffect[] {
  switch (phase.kind) {
    case 'reading':
      return [{ kind: 'read' }];
    case 'storing':
      return [{ kind: 'store', membership: phase.membership }];
    case 'joining':
      return toJoin(phase);
    case 'settling': {
      const { membership, answers } = phase;
      const untold = membership.members.filter((member) => !answers.has(Member.key(member)));
      return untold.map((member) => ({ kind: 'configure', member, membership, minTerm: Term.ZERO }));
    }
    default:
      return unreachable(phase);
  }
}

/** First the former members, since their bound is not known before; then the new ones until they reach it. */
function toJoin({ joint, answers, bound }: Phase & { kind: 'joining' }): readonly ChangeEffect[] {
  const membership = joint;
  if (bound === undefined)
    return joint.members
      .filter((member) => !answers.has(Member.key(member)))
      .map((member) => ({ kind: 'configure', member, membership, minTerm: Term.ZERO }));
  return joint.newMembers
    .filter((member) => !reaches(answers.get(Member.key(member)), bound))
    .map((member) => ({ kind: 'configure', member, membership, minTerm: bound.term }));
}

/**
 * A member is one disk, and a disk does not forget a timeline (L1, L3), nor until when it was a member before (L5): what is absent
 * there has never voted since it was listed, and may begin with what any former member holds.
 */
function seed({ phase }: MembershipChange, member: Member): readonly ChangeEffect[] {
  if (phase.kind !== 'joining' && phase.kind !== 'settling') return [];
  const membership = phase.kind === 'joining' ? phase.joint : phase.membership;
  const bound = (phase.kind === 'joining' ? phase.bound : undefined) ?? boundOf(membership.members, phase.answers);
  return bound === undefined ? [] : [{ kind: 'seed', member, membership, donor: bound.donor }];
}

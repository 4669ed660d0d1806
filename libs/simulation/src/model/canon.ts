/** Worlds as vectors of numbers, one for all worlds that differ only in who is who (Y3). */
import { type ListedMembership, type Member, Membership, type ProposerState } from '@neon/consensus';
import { Interner, Memo } from './interner';
import { type ModelAcceptor, idOf, memberOf } from './parties';
import type { Model, World } from './world';

type Permutation = readonly number[];

export class Canon {
  private readonly lists = new Interner<readonly number[]>((list) => list.join());
  private readonly permutations: readonly { readonly acceptors: number; readonly proposers: Permutation }[];
  /** Where acceptor n goes, by number of the permutation. */
  private readonly orders: readonly Permutation[];
  /** Which acceptor is at n afterwards. */
  private readonly places: readonly Permutation[];
  private readonly movedProposers: Memo<number>;
  private readonly movedAcceptors: Memo<number>;
  private readonly movedMemberships: Memo<number>;
  readonly width: number;

  constructor(private readonly model: Model) {
    const { proposers, acceptors } = model.size;
    this.orders = permutationsOf(acceptors);
    this.places = this.orders.map((order) => order.map((_, place) => order.indexOf(place)));
    const ofProposers = permutationsOf(proposers);
    this.permutations = this.orders.flatMap((_, index) =>
      ofProposers.map((each) => ({ acceptors: index, proposers: each })),
    );
    this.width = 2 * acceptors + proposers + proposers * acceptors + 3;
    this.movedProposers = new Memo((order, number) =>
      model.proposers.number(moveProposer(model.proposers.value(number), this.order(order))),
    );
    this.movedAcceptors = new Memo((order, number) =>
      model.acceptors.number(moveAcceptor(model.acceptors.value(number), this.order(order))),
    );
    this.movedMemberships = new Memo((order, number) =>
      model.memberships.number(moveListed(model.memberships.value(number), this.order(order))),
    );
  }

  private order = (index: number): Permutation => this.orders[index] ?? [];

  /** Written into `vector`, which is `width` long. */
  write(world: World, vector: Int32Array): void {
    const queues = world.queues.map((row) => row.map((queue) => this.lists.number(queue)));
    const strays = world.strays.map((list) => this.lists.number(list));
    const committed = this.lists.number(world.committed);
    const { isChanging } = this.model;
    let isFirst = true;
    for (const { acceptors, proposers } of this.permutations) {
      const places = this.places[acceptors] ?? [];
      let at = 0;
      // While the candidate equals the best so far it may still turn out greater, and is given up then.
      let isEqual = !isFirst;
      const put = (value: number): boolean => {
        if (isEqual) {
          const best = vector[at] ?? 0;
          if (value > best) return false;
          if (value < best) isEqual = false;
        }
        vector[at++] = value;
        return true;
      };
      isFirst = false;
      candidate: {
        for (const a of places) {
          const number = world.acceptors[a] ?? 0;
          if (!put(isChanging ? this.movedAcceptors.get(acceptors, number) : number)) break candidate;
        }
        for (const a of places) if (!put(strays[a] ?? 0)) break candidate;
        for (const p of proposers)
          if (!put(this.movedProposers.get(acceptors, world.proposers[p] ?? 0))) break candidate;
        for (const p of proposers) for (const a of places) if (!put(queues[p]?.[a] ?? 0)) break candidate;
        put(committed);
        put(world.won);
        put(isChanging ? this.movedMemberships.get(acceptors, world.stored) : world.stored);
      }
    }
  }

  read(vector: Int32Array): World {
    const { proposers, acceptors } = this.model.size;
    let at = 0;
    const take = (count: number): number[] => Array.from({ length: count }, () => vector[at++] ?? 0);
    const acceptorNumbers = take(acceptors);
    const strays = take(acceptors).map((list) => this.lists.value(list));
    const proposerNumbers = take(proposers);
    const queues = Array.from({ length: proposers }, () => take(acceptors).map((list) => this.lists.value(list)));
    const [committed = 0, won = 0, stored = 0] = take(3);
    return {
      acceptors: acceptorNumbers,
      strays,
      proposers: proposerNumbers,
      queues,
      committed: this.lists.value(committed),
      won,
      stored,
    };
  }
}

function permutationsOf(count: number): Permutation[] {
  if (count === 0) return [[]];
  return permutationsOf(count - 1).flatMap((rest) =>
    Array.from({ length: count }, (_, place) => [...rest.slice(0, place), count - 1, ...rest.slice(place)]),
  );
}

const moveMember = ({ safekeeperId }: Member, order: Permutation): Member => memberOf(order[safekeeperId - 1] ?? 0);

const moveMembers = (members: readonly Member[], order: Permutation): Member[] =>
  members.map((member) => moveMember(member, order)).sort((a, b) => a.safekeeperId - b.safekeeperId);

function moveListed(membership: ListedMembership, order: Permutation): ListedMembership {
  const members = moveMembers(membership.members, order);
  if (membership.kind === 'settled') return { ...membership, members };
  return { ...membership, members, newMembers: moveMembers(membership.newMembers, order) };
}

const moveMembership = (membership: Membership, order: Permutation): Membership =>
  membership.kind === 'founding' ? membership : moveListed(membership, order);

const moveAcceptor = ({ state, entries }: ModelAcceptor, order: Permutation): ModelAcceptor => ({
  state: { ...state, membership: moveMembership(state.membership, order) },
  entries,
});

function moveProposer(state: ProposerState, order: Permutation): ProposerState {
  const membership = moveMembership(state.membership, order);
  const peers = new Map(
    [...state.peers]
      .map(([id, peer]) => {
        const index = order[id - 1] ?? 0;
        return [idOf(index), 'incarnation' in peer ? { ...peer, ...incarnationOf(index) } : peer] as const;
      })
      .sort(([a], [b]) => a - b),
  );
  return { ...state, membership, voterSets: Membership.sets(membership), peers };
}

const incarnationOf = (index: number): { readonly incarnation: string } => ({
  incarnation: memberOf(index).incarnation,
});

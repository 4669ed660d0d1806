/**
 * One simulated life of a timeline: three or five of six safekeepers, which lose their disks, are replaced, become more and
 * fewer; rival computes, rival drivers of membership, a bad network, crashes. A run is its seed.
 *
 *   R1  The same seed and mutant give the same run, event for event.
 *   R2  A run ends with peace: all faults stop, and one more compute must recover, which shows that nothing acknowledged
 *       was lost and that the timeline is still alive.
 *   R3  In peace one more driver must settle the membership, whatever the drivers before it have left.
 *   R4  In peace nothing of the timeline stays with a safekeeper that is no member and is told to remove it.
 */
import { AcceptorState, Member, Membership, type TimelineIdentity } from '@neon/consensus';
import { Lsn, SafekeeperId, SystemId, TenantId, Term, TimelineId } from '@neon/kernel';
import { Connection, type NetworkProfile, Partitions } from '../network';
import { Scheduler } from '../scheduler';
import { SeededRandom } from '../seeded-random';
import { Checker, Violation } from './checker';
import { DriverNode, LATE_MAX_MS, MembershipStore, type RequestProfile } from './driver-node';
import type { Mutant } from './mutant';
import { ProposerNode } from './proposer-node';
import { FIRST_GENERATION, type ManagementRequest, SafekeeperNode, firstDisk } from './safekeeper-node';

const START_LSN = Lsn.of(0x400);
const TROUBLE_MS = 1500;
const PEACE_MAX_MS = 10_000;
const SAFEKEEPERS = [1, 2, 3, 4, 5, 6].map((id) => SafekeeperId.of(id));
/** Of the runs. */
const FIVE_MEMBERS_RATE = 0.2;
const DISK_LOSS_RATE = 0.5;
const CHANGING_RATE = 0.7;
/** A proposer performs very many effects, acceptors and drivers few of those before which a crash tells. */
const ACCEPTOR_CRASH_FACTOR = 10;
const DRIVER_CRASH_FACTOR = 10;
const UNFOUNDED_RATE = 0.1;
const DELETION_RATE = 0.1;
/** In the others, only leaders bring WAL. */
const LEARNING_RATE = 0.3;
const LEARN_PAUSE_MAX_MS = 30;
/** In the others, former members keep what they have. */
const REMOVAL_RATE = 0.4;
const REMOVAL_PAUSE_MAX_MS = 20;
/** Whoever starts a compute waits so long. */
const START_MAX_MS = 2_000;
const LEARN_ATTEMPTS = 10;

const IDENTITY: TimelineIdentity = {
  tenantId: TenantId.parse('11'.repeat(16)),
  timelineId: TimelineId.parse('22'.repeat(16)),
  pgMajor: 17,
  systemId: SystemId.parse('7000000000000000001'),
  walSegmentSize: 4096,
};

const TIMING = { greetingGrace: 1, campaign: 6, heartbeat: 5, silence: 25 };

export interface RunReport {
  readonly seed: number;
  readonly violation: Violation | undefined;
  readonly events: number;
  readonly elections: number;
  readonly generations: number;
  /** Timelines that left a disk, and those that came back to it. */
  readonly removals: number;
  readonly returns: number;
  readonly acknowledgedBytes: number;
}

export interface RunOptions {
  readonly mutant?: Mutant | undefined;
  /** The promises that are checked; all by default. */
  readonly watched?: readonly string[] | undefined;
}

export function runConsensusSeed(seed: number, options: RunOptions = {}): RunReport {
  const run = new ConsensusRun(seed, options);
  let violation: Violation | undefined;
  try {
    run.perform();
  } catch (error) {
    violation = asViolation(error);
  }
  return { seed, violation, ...run.summary() };
}

/** A broken assertion of the state machines is as much a finding as a broken promise that the checker sees. */
function asViolation(error: unknown): Violation {
  if (error instanceof Violation) return error;
  if (error instanceof Error && error.message.startsWith('broken promise'))
    return new Violation('assert', error.message);
  throw error;
}

const NO_MUTANT: Mutant = { name: 'none' };

class ConsensusRun {
  private readonly random: SeededRandom;
  private readonly scheduler = new Scheduler();
  private readonly partitions = new Partitions();
  private readonly checker: Checker;
  private readonly nodes: ReadonlyMap<SafekeeperId, SafekeeperNode>;
  private readonly founders: readonly SafekeeperId[];
  private readonly store: MembershipStore;
  private readonly profile: { current: NetworkProfile };
  private readonly requests: { current: RequestProfile };
  private readonly mutant: Mutant;
  private proposers: ProposerNode[] = [];
  private drivers: DriverNode[] = [];
  private born = 0;
  private crashRate: number;
  private readonly isLosing: boolean;
  private readonly isChanging: boolean;
  /** Chance of their own, so that a run without them is the same run. */
  private readonly learning: SeededRandom;
  private readonly removal: SeededRandom;

  constructor(seed: number, { mutant = NO_MUTANT, watched }: RunOptions) {
    this.mutant = mutant;
    this.random = new SeededRandom(seed);
    this.learning = new SeededRandom(~seed);
    this.removal = new SeededRandom(seed ^ 0x2545_f491);
    this.founders = SAFEKEEPERS.slice(0, this.random.chance(FIVE_MEMBERS_RATE) ? 5 : 3);
    const founders = this.founders.map((safekeeperId) => ({ safekeeperId, incarnation: firstDisk(safekeeperId) }));
    const diskOf = ({ safekeeperId, incarnation }: Member, generation: number) =>
      this.nodes.get(safekeeperId)?.diskOf(incarnation, generation);
    this.checker = new Checker({ startLsn: START_LSN, founders, diskOf, watched });
    this.isLosing = this.random.chance(DISK_LOSS_RATE);
    this.isChanging = this.random.chance(CHANGING_RATE);
    this.crashRate = this.random.pick([0, 0.0005, 0.003]);
    this.profile = { current: this.badNetwork() };
    this.requests = { current: { delayMaxMs: this.random.pick([2, 20]), lossRate: 0.05, repeatRate: 0.1 } };
    this.nodes = new Map(SAFEKEEPERS.map((id) => [id, this.makeNode(id)]));
    this.found();
    this.store = new MembershipStore(this.checker, Membership.settled(FIRST_GENERATION, founders));
  }

  perform(): void {
    this.startProposer(this.founding());
    this.troubleSoon();
    if (this.learning.chance(LEARNING_RATE)) this.learnSoon();
    const isRemoving = this.removal.chance(REMOVAL_RATE);
    if (isRemoving) this.removeSoon();
    this.scheduler.runUntil(TROUBLE_MS);
    this.makePeace();
    const last = { compute: this.startProposer(this.store.membership) };
    if (isRemoving) this.startAnewSoon(last);
    const driver = this.startDriver(this.settledSet());
    const isRecovered = (): boolean => last.compute.recoveredLsn !== undefined;
    this.scheduler.runUntil(TROUBLE_MS + PEACE_MAX_MS, () => isRecovered() && driver.isDone);
    this.checker.check(isRecovered(), 'R2', () => 'no recovery in peace: the timeline is stuck');
    this.checker.check(driver.isDone, 'R3', () => 'the membership does not settle in peace');
    if (isRemoving) this.removeAll();
    if (this.random.chance(DELETION_RATE)) this.deleteTimeline();
  }

  summary = () => ({
    events: this.scheduler.eventCount,
    elections: this.checker.electionCount,
    generations: this.checker.generationCount,
    removals: this.checker.removalCount,
    returns: this.checker.returnCount,
    acknowledgedBytes: this.checker.acknowledgedLsn - START_LSN,
  });

  private founding = (): Membership => Membership.founding(FIRST_GENERATION);

  private badNetwork(): NetworkProfile {
    const isOrdered = this.random.chance(0.6);
    return {
      delayMaxMs: this.random.pick([1, 5, 30]),
      dropRate: this.random.pick(isOrdered ? [0, 0.001, 0.02] : [0.001, 0.02, 0.1]),
      duplicateRate: this.random.pick([0.01, 0.1]),
      isOrdered,
    };
  }

  private makeNode(id: SafekeeperId): SafekeeperNode {
    const { random, scheduler, checker, mutant } = this;
    const created = (safekeeperId: SafekeeperId, membership: Membership) =>
      AcceptorState.create({ safekeeperId, identity: IDENTITY, membership, startLsn: START_LSN, term: Term.ZERO });
    const node = (other: SafekeeperId) => this.nodes.get(other);
    const crashRate = () => this.crashRate * ACCEPTOR_CRASH_FACTOR;
    const { isCut } = this.partitions;
    return new SafekeeperNode({ random, scheduler, checker, mutant, crashRate, created, node, isCut }, id);
  }

  /** A request to make the timeline may come late, or again: one of the founders may not have it at first. */
  private found(): void {
    const late = this.random.chance(UNFOUNDED_RATE) ? this.founders[0] : undefined;
    for (const id of this.founders) {
      if (id !== late) this.nodes.get(id)?.found(this.founding());
      if (id === late || this.random.chance(0.3)) this.createLater(id, this.random.unit() * TROUBLE_MS);
    }
  }

  private createLater(id: SafekeeperId, delayMs: number): void {
    const request = { kind: 'create', incarnation: firstDisk(id), membership: this.founding() } as const;
    this.scheduler.after(delayMs, () => this.nodes.get(id)?.handle(request, () => undefined));
  }

  private startProposer(membership: Membership): ProposerNode {
    const { random, scheduler, checker, mutant } = this;
    const node = new ProposerNode(
      {
        random,
        scheduler,
        checker,
        mutant,
        node: (id) => this.nodes.get(id),
        connect: (from, to) => this.connect(from, to),
        isCut: this.partitions.isCut,
      },
      `compute${this.born++}`,
      this.born,
      { identity: IDENTITY, membership, safekeepers: this.founders, token: '', timing: TIMING },
      this.crashRate,
    );
    this.proposers = [...this.proposers.filter(({ isRunning }) => isRunning), node];
    return node;
  }

  /**
   * What a leader begins with may be on its donor alone, and not committed. When that one is no member any more and removes it, the
   * leader cannot recover; whoever starts a compute gives up after a while, and starts another.
   */
  private startAnewSoon(last: { compute: ProposerNode }): void {
    this.scheduler.after(START_MAX_MS, () => {
      if (last.compute.recoveredLsn !== undefined) return;
      last.compute.crash();
      last.compute = this.startProposer(this.store.membership);
      this.startAnewSoon(last);
    });
  }

  private startDriver(wanted: readonly Member[]): DriverNode {
    const { random, scheduler, checker, mutant, store, requests } = this;
    const driver = new DriverNode(
      { random, scheduler, checker, mutant, store, requests, node: (id) => this.nodes.get(id) },
      wanted,
      this.crashRate * DRIVER_CRASH_FACTOR,
    );
    this.drivers = [...this.drivers.filter(({ isRunning }) => isRunning), driver];
    return driver;
  }

  private connect(from: string, node: SafekeeperNode): Connection | undefined {
    const isCut = () => this.partitions.isCut(from, node.name);
    if (!node.isUp || isCut()) return undefined;
    const connection = new Connection(this.scheduler, this.random, this.profile.current, isCut);
    node.accept(connection);
    return connection;
  }

  private troubleSoon(): void {
    this.scheduler.after(this.random.unit() * 150, () => {
      if (this.scheduler.nowMs >= TROUBLE_MS) return;
      this.trouble();
      this.troubleSoon();
    });
  }

  /** Safekeepers that nobody leads learn what others know to be committed; in peace too, where it must not keep anybody from leading. */
  private learnSoon(): void {
    this.scheduler.after(this.learning.unit() * LEARN_PAUSE_MAX_MS, () => {
      const any = (): SafekeeperNode | undefined => [...this.nodes.values()][this.learning.between(0, this.nodes.size)];
      for (let attempt = 0; attempt < LEARN_ATTEMPTS; attempt++) {
        const [one, other] = [any(), any()];
        const lags = (one?.state?.commitLsn ?? Infinity) < (other?.state?.commitLsn ?? 0);
        if (one === undefined || other === undefined || !lags || one.state?.leader !== undefined) continue;
        one.learnFrom(other, this.learning);
        break;
      }
      this.learnSoon();
    });
  }

  /** Whoever is not in the stored membership is told to remove the timeline: at any moment, also before anybody else has heard of it. */
  private removeSoon(): void {
    this.scheduler.after(this.removal.unit() * REMOVAL_PAUSE_MAX_MS, () => {
      const node = [...this.nodes.values()][this.removal.between(0, this.nodes.size)];
      const request = node && this.removalOf(node);
      const { delayMaxMs, lossRate, repeatRate } = this.requests.current;
      const arrive = (): void => {
        if (request !== undefined) node?.handle(request, () => undefined);
      };
      if (!this.removal.chance(lossRate)) this.scheduler.after(this.removal.unit() * delayMaxMs, arrive);
      if (this.removal.chance(repeatRate)) this.scheduler.after(this.removal.unit() * LATE_MAX_MS, arrive);
      this.removeSoon();
    });
  }

  private removalOf({ self }: SafekeeperNode): (ManagementRequest & { kind: 'remove' }) | undefined {
    const stored = this.store.membership;
    const isEarly = stored.kind === 'joint' && this.mutant.isRemovedEarly === true;
    const membership = isEarly ? Membership.finish(stored) : stored;
    if (membership.kind === 'joint' || Membership.includes(membership, self)) return undefined;
    return { kind: 'remove', incarnation: self.incarnation, membership };
  }

  /** R4. */
  private removeAll(): void {
    const left = [...this.nodes.values()].filter((node) => {
      const request = this.removalOf(node);
      if (request !== undefined) node.handle(request, () => undefined);
      return request !== undefined;
    });
    this.scheduler.runUntil(this.scheduler.nowMs + LATE_MAX_MS);
    for (const { name, presence } of left)
      this.checker.check(
        typeof presence === 'object',
        'R4',
        () => `${name} is no member, and the timeline is ${presence}`,
      );
  }

  private trouble(): void {
    const { random } = this;
    const node = this.anyMember();
    const running = this.proposers.filter(({ isRunning }) => isRunning);
    const [first, ...others] = running;
    switch (random.between(0, 12)) {
      case 0:
      case 1:
        node.crash();
        this.scheduler.after(random.unit() * 200, () => node.restart());
        return;
      case 2:
        for (const each of this.nodes.values()) if (random.chance(0.7)) each.crash();
        this.scheduler.after(random.unit() * 100, () => this.nodes.forEach((each) => each.restart()));
        return;
      case 3:
        if (first !== undefined) random.pick([first, ...others]).crash();
        return;
      case 4:
        if (first !== undefined) this.partitions.separate(random.pick([first, ...others]).name, node.name);
        return;
      case 5:
        return this.partitions.heal();
      case 6:
        return this.loseDisk(node);
      case 7:
      case 8:
        return this.changeMembership();
      case 9:
        this.drivers.at(0)?.crash();
        return;
      default:
        if (running.length < 2) this.startProposer(random.chance(0.5) ? this.founding() : this.store.membership);
    }
  }

  private anyMember(): SafekeeperNode {
    const members = Membership.everyone(this.store.membership);
    const node = this.nodes.get(members[this.random.between(0, members.length)]?.safekeeperId ?? SafekeeperId.of(1));
    if (node === undefined) throw new Error('there is no safekeeper');
    return node;
  }

  /** Never so many that a set of the current membership has no quorum left. */
  private loseDisk(node: SafekeeperNode): void {
    const remains = (member: Member): boolean => member.safekeeperId !== node.id && this.isThere(member);
    const isBearable = Membership.sets(this.store.membership).every(
      (members) => 2 * members.filter(remains).length > members.length,
    );
    if (!this.isLosing || !isBearable) return;
    node.loseDisk();
    this.scheduler.after(this.random.unit() * 100, () => node.restart());
  }

  private isThere = ({ safekeeperId, incarnation }: Member): boolean =>
    this.nodes.get(safekeeperId)?.self.incarnation === incarnation;

  /** Replaces one, grows, shrinks, or moves altogether. Disks that were lost go first. */
  private changeMembership(): void {
    if (!this.isChanging) return;
    const { random } = this;
    const { members } = this.store.membership;
    const kept = this.shuffled(members.filter(this.isThere));
    const spare = this.shuffled(
      [...this.nodes.values()].map(({ self }) => self).filter((self) => !Member.isIn(kept, self)),
    );
    const size = random.pick([3, 3, 5]);
    const keepMax = random.pick([size, size - 1, size - 1, 0]);
    const staying = kept.slice(0, keepMax);
    const wanted = [...staying, ...spare.slice(0, size - staying.length)];
    this.startDriver(wanted.length === size ? wanted : kept);
  }

  private shuffled<T>(items: readonly T[]): T[] {
    return items
      .map((item) => ({ item, rank: this.random.unit() }))
      .sort((a, b) => a.rank - b.rank)
      .map(({ item }) => item);
  }

  /** Of a change that is under way either set, but for a new one that has lost its quorum before it could take over. */
  private settledSet(): readonly Member[] {
    const { membership } = this.store;
    if (membership.kind === 'settled') return membership.members;
    const { members, newMembers } = membership;
    const isAlive = 2 * newMembers.filter(this.isThere).length > newMembers.length;
    return this.random.pick([members, isAlive ? newMembers : members]);
  }

  private makePeace(): void {
    this.crashRate = 0;
    this.partitions.heal();
    for (const proposer of this.proposers) proposer.crash();
    for (const driver of this.drivers) driver.crash();
    for (const node of this.nodes.values()) {
      if (this.random.chance(0.5)) node.crash();
      node.restart();
    }
    this.profile.current = { delayMaxMs: 2, dropRate: 0, duplicateRate: 0, isOrdered: true };
    this.requests.current = { delayMaxMs: 2, lossRate: 0, repeatRate: 0 };
  }

  /** Everything that might make it again comes afterwards. */
  private deleteTimeline(): void {
    const { membership } = this.store;
    const [donor] = membership.members;
    for (const node of this.nodes.values()) {
      node.handle({ kind: 'delete' }, () => undefined);
      this.createLater(node.id, LATE_MAX_MS);
      const { incarnation } = node.self;
      if (donor !== undefined)
        this.scheduler.after(this.random.unit() * LATE_MAX_MS, () =>
          node.handle({ kind: 'seed', incarnation, membership, donor }, () => undefined),
        );
    }
    this.scheduler.runUntil(this.scheduler.nowMs + 2 * LATE_MAX_MS);
    for (const { name, presence } of this.nodes.values())
      this.checker.check(presence === 'deleted', 'V12', () => `${name}: the timeline is ${presence}, it was deleted`);
  }
}

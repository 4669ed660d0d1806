/**
 * One simulated life of a timeline: three or five safekeepers, of which less than half may lose their disks, rival computes, a bad network, crashes. A run is its seed.
 *
 *   R1  The same seed and mutant give the same run, event for event.
 *   R2  A run ends with peace: all faults stop, and one more compute must recover, which shows that nothing acknowledged
 *       was lost and that the timeline is still alive.
 */
import { AcceptorState, type TimelineIdentity } from '@neon/consensus';
import { Lsn, SafekeeperId, SystemId, TenantId, Term, TimelineId } from '@neon/kernel';
import { Connection, type NetworkProfile, Partitions } from '../network';
import { Scheduler } from '../scheduler';
import { SeededRandom } from '../seeded-random';
import { AcceptorNode } from './acceptor-node';
import { Checker, Violation } from './checker';
import type { Mutant } from './mutant';
import { ProposerNode } from './proposer-node';

const START_LSN = Lsn.of(0x400);
const TROUBLE_MS = 1500;
const PEACE_MAX_MS = 10_000;
const GENERATION = 1;
/** Of the runs. */
const FIVE_MEMBERS_RATE = 0.2;
const DISK_LOSS_RATE = 0.4;

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

class ConsensusRun {
  private readonly random: SeededRandom;
  private readonly scheduler = new Scheduler();
  private readonly partitions = new Partitions();
  private readonly checker: Checker;
  private readonly acceptors: readonly AcceptorNode[];
  private readonly profile: { current: NetworkProfile };
  private proposers: ProposerNode[] = [];
  private born = 0;
  private crashRate: number;
  private lossesLeft: number;
  private readonly mutant: Mutant | undefined;

  constructor(seed: number, { mutant, watched }: RunOptions) {
    this.mutant = mutant;
    this.random = new SeededRandom(seed);
    const memberCount = this.random.chance(FIVE_MEMBERS_RATE) ? 5 : 3;
    const minority = (memberCount - 1) / 2;
    this.checker = new Checker(START_LSN, memberCount - minority, watched);
    this.lossesLeft = this.random.chance(DISK_LOSS_RATE) ? minority : 0;
    this.crashRate = this.random.pick([0, 0.0005, 0.003]);
    this.profile = { current: this.badNetwork() };
    this.acceptors = Array.from({ length: memberCount }, (_, index) => this.makeAcceptor(index + 1));
  }

  perform(): void {
    this.startProposer();
    this.troubleSoon();
    this.scheduler.runUntil(TROUBLE_MS);
    this.makePeace();
    const last = this.startProposer();
    this.scheduler.runUntil(TROUBLE_MS + PEACE_MAX_MS, () => last.recoveredLsn !== undefined);
    this.checker.check(last.recoveredLsn !== undefined, 'R2', () => 'no recovery in peace: the timeline is stuck');
  }

  summary = () => ({
    events: this.scheduler.eventCount,
    elections: this.checker.electionCount,
    acknowledgedBytes: this.checker.acknowledgedLsn - START_LSN,
  });

  private badNetwork(): NetworkProfile {
    const isOrdered = this.random.chance(0.6);
    return {
      delayMaxMs: this.random.pick([1, 5, 30]),
      dropRate: this.random.pick(isOrdered ? [0, 0.001, 0.02] : [0.001, 0.02, 0.1]),
      duplicateRate: this.random.pick([0.01, 0.1]),
      isOrdered,
    };
  }

  private makeAcceptor(number: number): AcceptorNode {
    const id = SafekeeperId.of(number);
    const { random, scheduler, checker } = this;
    const step = this.mutant?.acceptor ?? ((state, input, real) => real(state, input));
    const created = AcceptorState.create({
      safekeeperId: id,
      identity: IDENTITY,
      membershipGeneration: GENERATION,
      startLsn: START_LSN,
      term: Term.ZERO,
    });
    const isMadeAgain = this.mutant?.isMadeAgain ?? false;
    return new AcceptorNode({ random, scheduler, checker, step, isMadeAgain }, id, created);
  }

  private startProposer(): ProposerNode {
    const { random, scheduler, checker, acceptors } = this;
    const node = new ProposerNode(
      {
        random,
        scheduler,
        checker,
        acceptors,
        step: this.mutant?.proposer ?? ((state, input, real) => real(state, input)),
        told: this.mutant?.told ?? (({ commitLsn }) => commitLsn),
        connect: (from, acceptor) => this.connect(from, acceptor),
        isCut: this.partitions.isCut,
      },
      `compute${this.born++}`,
      this.born,
      {
        identity: IDENTITY,
        membershipGeneration: GENERATION,
        safekeepers: this.acceptors.map(({ id }) => id),
        token: '',
        timing: TIMING,
      },
      this.crashRate,
    );
    this.proposers = [...this.proposers.filter(({ isRunning }) => isRunning), node];
    return node;
  }

  private connect(from: string, acceptor: AcceptorNode): Connection | undefined {
    const isCut = () => this.partitions.isCut(from, acceptor.name);
    if (!acceptor.isUp || isCut()) return undefined;
    const connection = new Connection(this.scheduler, this.random, this.profile.current, isCut);
    acceptor.accept(connection);
    return connection;
  }

  private troubleSoon(): void {
    this.scheduler.after(this.random.unit() * 150, () => {
      if (this.scheduler.nowMs >= TROUBLE_MS) return;
      this.trouble();
      this.troubleSoon();
    });
  }

  private trouble(): void {
    const { random } = this;
    const acceptor = this.anyAcceptor();
    const running = this.proposers.filter(({ isRunning }) => isRunning);
    const [first, ...others] = running;
    switch (random.between(0, 9)) {
      case 0:
      case 1:
        acceptor.crash();
        this.scheduler.after(random.unit() * 200, () => acceptor.restart());
        return;
      case 2:
        for (const each of this.acceptors) if (random.chance(0.7)) each.crash();
        this.scheduler.after(random.unit() * 100, () => this.acceptors.forEach((each) => each.restart()));
        return;
      case 3:
        if (first !== undefined) random.pick([first, ...others]).crash();
        return;
      case 4:
        if (first !== undefined) this.partitions.separate(random.pick([first, ...others]).name, acceptor.name);
        return;
      case 5:
        return this.partitions.heal();
      case 6:
        return this.loseDisk(acceptor);
      default:
        if (running.length < 2) this.startProposer();
    }
  }

  private anyAcceptor(): AcceptorNode {
    const acceptor = this.acceptors[this.random.between(0, this.acceptors.length)];
    if (acceptor === undefined) throw new Error('there is no acceptor');
    return acceptor;
  }

  private loseDisk(acceptor: AcceptorNode): void {
    if (this.lossesLeft === 0 || acceptor.isLost) return;
    this.lossesLeft--;
    acceptor.loseDisk();
    this.scheduler.after(this.random.unit() * 100, () => acceptor.restart());
  }

  private makePeace(): void {
    this.crashRate = 0;
    this.partitions.heal();
    for (const proposer of this.proposers) proposer.crash();
    for (const acceptor of this.acceptors) {
      if (this.random.chance(0.5)) acceptor.crash();
      acceptor.restart();
    }
    this.profile.current = { delayMaxMs: 2, dropRate: 0, duplicateRate: 0, isOrdered: true };
  }
}

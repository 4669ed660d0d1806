/** A compute in the simulated world: a proposer, and WAL that is made up once it has recovered. */
import {
  type AcceptorMessage,
  FRAME_SIZE_MAX,
  Proposer,
  type ProposerConfig,
  type ProposerEffect,
  type ProposerInput,
  type ProposerState,
  decodeAcceptorMessage,
  encodeProposerMessage,
} from '@neon/consensus';
import { FrameDecoder, Lsn, type SafekeeperId, type Term, unreachable } from '@neon/kernel';
import type { Connection } from '../network';
import type { Scheduler } from '../scheduler';
import type { SeededRandom } from '../seeded-random';
import type { Checker } from './checker';
import type { Mutant } from './mutant';
import { makeRecord } from './record';
import type { SafekeeperNode } from './safekeeper-node';

const TICK_MS = 10;
/** Clocks of computes run at other speeds. */
const TICK_SKEW = 2;
const RECONNECT_MAX_MS = 40;
const FETCH_DELAY_MAX_MS = 10;
const WRITE_PAUSE_MAX_MS = 12;
const REOPEN_PAUSE_MAX_MS = 200;
const IDLE_DELAY_MAX_MS = 5;
const LOG_SIZE_MAX = 60 * 1024;

export interface ProposerWorld {
  readonly scheduler: Scheduler;
  readonly random: SeededRandom;
  readonly checker: Checker;
  readonly mutant: Mutant;
  /** Addresses: every safekeeper there is. */
  readonly node: (id: SafekeeperId) => SafekeeperNode | undefined;
  connect(from: string, node: SafekeeperNode): Connection | undefined;
  isCut(a: string, b: string): boolean;
}

export class ProposerNode {
  private state: ProposerState;
  private isAlive = true;
  private readonly connections = new Map<SafekeeperId, Connection>();
  private readonly known = new Set<SafekeeperId>();
  private readonly tickMs: number;
  /** This leader's whole log, by LSN; its end, and how much of it was given to the proposer. */
  private log = new Uint8Array(0);
  private logEndLsn = Lsn.ZERO;
  private givenLsn = Lsn.ZERO;
  private sequence = 0;
  private committedLsn = Lsn.ZERO;

  constructor(
    private readonly world: ProposerWorld,
    readonly name: string,
    private readonly writer: number,
    private readonly config: ProposerConfig,
    private readonly crashRate: number,
  ) {
    this.state = Proposer.create(config);
    this.tickMs = TICK_MS * TICK_SKEW ** (2 * world.random.unit() - 1);
    this.meet(config.safekeepers);
    this.meetMembers();
    this.tickSoon();
  }

  get isRunning(): boolean {
    return this.isAlive;
  }

  /** Where this leader's own WAL began; undefined until the recovery is over. */
  get recoveredLsn(): Lsn | undefined {
    return this.committedLsn === Lsn.ZERO ? undefined : this.committedLsn;
  }

  crash(): void {
    this.isAlive = false;
    for (const connection of this.connections.values()) connection.close();
  }

  private later(delayMs: number, run: () => void): void {
    this.world.scheduler.after(delayMs, () => {
      if (this.isAlive) run();
    });
  }

  private tickSoon(): void {
    this.later(this.tickMs, () => {
      this.feed({ kind: 'tick', random: this.world.random.unit() });
      this.tickSoon();
    });
  }

  private meetMembers(): void {
    for (const set of this.state.voterSets) this.meet(set.map(({ safekeeperId }) => safekeeperId));
  }

  private meet(ids: readonly SafekeeperId[]): void {
    for (const id of ids) {
      const node = this.world.node(id);
      if (node === undefined || this.known.has(id)) continue;
      this.known.add(id);
      this.connectSoon(node);
    }
  }

  private connectSoon(node: SafekeeperNode): void {
    this.later(this.world.random.unit() * RECONNECT_MAX_MS, () => {
      const connection = this.world.connect(this.name, node);
      if (connection === undefined) return this.connectSoon(node);
      this.connections.set(node.id, connection);
      const decoder = new FrameDecoder(FRAME_SIZE_MAX);
      connection.attach(0, {
        onMessage: (bytes) => {
          if (this.connections.get(node.id) !== connection) return;
          for (const frame of decoder.push(bytes)) this.onMessage(node.id, decodeAcceptorMessage(frame));
        },
        onClosed: () => {
          if (!this.isAlive || this.connections.get(node.id) !== connection) return;
          this.connections.delete(node.id);
          this.feed({ kind: 'disconnected', safekeeper: node.id });
          this.connectSoon(node);
        },
      });
      this.feed({ kind: 'connected', safekeeper: node.id });
    });
  }

  private onMessage(safekeeper: SafekeeperId, message: AcceptorMessage): void {
    this.feed({ kind: 'received', safekeeper, message });
  }

  private feed(input: ProposerInput): void {
    if (!this.isAlive) return;
    const { mutant, checker } = this.world;
    const { state, effects } = mutant.proposer?.(this.state, input, Proposer.step) ?? Proposer.step(this.state, input);
    this.state = state;
    if (input.kind === 'received') checker.onMembership(this.name, state.membership);
    for (const effect of effects) {
      if (this.world.random.chance(this.crashRate)) return this.crash();
      this.perform(effect);
    }
  }

  private perform(effect: ProposerEffect): void {
    switch (effect.kind) {
      case 'send':
        this.connections.get(effect.safekeeper)?.send(0, encodeProposerMessage(effect.message));
        return;
      case 'disconnect':
      case 'refused':
        this.connections.get(effect.safekeeper)?.close();
        return;
      case 'elected':
        return this.onElected(effect.term, effect.startLsn);
      case 'committed':
        return this.onCommitted(effect.lsn);
      case 'deposed':
        return this.crash();
      case 'fetchWal':
        return this.fetch(effect);
      case 'membershipChanged':
        return this.meetMembers();
      default:
        return unreachable(effect);
    }
  }

  private onElected(term: Term, startLsn: Lsn): void {
    const { phase, peers, membership } = this.state;
    const donor = phase.kind === 'leading' ? phase.donor : undefined;
    const peer = donor === undefined ? undefined : peers.get(donor);
    const incarnation = peer !== undefined && 'incarnation' in peer ? peer.incarnation : undefined;
    const disk = donor === undefined ? undefined : this.world.node(donor)?.diskOf(incarnation, membership.generation);
    this.log = new Uint8Array(LOG_SIZE_MAX + 4096);
    if (disk !== undefined) this.log.set(disk.log.subarray(0, startLsn));
    this.logEndLsn = startLsn;
    this.givenLsn = startLsn;
    this.world.checker.onElected({ name: this.name, term, termStartLsn: startLsn, membership, log: this.log });
  }

  private onCommitted(lsn: Lsn): void {
    const { phase } = this.state;
    if (phase.kind !== 'leading') return;
    const { term, membership } = this.state;
    this.world.checker.onCommitted({ term, membership, lsn, log: this.log });
    if (this.committedLsn === Lsn.ZERO) {
      this.writeSoon();
      this.reopenSoon();
    }
    this.committedLsn = lsn;
    this.world.checker.onTold(this.state.term, lsn);
    this.idleSoon();
  }

  private idleSoon(): void {
    this.later(this.world.random.unit() * IDLE_DELAY_MAX_MS, () => this.feed({ kind: 'idle' }));
  }

  /** Postgres' WAL stream breaks and is opened again: it is told at once how far its WAL is safe. */
  private reopenSoon(): void {
    this.later(this.world.random.unit() * REOPEN_PAUSE_MAX_MS, () => {
      const told = this.world.mutant.told?.(this.state) ?? this.state.commitLsn;
      this.world.checker.onTold(this.state.term, told);
      this.reopenSoon();
    });
  }

  /** Records are made whole and given in pieces that end anywhere. */
  private writeSoon(): void {
    const { random } = this.world;
    this.later(random.unit() * WRITE_PAUSE_MAX_MS, () => {
      const count = random.between(1, 4);
      for (let i = 0; i < count && this.logEndLsn < LOG_SIZE_MAX; i++) {
        const origin = { term: this.state.term, writer: this.writer, sequence: this.sequence++ };
        const record = makeRecord(this.logEndLsn, random.between(20, 200), origin);
        this.log.set(record, this.logEndLsn);
        this.logEndLsn = Lsn.advance(this.logEndLsn, record.length);
      }
      while (this.givenLsn < this.logEndLsn && Proposer.wantsWal(this.state)) {
        const size = random.between(1, this.logEndLsn - this.givenLsn + 1);
        const startLsn = this.givenLsn;
        this.givenLsn = Lsn.advance(startLsn, size);
        this.feed({ kind: 'walAvailable', startLsn, bytes: this.log.slice(startLsn, startLsn + size) });
        this.idleSoon();
        if (random.chance(0.3)) break;
      }
      this.writeSoon();
    });
  }

  private fetch(effect: ProposerEffect & { kind: 'fetchWal' }): void {
    const { startLsn, endLsn, donor, term } = effect;
    this.later(this.world.random.unit() * FETCH_DELAY_MAX_MS, () => {
      const node = this.world.node(donor);
      const isReachable = node?.isUp === true && !this.world.isCut(this.name, node.name);
      const state = isReachable ? node.state : undefined;
      const log = isReachable ? node.log : undefined;
      if (state === undefined || log === undefined || state.term !== term || state.flushLsn <= startLsn)
        return this.feed({ kind: 'fetchFailed', term });
      const bytes = log.slice(startLsn, Math.min(endLsn, state.flushLsn));
      this.feed({ kind: 'walFetched', term, startLsn, bytes });
    });
  }
}

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
import type { AcceptorNode } from './acceptor-node';
import type { Checker } from './checker';
import type { ProposerStepFunction } from './mutant';
import { makeRecord } from './record';

export const TICK_MS = 10;
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
  readonly step: ProposerStepFunction;
  /** What Postgres is told of its WAL when its stream was opened again. */
  readonly told: (state: ProposerState) => Lsn;
  readonly acceptors: readonly AcceptorNode[];
  connect(from: string, acceptor: AcceptorNode): Connection | undefined;
  isCut(a: string, b: string): boolean;
}

export class ProposerNode {
  private state: ProposerState;
  private isAlive = true;
  private readonly connections = new Map<SafekeeperId, Connection>();
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
    for (const acceptor of world.acceptors) this.connectSoon(acceptor);
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
    this.later(TICK_MS, () => {
      this.feed({ kind: 'tick', random: this.world.random.unit() });
      this.tickSoon();
    });
  }

  private connectSoon(acceptor: AcceptorNode): void {
    this.later(this.world.random.unit() * RECONNECT_MAX_MS, () => {
      const connection = this.world.connect(this.name, acceptor);
      if (connection === undefined) return this.connectSoon(acceptor);
      this.connections.set(acceptor.id, connection);
      const decoder = new FrameDecoder(FRAME_SIZE_MAX);
      connection.attach(0, {
        onMessage: (bytes) => {
          if (this.connections.get(acceptor.id) !== connection) return;
          for (const frame of decoder.push(bytes)) this.onMessage(acceptor.id, decodeAcceptorMessage(frame));
        },
        onClosed: () => {
          if (!this.isAlive || this.connections.get(acceptor.id) !== connection) return;
          this.connections.delete(acceptor.id);
          this.feed({ kind: 'disconnected', safekeeper: acceptor.id });
          this.connectSoon(acceptor);
        },
      });
      this.feed({ kind: 'connected', safekeeper: acceptor.id });
    });
  }

  private onMessage(safekeeper: SafekeeperId, message: AcceptorMessage): void {
    this.feed({ kind: 'received', safekeeper, message });
  }

  private feed(input: ProposerInput): void {
    if (!this.isAlive) return;
    const { state, effects } = this.world.step(this.state, input, Proposer.step);
    this.state = state;
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
      default:
        return unreachable(effect);
    }
  }

  private onElected(term: Term, startLsn: Lsn): void {
    const { phase } = this.state;
    const donor = this.world.acceptors.find(({ id }) => phase.kind === 'leading' && id === phase.donor);
    this.log = new Uint8Array(LOG_SIZE_MAX + 4096);
    if (donor !== undefined) this.log.set(donor.content.subarray(0, startLsn));
    this.logEndLsn = startLsn;
    this.givenLsn = startLsn;
    this.world.checker.onElected(this.name, term, startLsn, this.log);
  }

  private onCommitted(lsn: Lsn): void {
    const { phase } = this.state;
    if (phase.kind !== 'leading') return;
    const disks = this.world.acceptors.map((acceptor) => acceptor.disk);
    this.world.checker.onCommitted(this.state.term, lsn, this.log, disks);
    if (this.committedLsn === Lsn.ZERO) {
      this.writeSoon();
      this.reopenSoon();
    }
    this.committedLsn = lsn;
    this.world.checker.onTold(this.state.term, lsn);
    this.later(this.world.random.unit() * IDLE_DELAY_MAX_MS, () => this.feed({ kind: 'idle' }));
  }

  /** Postgres' WAL stream breaks and is opened again: it is told at once how far its WAL is safe. */
  private reopenSoon(): void {
    this.later(this.world.random.unit() * REOPEN_PAUSE_MAX_MS, () => {
      this.world.checker.onTold(this.state.term, this.world.told(this.state));
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
        if (random.chance(0.3)) break;
      }
      this.writeSoon();
    });
  }

  private fetch(effect: ProposerEffect & { kind: 'fetchWal' }): void {
    const { startLsn, endLsn, donor, term } = effect;
    this.later(this.world.random.unit() * FETCH_DELAY_MAX_MS, () => {
      const acceptor = this.world.acceptors.find(({ id }) => id === donor);
      const isReachable = acceptor?.isUp === true && !this.world.isCut(this.name, acceptor.name);
      const availableLsn = acceptor?.state.flushLsn ?? Lsn.ZERO;
      if (acceptor === undefined || !isReachable || acceptor.state.term !== term || availableLsn <= startLsn)
        return this.feed({ kind: 'fetchFailed', term });
      const bytes = acceptor.content.slice(startLsn, Math.min(endLsn, availableLsn));
      this.feed({ kind: 'walFetched', term, startLsn, bytes });
    });
  }
}

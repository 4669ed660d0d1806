/** A safekeeper in the simulated world: performs the acceptor's effects one by one, and may crash before each of them. */
import {
  Acceptor,
  type AcceptorEffect,
  type AcceptorInput,
  AcceptorState,
  type DurableAcceptorState,
  FRAME_SIZE_MAX,
  type SessionId,
  decodeProposerMessage,
  encodeAcceptorMessage,
} from '@neon/consensus';
import { FrameDecoder, Lsn, type SafekeeperId, unreachable } from '@neon/kernel';
import { ForgetfulFile } from '../disk';
import type { Connection } from '../network';
import type { Scheduler } from '../scheduler';
import type { SeededRandom } from '../seeded-random';
import { Checker, type DiskState } from './checker';
import type { AcceptorStepFunction } from './mutant';
import { scanRecords } from './record';

type Work =
  | { readonly kind: 'input'; readonly input: AcceptorInput }
  | { readonly kind: 'effect'; readonly effect: AcceptorEffect };

const LOG_SIZE = 64 * 1024;
const EFFECT_DELAY_MAX_MS = 0.2;
const SYNC_DELAY_MAX_MS = 4;

export interface AcceptorWorld {
  readonly scheduler: Scheduler;
  readonly random: SeededRandom;
  readonly checker: Checker;
  readonly step: AcceptorStepFunction;
  /** Whether one that lost its disk is made again, empty: only a planted bug does that. */
  readonly isMadeAgain: boolean;
}

export class AcceptorNode {
  readonly name: string;
  private log = new ForgetfulFile(LOG_SIZE);
  /** Control files on their way to the disk, the durable one first. */
  private control: [DurableAcceptorState, ...DurableAcceptorState[]];
  private current: AcceptorState;
  /** The end of the last whole record of what was written. */
  private recordEndLsn: Lsn;
  private work: Work[] = [];
  private isWorking = false;
  private isUpNow = true;
  private life = 0;
  private syncNumber = 0;
  /** What the sync in the background will have made durable; undefined when none runs. */
  private syncing: number | undefined;
  /** After the last step of this life. */
  private seen: AcceptorState | undefined;
  /** What was on the disk that was lost. */
  private lost: DiskState | undefined;
  private sessions = new Map<SessionId, Connection>();
  private nextSession: SessionId = 1;

  constructor(
    private readonly world: AcceptorWorld,
    readonly id: SafekeeperId,
    private readonly created: DurableAcceptorState,
  ) {
    this.name = `sk${id}`;
    this.control = [created];
    this.current = AcceptorState.recover(created, created.commitLsn);
    this.recordEndLsn = this.current.flushLsn;
  }

  get isUp(): boolean {
    return this.isUpNow;
  }

  get isLost(): boolean {
    return this.lost !== undefined;
  }

  get state(): AcceptorState {
    return this.current;
  }

  get content(): Uint8Array {
    return this.log.content;
  }

  get disk(): DiskState {
    return this.lost ?? { control: this.control[0], certainLog: this.log.certain, log: this.log.content };
  }

  accept(connection: Connection): void {
    const session = this.nextSession++;
    const decoder = new FrameDecoder(FRAME_SIZE_MAX);
    const { life } = this;
    this.sessions.set(session, connection);
    connection.attach(1, {
      onMessage: (bytes) => {
        if (life !== this.life) return;
        for (const frame of decoder.push(bytes))
          this.enqueue({ kind: 'received', session, message: decodeProposerMessage(frame) });
      },
      onClosed: () => {
        if (life === this.life && this.sessions.delete(session)) this.enqueue({ kind: 'disconnected', session });
      },
    });
  }

  crash(): void {
    if (!this.isUpNow) return;
    this.isUpNow = false;
    this.life++;
    this.work = [];
    this.isWorking = false;
    this.syncing = undefined;
    this.syncNumber++;
    this.seen = undefined;
    for (const connection of this.sessions.values()) connection.close();
    this.sessions = new Map();
    this.log.crash(this.world.random);
    const survivor = this.world.random.between(0, this.control.length);
    this.control = [this.control[survivor] ?? this.control[0]];
  }

  /** With its disk go its votes and its WAL: it may not take part again. */
  loseDisk(): void {
    this.crash();
    if (this.world.isMadeAgain) {
      this.log = new ForgetfulFile(LOG_SIZE);
      this.control = [this.created];
    } else this.lost ??= this.disk;
  }

  /** As the real shell does: the end of the log is found by scanning, and what follows it is wiped. */
  restart(): void {
    if (this.isUpNow || this.lost !== undefined) return;
    this.isUpNow = true;
    const [control] = this.control;
    const flushLsn = scanRecords(this.log.content, control.commitLsn);
    this.log.zeroFrom(flushLsn);
    this.log.sync();
    this.recordEndLsn = flushLsn;
    this.current = AcceptorState.recover(control, flushLsn);
    this.check();
  }

  private check(): void {
    this.world.checker.onAcceptor(this.seen, this.current, this.log.content, this.recordEndLsn);
    this.seen = this.current;
  }

  private enqueue(input: AcceptorInput): void {
    if (!this.isUpNow) return;
    this.work.push({ kind: 'input', input });
    if (!this.isWorking) this.workSoon(EFFECT_DELAY_MAX_MS);
  }

  private workSoon(delayMaxMs: number): void {
    const { life } = this;
    this.isWorking = true;
    this.world.scheduler.after(this.world.random.unit() * delayMaxMs, () => {
      if (life === this.life) this.workOn();
    });
  }

  private workOn(): void {
    const next = this.work.shift();
    if (next === undefined) {
      this.isWorking = false;
      return;
    }
    if (next.kind === 'effect') return this.perform(next.effect);
    const before = this.current;
    const { state, effects } = this.world.step(before, next.input, Acceptor.step);
    this.current = state;
    this.work.unshift(...effects.map((effect): Work => ({ kind: 'effect', effect })));
    for (const effect of effects)
      if (effect.kind === 'truncate') this.world.checker.onAcceptorEffect(before, effect, this.disk);
    if (effects.length === 0) return this.settle();
    this.workSoon(EFFECT_DELAY_MAX_MS);
  }

  private perform(effect: AcceptorEffect): void {
    const { checker } = this.world;
    if (effect.kind === 'send') checker.onAcceptorEffect(this.current, effect, this.disk);
    switch (effect.kind) {
      case 'write':
        return this.write(effect);
      case 'flush':
        return this.waitForDisk(() => this.log.sync());
      case 'truncate':
        this.log.zeroFrom(effect.endLsn);
        this.recordEndLsn = effect.endLsn;
        return this.waitForDisk(() => this.log.sync());
      case 'persist':
        return this.persist(effect);
      case 'send':
        this.sessions.get(effect.session)?.send(1, encodeAcceptorMessage(effect.message));
        break;
      case 'refuse': {
        const { session, code, reason } = effect;
        this.sessions.get(session)?.send(1, encodeAcceptorMessage({ kind: 'sessionRefused', code, reason }));
        this.sessions.get(session)?.close();
        break;
      }
      default:
        return unreachable(effect);
    }
    this.settle();
  }

  /** The effects of one step are done when no effect is left at the front of the work. */
  private settle(): void {
    if (this.work[0]?.kind !== 'effect') this.check();
    this.workSoon(EFFECT_DELAY_MAX_MS);
  }

  private write(effect: AcceptorEffect & { kind: 'write' }): void {
    this.log.write(effect.startLsn, effect.bytes);
    const endLsn = Lsn.advance(effect.startLsn, effect.bytes.length);
    this.recordEndLsn = scanRecords(this.log.content, this.recordEndLsn, endLsn);
    this.work.unshift({ kind: 'input', input: { kind: 'written', endLsn, recordEndLsn: this.recordEndLsn } });
    this.syncInBackground();
    this.workSoon(0);
  }

  /** Group flush: one sync covers all that was written before it began. */
  private syncInBackground(): void {
    if (this.syncing !== undefined) return;
    const mark = this.log.mark();
    this.syncing = mark;
    const { life, syncNumber: number } = this;
    const { random, scheduler } = this.world;
    // The write that starts the flush is told by `written` a moment later; what the flush covers is known now.
    const { recordEndLsn } = this;
    const input = this.work[0]?.kind === 'input' ? this.work[0].input : undefined;
    const endLsn = input?.kind === 'written' ? input.endLsn : this.current.writeLsn;
    const { truncationCount } = this.current;
    scheduler.after(random.unit() * SYNC_DELAY_MAX_MS, () => {
      if (life !== this.life) return;
      const isCurrent = number === this.syncNumber;
      if (isCurrent) this.log.sync(mark);
      if (isCurrent) this.syncing = undefined;
      // It may be told long after the log was cut.
      this.enqueue({ kind: 'flushed', endLsn, recordEndLsn, truncationCount });
      if (isCurrent && this.log.mark() > 0) this.syncInBackground();
    });
  }

  private waitForDisk(done: () => void): void {
    const { life, world } = this;
    // What runs in the background is waited for first.
    this.log.sync(this.syncing ?? 0);
    this.syncNumber++;
    this.syncing = undefined;
    world.scheduler.after(world.random.unit() * SYNC_DELAY_MAX_MS, () => {
      if (life !== this.life) return;
      done();
      this.settle();
    });
  }

  private persist(effect: AcceptorEffect & { kind: 'persist' }): void {
    const { life, world } = this;
    this.control.push(effect.state);
    world.scheduler.after(world.random.unit() * SYNC_DELAY_MAX_MS, () => {
      if (life !== this.life) return;
      // The chain is durable in order: this one makes all before it obsolete.
      const at = this.control.indexOf(effect.state);
      if (at > 0) this.control = [effect.state, ...this.control.slice(at + 1)];
      if (effect.wait) this.settle();
    });
    if (!effect.wait) this.settle();
  }
}

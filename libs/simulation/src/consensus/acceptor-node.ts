/** One timeline on one simulated disk: performs the acceptor's effects one by one, and may crash before each of them. */
import {
  Acceptor,
  type AcceptorEffect,
  type AcceptorInput,
  type AcceptorMessage,
  type AcceptorPosition,
  AcceptorState,
  type DurableAcceptorState,
  type Member,
  type RequestId,
  type SessionId,
} from '@neon/consensus';
import { Lsn, unreachable } from '@neon/kernel';
import { ForgetfulFile } from '../disk';
import type { Scheduler } from '../scheduler';
import type { SeededRandom } from '../seeded-random';
import type { Checker, DiskState } from './checker';
import type { Mutant } from './mutant';
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
  readonly mutant: Mutant;
  /** How often a process dies before an effect that others wait for. */
  readonly crashRate: () => number;
}

/** What the safekeeper does with what an acceptor says. */
export interface AcceptorListener {
  send(session: SessionId, message: AcceptorMessage): void;
  close(session: SessionId): void;
  answer(request: RequestId, position: AcceptorPosition): void;
  /** The whole process ends here, for a while. */
  die(): void;
}

export class AcceptorNode {
  private readonly log = new ForgetfulFile(LOG_SIZE);
  /** Control files on their way to the disk, the durable one first. */
  private control: [DurableAcceptorState, ...DurableAcceptorState[]];
  private current: AcceptorState;
  /** The end of the last whole record of what was written. */
  private recordEndLsn: Lsn;
  private work: Work[] = [];
  private isWorking = false;
  private isUp = true;
  private life = 0;
  private syncNumber = 0;
  /** What the sync in the background will have made durable; undefined when none runs. */
  private syncing: number | undefined;
  /** After the last step of this life. */
  private seen: AcceptorState | undefined;

  /** @param log what it begins with, durably, when it was seeded */
  constructor(
    private readonly world: AcceptorWorld,
    private readonly listener: AcceptorListener,
    readonly self: Member,
    private readonly created: { readonly control: DurableAcceptorState; readonly log: Uint8Array },
  ) {
    const { control, log } = created;
    this.control = [control];
    this.log.write(0, log);
    this.log.sync();
    const flushLsn = Lsn.max(control.commitLsn, Lsn.of(log.length));
    this.current = AcceptorState.recover(control, { flushLsn, incarnation: self.incarnation });
    this.recordEndLsn = flushLsn;
  }

  get state(): AcceptorState {
    return this.current;
  }

  get content(): Uint8Array {
    return this.log.content;
  }

  get disk(): DiskState {
    return { control: this.control[0], certainLog: this.log.certain, log: this.log.content };
  }

  crash(): void {
    if (!this.isUp) return;
    this.isUp = false;
    this.life++;
    this.work = [];
    this.isWorking = false;
    this.syncing = undefined;
    this.syncNumber++;
    this.seen = undefined;
    this.log.crash(this.world.random);
    const survivor = this.world.random.between(0, this.control.length);
    this.control = [this.control[survivor] ?? this.control[0]];
  }

  /** As the real shell does: the end of the log is found by scanning, and what follows it is wiped. */
  restart(): void {
    if (this.isUp) return;
    this.isUp = true;
    const { mutant, checker } = this.world;
    const control = mutant.recovered?.(this.control[0], this.created.control) ?? this.control[0];
    const flushLsn = scanRecords(this.log.content, control.commitLsn);
    this.log.zeroFrom(flushLsn);
    this.log.sync();
    this.recordEndLsn = flushLsn;
    this.current = AcceptorState.recover(control, { flushLsn, incarnation: this.self.incarnation });
    checker.onRecovered(this.self, this.current);
    this.check();
  }

  input(input: AcceptorInput): void {
    if (!this.isUp) return;
    this.work.push({ kind: 'input', input });
    if (!this.isWorking) this.workSoon(EFFECT_DELAY_MAX_MS);
  }

  private check(): void {
    this.world.checker.onAcceptor(this.seen, this.current, this.log.content, this.recordEndLsn);
    this.seen = this.current;
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
    const { checker, mutant } = this.world;
    const { state, effects } =
      mutant.acceptor?.(before, next.input, Acceptor.step) ?? Acceptor.step(before, next.input);
    this.current = state;
    this.work.unshift(...effects.map((effect): Work => ({ kind: 'effect', effect })));
    for (const effect of effects)
      if (effect.kind === 'truncate')
        checker.onAcceptorEffect({ self: this.self, state: before, disk: this.disk }, effect);
    if (effects.length === 0) return this.settle();
    this.workSoon(EFFECT_DELAY_MAX_MS);
  }

  private perform(effect: AcceptorEffect): void {
    const { checker, random, crashRate } = this.world;
    const isDecisive = effect.kind === 'truncate' || (effect.kind === 'persist' && effect.wait);
    if (isDecisive && random.chance(crashRate())) return this.listener.die();
    if (effect.kind === 'send' || effect.kind === 'answer')
      checker.onAcceptorEffect({ self: this.self, state: this.current, disk: this.disk }, effect);
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
        this.listener.send(effect.session, effect.message);
        break;
      case 'refuse': {
        const { session, code, reason } = effect;
        this.listener.send(session, { kind: 'sessionRefused', code, reason });
        this.listener.close(session);
        break;
      }
      case 'answer':
        this.listener.answer(effect.request, effect.position);
        break;
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
      this.input({ kind: 'flushed', endLsn, recordEndLsn, truncationCount });
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

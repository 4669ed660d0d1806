/**
 * The clients of a chaos run: they transfer money, write and read registers, and remember what they were told.
 *
 *   C1  Questions and answers have positions in one order: `respondedAt < invokedAt` of another means that it came after.
 *   C2  A client that loses its session connects again, for ever, with growing pauses; an answer that does not come in
 *       time is a session lost.
 *   C3  While `silentFrom` is set, no transaction that began at or after it may be acknowledged; one that is, is a problem.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { SeededRandom } from '@neon/simulation';
import { type Address, Session } from './bank';
import type { Figures } from './figures';
import { ACCOUNTS, type Fate } from './ledger';
import { fateOf, sqlstateOf } from './outcome';
import type { RegisterOperation } from './register-history';

const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 2_000;
/** Between two transactions of one client, up to this: a run of hours keeps all its WAL. */
const THINK_MS = 20;
const AMOUNT_MAX = 20;

export interface PlainRead {
  readonly key: number;
  readonly value: number;
  readonly invokedAt: number;
  readonly respondedAt: number;
}

export class Clients {
  readonly fates = new Map<number, Fate>();
  histories = new Map<number, RegisterOperation[]>();
  plainReads: PlainRead[] = [];
  silentFrom: number | null = null;
  /** Of transactions that break C3: where they began. */
  private readonly acknowledgedInSilence: number[] = [];
  private position = 0;
  private lastId = 0;
  private isStopping = false;
  private lastAcks: number[] = [];
  private running: Promise<void>[] = [];

  constructor(
    private readonly address: Address,
    private readonly random: SeededRandom,
    private readonly figures: Figures,
  ) {}

  now = (): number => ++this.position;

  start(count: number, keys: readonly [number, ...number[]]): void {
    this.isStopping = false;
    this.histories = new Map(keys.map((key) => [key, []]));
    this.plainReads = [];
    this.lastAcks = Array.from({ length: count }, () => 0);
    this.figures.begin(performance.now());
    this.running = Array.from({ length: count }, (_, number) => this.live(number, keys));
  }

  /** Every client has been acknowledged something that it asked for after this position. */
  allServedSince = (position: number): boolean => this.lastAcks.every((at) => at > position);

  /** What was begun is waited for. */
  async stop(): Promise<void> {
    this.abandon();
    await Promise.all(this.running);
  }

  /** What was begun is left to its end. */
  abandon(): void {
    if (this.isStopping) return;
    this.figures.pause(performance.now());
    this.isStopping = true;
  }

  private async live(number: number, keys: readonly [number, ...number[]]): Promise<void> {
    let pauseMs = RETRY_MIN_MS;
    while (!this.isStopping) {
      try {
        const session = await Session.open(this.address);
        pauseMs = RETRY_MIN_MS;
        await this.useUntilBroken(session, number, keys).finally(() => session.close());
      } catch (error) {
        this.countError(error);
        await sleep(pauseMs);
        pauseMs = Math.min(RETRY_MAX_MS, pauseMs * 1.6);
      }
    }
  }

  private async useUntilBroken(session: Session, number: number, keys: readonly [number, ...number[]]): Promise<void> {
    while (!this.isStopping) {
      const invokedAt = this.now();
      const startedMs = performance.now();
      const chance = this.random.unit();
      const key = this.random.pick(keys);
      let isAcknowledged = true;
      if (chance < 0.45) isAcknowledged = await this.transfer(session);
      else if (chance < 0.65) await this.write(session, key);
      else if (chance < 0.85) await this.read(session, key);
      else await this.readPlainly(session, key);
      if (isAcknowledged && chance < 0.85) {
        this.acknowledged(invokedAt, startedMs);
        this.lastAcks[number] = invokedAt;
      }
      await sleep(this.random.between(0, THINK_MS));
    }
  }

  /** C3. */
  private acknowledged(invokedAt: number, startedMs: number): void {
    const nowMs = performance.now();
    this.figures.acknowledge(nowMs, nowMs - startedMs);
    if (this.silentFrom !== null && invokedAt >= this.silentFrom) this.acknowledgedInSilence.push(invokedAt);
  }

  get problems(): string[] {
    const { length, [0]: first } = this.acknowledgedInSilence;
    return first === undefined
      ? []
      : [`${length} transactions were acknowledged without a quorum that could, the first of them at ${first}`];
  }

  private countError(error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    this.figures.count(`${sqlstateOf(error) ?? '-----'} ${reason.replace(/[0-9a-f]{2,}[-:.]\S*/g, '…').slice(0, 100)}`);
  }

  private note(fate: Fate): void {
    if (fate === 'in doubt') this.figures.inDoubt += 1;
    else if (fate === 'failed') this.figures.failed += 1;
  }

  /** True when it was acknowledged. @throws whatever ended the session */
  private async transfer(session: Session): Promise<boolean> {
    const { random } = this;
    const account = (): number => random.between(1, ACCOUNTS + 1);
    const transfer = { id: ++this.lastId, source: account(), target: account(), amount: random.between(1, AMOUNT_MAX) };
    let commitSent = false;
    this.fates.set(transfer.id, 'in doubt');
    try {
      await session.beginTransfer(transfer);
      commitSent = true;
      await session.commit();
      this.fates.set(transfer.id, 'acknowledged');
      return true;
    } catch (error) {
      const fate = fateOf(error, { commitSent });
      this.fates.set(transfer.id, fate);
      this.note(fate);
      if (!isOfTransaction(error)) throw error;
      this.countError(error);
      await session.rollback();
      return false;
    }
  }

  private async write(session: Session, key: number): Promise<void> {
    const invokedAt = this.now();
    const value = invokedAt;
    const record = (respondedAt: number | null): void =>
      void this.histories.get(key)?.push({ kind: 'write', value, invokedAt, respondedAt });
    try {
      await session.write(key, value);
      record(this.now());
    } catch (error) {
      const fate = fateOf(error, { commitSent: true });
      this.note(fate);
      if (fate === 'in doubt') record(null);
      throw error;
    }
  }

  private async read(session: Session, key: number): Promise<void> {
    const invokedAt = this.now();
    const value = await session.read(key);
    this.histories.get(key)?.push({ kind: 'read', value, invokedAt, respondedAt: this.now() });
  }

  private async readPlainly(session: Session, key: number): Promise<void> {
    const invokedAt = this.now();
    const value = await session.readPlainly(key);
    this.plainReads.push({ key, value, invokedAt, respondedAt: this.now() });
  }
}

/** Deadlock or serialization failure: the session goes on. */
const isOfTransaction = (error: unknown): boolean => ['40001', '40P01'].includes(sqlstateOf(error) ?? '');

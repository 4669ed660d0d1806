/**
 * One timeline of a safekeeper: drives the acceptor, performs its effects, and tells readers how far they may read.
 *
 *   TL1  Inputs are stepped one at a time; the effects of one are performed, in order, before the next.
 *   TL2  Readers see WAL up to `commitLsn`; a reader that names a term sees it up to `flushLsn` while that term lasts.
 *   TL3  After a failure nothing is sent or acknowledged any more: sessions are refused, readers end, `failed` tells why.
 *   TL4  A record is accepted only where the scan after a restart would accept it: it links to the record before it. Else
 *        WAL could be acknowledged that a restart takes for the end.
 *   TL5  Memory is bounded: `relief` is pending while too much is queued, and senders wait for it.
 *   TL6  While there is no room (`wal-space.ts`), WAL is parked: neither written nor acknowledged. Elections, heartbeats, reads
 *        and trims go on, answers tell how full it is, and when there is room the parked WAL is taken in its order.
 *   TL7  A timeline at rest, with readers or without, holds neither WAL in memory nor files open.
 */
import {
  Acceptor,
  type AcceptorEffect,
  type AcceptorInput,
  type AcceptorMessage,
  type AcceptorPosition,
  AcceptorState,
  type AppendRequest,
  type Membership,
  type ProposerMessage,
  type RefusalCode,
  type RequestId,
  type SessionId,
} from '@neon/consensus';
import { Corrupt, Lsn, Refusal, type Term, Unavailable, assert, unreachable } from '@neon/kernel';
import { type PostgresMajor, WalBoundaryTracker } from '@neon/postgres';
import type { CacheOwner, ReadCache } from './read-cache';
import { TailCache } from './tail-cache';
import type { OpenedTimeline, TimelineStore } from './timeline-store';
import { type TrimSettings, Trimmer } from './trimmer';
import { FULL, type WalAccount, type WalSpace } from './wal-space';

/** What a proposer's connection offers to the timeline. */
export interface ProposerSession {
  send(message: AcceptorMessage): void;
  refuse(code: RefusalCode, reason: string): void;
}

/** What the timelines of a safekeeper share. */
export interface TimelineContext {
  readonly space: WalSpace;
  readonly blocks: ReadCache;
  readonly trim: TrimSettings;
}

/** From here on an answer to an append tells how full it is; below, nobody has to slow down. */
export const FULLNESS_TOLD_MIN = 50;
/** Bytes of WAL queued for the disk above which proposers are made to wait. */
export const QUEUED_BYTES_MAX = 8 * 1024 * 1024;
/** Largest piece of WAL a reader gets at once, and the block in which readers share what is read from files. */
export const READ_SIZE_MAX = 128 * 1024;

export class Timeline {
  private acceptor: AcceptorState;
  /** Knows the records up to the end of the log; undefined after a start or a truncation. */
  private tracker: WalBoundaryTracker | undefined;
  /** Where the last record begins that the scan at the start has seen, until the log changes. */
  private recoveredRecordLsn: Lsn | undefined;
  private readonly store: TimelineStore;
  private readonly cache = new TailCache();
  private readonly sessions = new Map<SessionId, ProposerSession>();
  private nextSession: SessionId = 1;
  private readonly configuring = new Map<RequestId, (position: AcceptorPosition | undefined) => void>();
  private nextRequest: RequestId = 1;
  private readonly inputs: AcceptorInput[] = [];
  private effects: readonly AcceptorEffect[] = [];
  private nextEffect = 0;
  private isDraining = false;
  private readonly listeners = new Set<() => void>();
  private readonly waiting: (() => void)[] = [];
  private cacheReaders = 0;
  private failure: Error | undefined;
  readonly trimmer: Trimmer;
  private readonly account: WalAccount;
  private readonly cacheOwner: CacheOwner;
  private parked: { readonly session: SessionId; readonly message: AppendRequest }[] = [];
  private parkedBytes = 0;
  /** Of WAL that is taken and waits for its turn (TL1), and of that whose turn it is. */
  private pendingBytes = 0;
  private steppedBytes = 0;
  private stopWaitingForRoom: (() => void) | undefined;
  /** The end of the log at the last `save`. */
  private restingLsn: Lsn | undefined;

  constructor(
    opened: OpenedTimeline & { readonly incarnation: string },
    private readonly context: TimelineContext,
    private readonly onFailed: (error: Error) => void,
  ) {
    if (opened.flushLsn < opened.control.commitLsn)
      throw new Corrupt(
        `WAL ends at ${Lsn.format(opened.flushLsn)}, before the committed ${Lsn.format(opened.control.commitLsn)}`,
      );
    this.acceptor = AcceptorState.recover(opened.control, opened);
    this.recoveredRecordLsn = opened.lastRecordLsn;
    this.store = opened.store;
    this.store.listen({
      durable: (mark) => this.input({ kind: 'flushed', ...mark }),
      failed: (error) => this.fail(error),
    });
    this.account = context.space.account();
    this.cacheOwner = context.blocks.owner();
    this.trimmer = new Trimmer({
      store: this.store,
      settings: context.trim,
      trimmedLsn: opened.trimmedLsn,
      durableCommitLsn: opened.control.commitLsn,
      acceptor: () => this.acceptor,
      onTrimmed: () => this.measure(),
      onFailed: (error) => this.fail(error),
    });
    this.measure();
  }

  get state(): AcceptorState {
    return this.acceptor;
  }

  /** Why this timeline stopped; undefined while it works. */
  get failed(): Error | undefined {
    return this.failure;
  }

  get isWriterConnected(): boolean {
    return this.acceptor.leader !== undefined;
  }

  /** WAL that is kept here. */
  get keptBytes(): number {
    return this.account.keptBytes;
  }

  /** 100: no more WAL is taken (TL6). */
  get fullness(): number {
    return this.account.fullness;
  }

  attach(session: ProposerSession): SessionId {
    const id = this.nextSession++;
    this.sessions.set(id, session);
    return id;
  }

  detach(id: SessionId): void {
    this.dropParked(id);
    if (this.sessions.delete(id)) this.input({ kind: 'disconnected', session: id });
  }

  receive(session: SessionId, message: ProposerMessage): void {
    if (this.failure !== undefined) this.refuse(session, 'StorageUnavailable', this.failure.message);
    else if (message.kind === 'appendRequest' && message.bytes.length > 0 && this.mustPark) this.park(session, message);
    else {
      // A proposer that asks for a vote, or announces itself, begins anew where this log ends.
      if (message.kind !== 'appendRequest') this.dropParked(session);
      this.take(session, message);
    }
  }

  private take(session: SessionId, message: ProposerMessage): void {
    this.pendingBytes += walSizeOf(message);
    this.measure();
    this.input({ kind: 'received', session, message });
  }

  /** TL6. What arrives behind parked WAL is parked too, until that has been taken. */
  private get mustPark(): boolean {
    return this.parked.length > 0 || this.account.fullness >= FULL;
  }

  private park(session: SessionId, message: AppendRequest): void {
    this.parked.push({ session, message });
    this.parkedBytes += message.bytes.length;
    this.stopWaitingForRoom ??= this.context.space.onRoom(() => this.unpark());
    this.trimmer.consider();
  }

  private unpark(): void {
    while (this.account.fullness < FULL) {
      const next = this.parked.shift();
      if (next === undefined) break;
      this.parkedBytes -= next.message.bytes.length;
      this.take(next.session, next.message);
    }
    if (this.parked.length > 0) return;
    this.stopWaitingForRoom?.();
    this.stopWaitingForRoom = undefined;
  }

  private dropParked(session: SessionId): void {
    if (this.parked.length === 0) return;
    this.parked = this.parked.filter((entry) => entry.session !== session);
    this.parkedBytes = this.parked.reduce((sum, { message }) => sum + message.bytes.length, 0);
    this.unpark();
  }

  /** A quorum holds the log of `term` up to `endLsn`: it is committed, though its leader may not have lived to say so. */
  chosen(term: Term, endLsn: Lsn): void {
    this.input({ kind: 'chosen', term, endLsn });
  }

  /**
   * Takes on a membership, and in it a term of `minTerm` at least; resolves with what then holds, durably. The one who
   * drives a change of membership looks at the generation in the answer.
   *
   * @throws Unavailable when the timeline fails meanwhile
   */
  configure(membership: Membership, minTerm: Term): Promise<AcceptorPosition> {
    const request = this.nextRequest++;
    return new Promise((resolve, reject) => {
      const settle = (position: AcceptorPosition | undefined): void => {
        this.configuring.delete(request);
        if (position === undefined) reject(new Unavailable(this.failure?.message ?? 'the timeline failed'));
        else resolve(position);
      };
      this.configuring.set(request, settle);
      if (this.failure !== undefined) settle(undefined);
      else this.input({ kind: 'configure', request, membership, minTerm });
    });
  }

  /** Now and then: saves in the control file what may lag there, and comes to rest if nothing was appended since (TL7). */
  save(): void {
    if (this.failure !== undefined) return;
    if (this.cacheReaders === 0 || this.restingLsn === this.acceptor.writeLsn) this.cache.clear();
    if (this.restingLsn === this.acceptor.writeLsn) this.store.rest();
    this.restingLsn = this.acceptor.writeLsn;
    this.input({ kind: 'save' });
    this.trimmer.consider();
  }

  /** TL5: undefined while there is room. */
  relief(): Promise<void> | undefined {
    if (!this.isSaturated()) return undefined;
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  private isSaturated = (): boolean =>
    this.failure === undefined &&
    (this.store.queuedBytes + this.parkedBytes > QUEUED_BYTES_MAX || this.inputs.length > 1024);

  /** Calls back after positions or term may have changed, and after a failure. */
  onProgress(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** While a reader is counted, the tail is kept in memory, and what it has still to be sent on the disk. */
  addReader(position: () => Lsn): () => void {
    this.cacheReaders++;
    const release = this.trimmer.addReader(position);
    return () => {
      this.cacheReaders--;
      release();
    };
  }

  /** Where the WAL that is here begins. */
  get firstLsn(): Lsn {
    return this.trimmer.trimmedLsn;
  }

  /** TL2. @throws Unavailable when the term is over, or the timeline failed. */
  readableLsn(term: Term | undefined): Lsn {
    if (this.failure !== undefined) throw new Unavailable(this.failure.message, { cause: this.failure });
    if (term === undefined) return this.acceptor.commitLsn;
    if (term !== this.acceptor.term) throw new Unavailable(`term ${term} is over, here it is ${this.acceptor.term}`);
    return this.acceptor.flushLsn;
  }

  /**
   * WAL of `[startLsn, endLsn)` or its beginning; the caller keeps `endLsn` below `readableLsn`. While a disk is read the
   * term may pass, and another leader may have written there since: then these are bytes of nobody's log (TL2).
   *
   * @throws Unavailable when the term is over, or the timeline failed
   */
  async read(startLsn: Lsn, endLsn: Lsn, term?: Term): Promise<Uint8Array> {
    const sizeMax = Math.min(READ_SIZE_MAX, endLsn - startLsn);
    assert(sizeMax > 0 && startLsn >= AcceptorState.startLsn(this.acceptor), 'TL2: reads lie within the WAL');
    const bytes = this.cache.read(startLsn, sizeMax) ?? (await this.readFiles(startLsn, sizeMax));
    this.readableLsn(term);
    return bytes;
  }

  /** @throws Refusal `WalTrimmed` */
  requireKept(startLsn: Lsn): void {
    if (startLsn >= this.firstLsn) return;
    throw new Refusal(
      'WalTrimmed',
      `WAL below ${Lsn.format(this.firstLsn)} was removed from this safekeeper: read ${Lsn.format(startLsn)} from the ` +
        'archive, or begin with a base backup that is newer',
    );
  }

  /** A block of committed WAL is shared with other readers; the end of the log is read for this one alone. */
  private async readFiles(startLsn: Lsn, sizeMax: number): Promise<Uint8Array> {
    this.requireKept(startLsn);
    const offset = startLsn % READ_SIZE_MAX;
    const blockLsn = Lsn.of(startLsn - offset);
    if (Lsn.advance(blockLsn, READ_SIZE_MAX) > this.acceptor.commitLsn) return this.store.read(startLsn, sizeMax);
    const name = { owner: this.cacheOwner, lsn: blockLsn, size: READ_SIZE_MAX };
    const block = await this.context.blocks.read(name, () => this.store.read(blockLsn, READ_SIZE_MAX));
    const bytes = block.subarray(offset, offset + sizeMax);
    // A file that ends within the block is shorter than a segment, and is reported where its end is read.
    return bytes.length > 0 ? bytes : this.store.read(startLsn, sizeMax);
  }

  async close(): Promise<void> {
    this.fail(new Unavailable('the safekeeper is shutting down or the timeline was closed'), { quietly: true });
    await this.store.close();
  }

  private input(input: AcceptorInput): void {
    if (this.failure !== undefined) return;
    this.inputs.push(input);
    this.drain();
  }

  /** TL1. Synchronous until an effect must wait; then it goes on when that is done. */
  private drain(): void {
    if (this.isDraining) return;
    this.isDraining = true;
    try {
      for (;;) {
        const effect = this.effects[this.nextEffect];
        if (effect !== undefined) {
          this.nextEffect++;
          const pending = this.perform(effect);
          if (pending === undefined) continue;
          pending.then(
            () => this.resume(),
            (error: unknown) => this.fail(error),
          );
          return;
        }
        const input = this.inputs.shift();
        if (input === undefined || this.failure !== undefined) break;
        this.step(input);
      }
    } catch (error) {
      return this.fail(error);
    }
    this.isDraining = false;
    this.steppedBytes = 0;
    this.measure();
    this.progress();
  }

  private resume(): void {
    this.isDraining = false;
    if (this.failure === undefined) this.drain();
  }

  private step(input: AcceptorInput): void {
    this.steppedBytes = input.kind === 'received' ? walSizeOf(input.message) : 0;
    this.pendingBytes -= this.steppedBytes;
    const { state, effects } = Acceptor.step(this.acceptor, input);
    this.acceptor = state;
    this.effects = effects;
    this.nextEffect = 0;
  }

  private perform(effect: AcceptorEffect): Promise<void> | undefined {
    switch (effect.kind) {
      case 'write':
        return this.write(effect);
      case 'flush':
        return this.store.flush();
      case 'truncate':
        this.tracker = undefined;
        this.recoveredRecordLsn = undefined;
        this.cache.truncate(effect.endLsn);
        return this.store.truncate(effect.endLsn).then(() => this.measure());
      case 'persist':
        return this.persist(effect);
      case 'send':
        this.sessions.get(effect.session)?.send(this.withFullness(effect.message));
        return undefined;
      case 'refuse':
        return this.refuse(effect.session, effect.code, effect.reason);
      case 'answer':
        this.configuring.get(effect.request)?.(effect.position);
        return undefined;
      default:
        return unreachable(effect);
    }
  }

  /** TL6. */
  private withFullness(message: AcceptorMessage): AcceptorMessage {
    const { fullness } = this.account;
    return message.kind === 'appendResponse' && fullness >= FULLNESS_TOLD_MIN ? { ...message, fullness } : message;
  }

  private measure(): void {
    const takenBytes = this.pendingBytes + this.steppedBytes;
    if (this.failure === undefined) this.account.set(this.acceptor.writeLsn + takenBytes - this.firstLsn);
  }

  /** WAL that is not WAL ends the session before a byte of it is written. */
  private write(effect: AcceptorEffect & { kind: 'write' }): Promise<void> | undefined {
    if (this.tracker?.receivedLsn === effect.startLsn) return this.append(effect, this.tracker);
    if (effect.startLsn !== this.acceptor.writeRecordLsn)
      return this.refuseWal(`no record ends at ${Lsn.format(effect.startLsn)}`);
    return this.trackerAt(effect.startLsn).then((tracker) => this.append(effect, tracker));
  }

  private append({ startLsn, bytes }: AcceptorEffect & { kind: 'write' }, tracker: WalBoundaryTracker): undefined {
    let recordEndLsn: Lsn;
    try {
      recordEndLsn = tracker.push(bytes);
    } catch (error) {
      return this.refuseWal(error instanceof Error ? error.message : String(error));
    }
    this.tracker = tracker;
    this.recoveredRecordLsn = undefined;
    const { truncationCount } = this.acceptor;
    this.store.write({ startLsn, bytes, recordEndLsn, truncationCount });
    if (this.cacheReaders > 0) this.cache.append(startLsn, bytes);
    const endLsn = Lsn.advance(startLsn, bytes.length);
    // Nothing else of its step depends on what was written, so the outcome may be stepped before what is left of it.
    this.acceptor = Acceptor.step(this.acceptor, { kind: 'written', endLsn, recordEndLsn }).state;
    this.steppedBytes = 0;
    this.measure();
  }

  /** TL4. Starts where a scan after a restart would start, unless the last record is known already. */
  private async trackerAt(lsn: Lsn): Promise<WalBoundaryTracker> {
    const { identity, savedCommitLsn } = this.acceptor;
    const format = { major: identity.pgMajor as PostgresMajor, segmentSize: identity.walSegmentSize };
    if (this.recoveredRecordLsn !== undefined)
      return new WalBoundaryTracker({ ...format, startLsn: lsn, prevLsn: this.recoveredRecordLsn });
    const tracker = new WalBoundaryTracker({ ...format, startLsn: savedCommitLsn });
    while (tracker.receivedLsn < lsn) {
      const from = tracker.receivedLsn;
      tracker.push(await this.store.read(from, Math.min(READ_SIZE_MAX, lsn - from)));
    }
    if (tracker.endLsn !== lsn) throw new Corrupt(`the log holds no end of a record at ${Lsn.format(lsn)}`);
    return tracker;
  }

  private refuseWal(reason: string): undefined {
    this.tracker = undefined;
    const { leader } = this.acceptor;
    if (leader !== undefined) this.refuse(leader, 'MalformedMessage', reason);
  }

  private persist(effect: AcceptorEffect & { kind: 'persist' }): Promise<void> | undefined {
    const saved = this.store.saveControl(effect.state).then(() => this.trimmer.saved(effect.state.commitLsn));
    if (effect.wait) return saved;
    saved.catch((error: unknown) => this.fail(error));
    return undefined;
  }

  private refuse(id: SessionId, code: RefusalCode, reason: string): undefined {
    this.sessions.get(id)?.refuse(code, reason);
  }

  private fail(error: unknown, { quietly = false } = {}): void {
    if (this.failure !== undefined) return;
    this.failure = error instanceof Error ? error : new Error(String(error));
    for (const session of this.sessions.values()) session.refuse('StorageUnavailable', this.failure.message);
    this.sessions.clear();
    for (const settle of [...this.configuring.values()]) settle(undefined);
    this.inputs.length = 0;
    this.parked = [];
    this.parkedBytes = 0;
    this.stopWaitingForRoom?.();
    this.cache.clear();
    // Its WAL is still on the disk, and counts again once it is opened again.
    this.account.set(0);
    this.progress();
    if (!quietly) this.onFailed(this.failure);
  }

  private progress(): void {
    // What was heard in a heartbeat may be what a trim waits for.
    if (this.parked.length > 0) this.trimmer.consider();
    if (this.waiting.length > 0 && !this.isSaturated()) for (const resolve of this.waiting.splice(0)) resolve();
    for (const listener of this.listeners) listener();
  }
}

const walSizeOf = (message: ProposerMessage): number => (message.kind === 'appendRequest' ? message.bytes.length : 0);

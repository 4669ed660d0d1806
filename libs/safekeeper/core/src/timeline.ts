/**
 * One timeline of a safekeeper: drives the acceptor, performs its effects, and tells readers how far they may read.
 *
 *   TL1  Inputs are stepped one at a time; the effects of one are performed, in order, before the next (`input-loop.ts`).
 *   TL2  Readers see WAL up to `commitLsn`; a reader that names a term sees it up to `flushLsn` while that term lasts.
 *        Both, and `state`, are as of the last input of which everything is done: what still waits for the disk is told to nobody.
 *   TL3  After a failure nothing is sent or acknowledged any more: sessions are refused, readers end, `failed` tells why.
 *   TL4  Memory is bounded: `relief` is pending while too much is queued, and senders wait for it.
 *   TL5  While there is no room (`wal-space.ts`), WAL waits in the backlog. Elections, heartbeats, reads and trims go on, and
 *        answers tell how full it is.
 *   TL6  A timeline at rest, with readers or without, holds neither WAL in memory nor files open.
 *   TL7  One whose WAL is in the archive alone answers nothing that depends on its log before it is back
 *        (`archive/residence.ts`).
 */
import {
  Acceptor,
  type AcceptorEffect,
  type AcceptorInput,
  type AcceptorMessage,
  type AcceptorPosition,
  AcceptorState,
  type Membership,
  type PageserverPositions,
  type ProposerMessage,
  type RefusalCode,
  type SessionId,
} from '@neon/consensus';
import { Corrupt, Lsn, type Term, Unavailable, assert, unreachable } from '@neon/kernel';
import type { ArchiveContext } from './archive/archive-context';
import { TimelineInArchive } from './archive/timeline-in-archive';
import { Backlog } from './backlog';
import { InputLoop } from './input-loop';
import { PendingPositions } from './pending-positions';
import type { ReadCache } from './read-cache';
import { RecordTracker } from './record-tracker';
import type { OpenedTimeline, TimelineStore } from './timeline-store';
import type { UnarchivedWal } from './trim';
import { Trimmer } from './trimmer';
import { READ_SIZE_MAX, WalReads } from './wal-reads';
import type { WalAccount, WalSpace } from './wal-space';

/** What a proposer's connection offers to the timeline. */
export interface ProposerSession {
  send(message: AcceptorMessage): void;
  refuse(code: RefusalCode, reason: string): void;
}

/** What the timelines of a safekeeper share. */
export interface TimelineContext {
  readonly space: WalSpace;
  readonly blocks: ReadCache;
  readonly unarchived: UnarchivedWal;
  readonly archive: ArchiveContext | undefined;
}

/** From here on an answer to an append tells how full it is; below, nobody has to slow down. */
export const FULLNESS_TOLD_MIN = 50;
/** Bytes of WAL queued for the disk above which proposers are made to wait. */
export const QUEUED_BYTES_MAX = 8 * 1024 * 1024;

export class Timeline {
  private acceptor: AcceptorState;
  /** TL2. */
  private performed: AcceptorState;
  private readonly store: TimelineStore;
  private readonly records: RecordTracker;
  private readonly reads: WalReads;
  private readonly sessions = new Map<SessionId, ProposerSession>();
  private nextSession: SessionId = 1;
  private readonly configuring = new PendingPositions();
  private readonly loop: InputLoop;
  private readonly listeners = new Set<() => void>();
  private readonly waiting: (() => void)[] = [];
  private failure: Error | undefined;
  /** Up to where a pageserver has read here. */
  private pageserverLsn = Lsn.ZERO;
  readonly trimmer: Trimmer;
  readonly archive: TimelineInArchive | undefined;
  private readonly account: WalAccount;
  private readonly backlog: Backlog;
  /** Of WAL that is taken and waits for its turn (TL1), and of that whose turn it is. */
  private pendingBytes = 0;
  private steppedBytes = 0;
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
    this.performed = this.acceptor;
    this.store = opened.store;
    this.records = new RecordTracker(this.store, opened.lastRecordLsn);
    this.store.listen({
      durable: (mark) => this.input({ kind: 'flushed', ...mark }),
      failed: (error) => this.fail(error),
    });
    this.loop = new InputLoop({
      step: (input) => this.step(input),
      perform: (effect) => this.perform(effect),
      prepare: (input) => (dependsOnLog(input) ? this.archive?.restore() : undefined),
      onPerformed: () => (this.performed = this.acceptor),
      onIdle: () => this.settle(),
      onFailed: (error) => this.fail(error),
    });
    this.account = context.space.account();
    this.backlog = new Backlog({
      space: context.space,
      account: this.account,
      take: (session, message) => this.take(session, message),
    });
    this.archive = TimelineInArchive.of(context.archive, opened, {
      acceptor: () => this.performed,
      isUnused: () => this.isUnused,
      alone: (run) => this.loop.alone(run),
      onArchived: () => this.trimmer.consider(),
      onOffloaded: (trimmedLsn) => {
        this.trimmer.offloaded(trimmedLsn);
        this.measure();
      },
      onRestored: () => this.measure(),
    });
    this.reads = new WalReads({
      store: this.store,
      blocks: context.blocks,
      acceptor: () => this.performed,
      firstLsn: () => this.firstLsn,
      archived: this.archive?.wal,
      restore: () => this.archive?.restore(),
    });
    this.trimmer = new Trimmer({
      store: this.store,
      unarchived: context.unarchived,
      trimmedLsn: opened.trimmedLsn,
      durableCommitLsn: opened.control.commitLsn,
      acceptor: () => this.acceptor,
      archivedLsn: () => this.archivedLsn,
      onTrimmed: () => this.measure(),
      onFailed: (error) => this.fail(error),
    });
    this.measure();
    this.archive?.committed();
  }

  get state(): AcceptorState {
    return this.performed;
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

  /** Null without an archive. */
  get archivedLsn(): Lsn | null {
    return this.archive?.archivedLsn ?? null;
  }

  /** Its WAL is in the archive alone (TL7). */
  get isOffloaded(): boolean {
    return this.archive?.isOffloaded ?? false;
  }

  /** 100: no more WAL is taken (TL5). */
  get fullness(): number {
    return this.account.fullness;
  }

  attach(session: ProposerSession): SessionId {
    const id = this.nextSession++;
    this.sessions.set(id, session);
    this.archive?.used();
    return id;
  }

  detach(id: SessionId): void {
    this.backlog.drop(id);
    this.archive?.used();
    if (this.sessions.delete(id)) this.input({ kind: 'disconnected', session: id });
  }

  receive(session: SessionId, message: ProposerMessage): void {
    if (this.failure !== undefined) this.refuse(session, 'StorageUnavailable', this.failure.message);
    else if (message.kind === 'appendRequest' && message.bytes.length > 0 && this.backlog.isNeeded)
      this.delay(session, message);
    else {
      // A proposer that asks for a vote, or announces itself, begins anew where this log ends.
      if (message.kind !== 'appendRequest') this.backlog.drop(session);
      this.take(session, message);
    }
  }

  private take(session: SessionId, message: ProposerMessage): void {
    this.pendingBytes += walSizeOf(message);
    this.measure();
    this.input({ kind: 'received', session, message });
  }

  /** TL5. */
  private delay(session: SessionId, message: ProposerMessage & { kind: 'appendRequest' }): void {
    this.backlog.add(session, message);
    this.trimmer.consider();
  }

  /** A quorum holds the log of `term` up to `endLsn`: it is committed, though its leader may not have lived to say so. */
  chosen(term: Term, endLsn: Lsn): void {
    this.input({ kind: 'chosen', term, endLsn });
  }

  /**
   * What another safekeeper knows to be committed (`catch-up.ts`); resolves when it was taken, or not.
   *
   * @throws Unavailable when the timeline fails meanwhile
   */
  async learn(learned: Omit<AcceptorInput & { kind: 'learned' }, 'kind'>): Promise<void> {
    this.input({ kind: 'learned', ...learned });
    while (!this.loop.isIdle && this.failure === undefined)
      await new Promise<void>((resolve) => {
        const stop = this.onProgress(() => {
          stop();
          resolve();
        });
      });
    if (this.failure !== undefined) throw new Unavailable(this.failure.message, { cause: this.failure });
  }

  /**
   * Takes on a membership, and in it a term of `minTerm` at least; resolves with what then holds, durably. The one who
   * drives a change of membership looks at the generation in the answer.
   *
   * @throws Unavailable when the timeline fails meanwhile
   */
  async configure(membership: Membership, minTerm: Term): Promise<AcceptorPosition> {
    if (this.failure !== undefined) throw new Unavailable(this.failure.message);
    return this.configuring.ask((request) => this.input({ kind: 'configure', request, membership, minTerm }));
  }

  /** Now and then: saves in the control file what may lag there, and comes to rest if nothing was appended since (TL6). */
  save(): void {
    if (this.failure !== undefined) return;
    const isResting = this.restingLsn === this.acceptor.writeLsn;
    this.reads.settle(isResting);
    if (isResting) this.store.rest();
    this.restingLsn = this.acceptor.writeLsn;
    this.input({ kind: 'save' });
    this.trimmer.consider();
  }

  /** Nothing is under way here, nobody is connected who needs more than there is, and all of it is in the archive. */
  private get isUnused(): boolean {
    const { commitLsn, writeLsn } = this.acceptor;
    return (
      this.failure === undefined &&
      this.sessions.size === 0 &&
      this.configuring.isEmpty &&
      commitLsn === writeLsn &&
      writeLsn > this.firstLsn &&
      this.trimmer.isSettledAt(commitLsn) &&
      this.archive?.isComplete === true
    );
  }

  /** TL4: undefined while there is room. */
  relief(): Promise<void> | undefined {
    if (!this.isSaturated()) return undefined;
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  private isSaturated = (): boolean =>
    this.failure === undefined &&
    (this.store.queuedBytes + this.backlog.queuedBytes > QUEUED_BYTES_MAX || this.loop.waitingCount > 1024);

  /** Calls back after positions or term may have changed, and after a failure. */
  onProgress(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** While a reader is counted, the tail is kept in memory, and what it has still to be sent on the disk. */
  addReader(position: () => Lsn): () => void {
    const forget = this.reads.addReader();
    const release = this.trimmer.addReader(position);
    this.archive?.used();
    return () => {
      forget();
      release();
      this.archive?.used();
    };
  }

  /** A pageserver that reads here says what it has. One that takes over from it may be behind until it has caught up. */
  pageserverHas({ receivedLsn, durableLsn }: PageserverPositions): void {
    this.pageserverLsn = Lsn.max(this.pageserverLsn, receivedLsn);
    this.trimmer.remoteConsistent(durableLsn);
  }

  /** Where the WAL that is here begins. */
  get firstLsn(): Lsn {
    return this.trimmer.trimmedLsn;
  }

  /** TL2. @throws Unavailable when the term is over, or the timeline failed. */
  readableLsn(term: Term | undefined): Lsn {
    if (this.failure !== undefined) throw new Unavailable(this.failure.message, { cause: this.failure });
    if (term === undefined) return this.performed.commitLsn;
    if (term !== this.acceptor.term) throw new Unavailable(`term ${term} is over, here it is ${this.acceptor.term}`);
    return Lsn.min(this.acceptor.flushLsn, this.performed.flushLsn);
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
    this.archive?.used();
    const bytes = await this.reads.read(startLsn, sizeMax);
    this.readableLsn(term);
    return bytes;
  }

  /** @throws Refusal `WalTrimmed` */
  requireKept(startLsn: Lsn): void {
    this.reads.requireKept(startLsn);
  }

  async close(): Promise<void> {
    this.fail(new Unavailable('the safekeeper is shutting down or the timeline was closed'), { quietly: true });
    await this.archive?.close();
    await this.store.close();
  }

  private input(input: AcceptorInput): void {
    if (this.failure === undefined) this.loop.push(input);
  }

  private step(input: AcceptorInput): readonly AcceptorEffect[] {
    this.steppedBytes = input.kind === 'received' ? walSizeOf(input.message) : 0;
    this.pendingBytes -= this.steppedBytes;
    const { state, effects } = Acceptor.step(this.acceptor, input);
    this.acceptor = state;
    return effects;
  }

  private settle(): void {
    this.steppedBytes = 0;
    this.measure();
    this.progress();
  }

  private perform(effect: AcceptorEffect): Promise<void> | undefined {
    switch (effect.kind) {
      case 'write':
        return this.write(effect);
      case 'flush':
        return this.store.flush();
      case 'truncate':
        this.records.truncated();
        this.reads.truncated(effect.endLsn);
        return this.store.truncate(effect.endLsn).then(() => this.measure());
      case 'persist':
        return this.persist(effect);
      case 'send':
        this.sessions.get(effect.session)?.send(this.withFeedback(effect.message));
        return undefined;
      case 'refuse':
        return this.refuse(effect.session, effect.code, effect.reason);
      case 'answer':
        this.configuring.answer(effect.request, effect.position);
        return undefined;
      default:
        return unreachable(effect);
    }
  }

  /** TL5. What makes a writer slow down travels with every position. */
  private withFeedback(message: AcceptorMessage): AcceptorMessage {
    if (message.kind !== 'appendResponse') return message;
    const { fullness } = this.account;
    const pageserver = { receivedLsn: this.pageserverLsn, durableLsn: this.trimmer.remoteConsistentLsn };
    return {
      ...message,
      ...(fullness >= FULLNESS_TOLD_MIN ? { fullness } : {}),
      ...(pageserver.receivedLsn + pageserver.durableLsn > 0 ? { pageserver } : {}),
    };
  }

  private measure(): void {
    const takenBytes = this.pendingBytes + this.steppedBytes;
    const logBytes = this.isOffloaded ? 0 : this.acceptor.writeLsn - this.firstLsn;
    if (this.failure === undefined) this.account.set(logBytes + takenBytes);
  }

  /** WAL that is not WAL ends the session before a byte of it is written. */
  private write(effect: AcceptorEffect & { kind: 'write' }): Promise<void> | undefined {
    if (this.records.isAt(effect.startLsn)) return this.append(effect);
    if (effect.startLsn !== this.acceptor.writeRecordLsn)
      return this.refuseWal(`no record ends at ${Lsn.format(effect.startLsn)}`);
    return this.records.seek(effect.startLsn, this.acceptor).then(() => this.append(effect));
  }

  private append({ startLsn, bytes }: AcceptorEffect & { kind: 'write' }): undefined {
    let recordEndLsn: Lsn;
    try {
      recordEndLsn = this.records.push(bytes);
    } catch (error) {
      return this.refuseWal(error instanceof Error ? error.message : String(error));
    }
    const { truncationCount } = this.acceptor;
    this.store.write({ startLsn, bytes, recordEndLsn, truncationCount });
    this.reads.appended(startLsn, bytes);
    const endLsn = Lsn.advance(startLsn, bytes.length);
    // Nothing else of its step depends on what was written, so the outcome may be stepped before what is left of it.
    this.acceptor = Acceptor.step(this.acceptor, { kind: 'written', endLsn, recordEndLsn }).state;
    this.steppedBytes = 0;
    this.measure();
  }

  private refuseWal(reason: string): undefined {
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
    this.configuring.fail(this.failure);
    this.loop.stop();
    this.backlog.clear();
    this.reads.clear();
    // Its WAL is still on the disk, and counts again once it is opened again.
    this.account.set(0);
    this.progress();
    if (!quietly) this.onFailed(this.failure);
  }

  private progress(): void {
    // What was heard in a heartbeat may be what a trim waits for.
    if (!this.backlog.isEmpty) this.trimmer.consider();
    if (this.waiting.length > 0 && !this.isSaturated()) for (const resolve of this.waiting.splice(0)) resolve();
    this.archive?.committed();
    for (const listener of this.listeners) listener();
  }
}

/** TL7. The others change nothing of an idle timeline. */
const dependsOnLog = ({ kind }: AcceptorInput): boolean => kind !== 'save' && kind !== 'disconnected';

const walSizeOf = (message: ProposerMessage): number => (message.kind === 'appendRequest' ? message.bytes.length : 0);

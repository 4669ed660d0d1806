/**
 * One timeline of a safekeeper: drives the acceptor, performs its effects, and tells readers how far they may read.
 *
 *   TL1  Inputs are stepped one at a time; the effects of one are performed, in order, before the next.
 *   TL2  Readers see WAL up to `commitLsn`; a reader that names a term sees it up to `flushLsn` while that term lasts.
 *   TL3  After a failure nothing is sent or acknowledged any more: sessions are refused, readers end, `failed` tells why.
 *   TL4  A record is accepted only where the scan after a restart would accept it: it links to the record before it. Else
 *        WAL could be acknowledged that a restart takes for the end.
 *   TL5  Memory is bounded: `relief` is pending while too much is queued, and senders wait for it.
 */
import {
  Acceptor,
  type AcceptorEffect,
  type AcceptorInput,
  type AcceptorMessage,
  type AcceptorPosition,
  AcceptorState,
  type Membership,
  type ProposerMessage,
  type RefusalCode,
  type RequestId,
  type SessionId,
} from '@neon/consensus';
import { Corrupt, Lsn, type Term, Unavailable, assert, unreachable } from '@neon/kernel';
import { type PostgresMajor, WalBoundaryTracker } from '@neon/postgres';
import { TailCache } from './tail-cache';
import type { OpenedTimeline, TimelineStore } from './timeline-store';

/** What a proposer's connection offers to the timeline. */
export interface ProposerSession {
  send(message: AcceptorMessage): void;
  refuse(code: RefusalCode, reason: string): void;
}

/** Bytes of WAL queued for the disk above which proposers are made to wait. */
export const QUEUED_BYTES_MAX = 8 * 1024 * 1024;
/** Largest piece of WAL a reader gets at once. */
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

  constructor(
    opened: OpenedTimeline & { readonly incarnation: string },
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

  attach(session: ProposerSession): SessionId {
    const id = this.nextSession++;
    this.sessions.set(id, session);
    return id;
  }

  detach(id: SessionId): void {
    if (this.sessions.delete(id)) this.input({ kind: 'disconnected', session: id });
  }

  receive(session: SessionId, message: ProposerMessage): void {
    if (this.failure !== undefined) this.refuse(session, 'StorageUnavailable', this.failure.message);
    else this.input({ kind: 'received', session, message });
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

  /** Saves in the control file what may lag there. */
  save(): void {
    if (this.cacheReaders === 0) this.cache.clear();
    this.input({ kind: 'save' });
  }

  /** TL5: undefined while there is room. */
  relief(): Promise<void> | undefined {
    if (!this.isSaturated()) return undefined;
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  private isSaturated = (): boolean =>
    this.failure === undefined && (this.store.queuedBytes > QUEUED_BYTES_MAX || this.inputs.length > 1024);

  /** Calls back after positions or term may have changed, and after a failure. */
  onProgress(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** While a reader is counted, the tail is kept in memory. */
  addReader(): () => void {
    this.cacheReaders++;
    return () => {
      this.cacheReaders--;
    };
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
    const bytes = this.cache.read(startLsn, sizeMax) ?? (await this.store.read(startLsn, sizeMax));
    this.readableLsn(term);
    return bytes;
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
    this.progress();
  }

  private resume(): void {
    this.isDraining = false;
    if (this.failure === undefined) this.drain();
  }

  private step(input: AcceptorInput): void {
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
        return this.store.truncate(effect.endLsn);
      case 'persist':
        return this.persist(effect);
      case 'send':
        this.sessions.get(effect.session)?.send(effect.message);
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
    const saved = this.store.saveControl(effect.state);
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
    this.cache.clear();
    this.progress();
    if (!quietly) this.onFailed(this.failure);
  }

  private progress(): void {
    if (this.waiting.length > 0 && !this.isSaturated()) for (const resolve of this.waiting.splice(0)) resolve();
    for (const listener of this.listeners) listener();
  }
}

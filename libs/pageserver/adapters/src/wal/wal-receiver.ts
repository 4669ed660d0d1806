/**
 * Keeps one timeline fed with WAL from whichever safekeeper serves it best.
 *
 *   R1  A connection that fails is made again, after a growing pause, to the safekeeper that `chooseSafekeeper` names.
 *   R2  A connection that brings nothing while another safekeeper has committed more is left.
 *   R3  Bytes that are not WAL are asked for from another safekeeper; when several agree, or the only one there is says so again and
 *       again, the timeline is stopped.
 *   R4  A timeline that is stopped, by whatever it met, receives nothing more; an error of this receiver stops its timeline and
 *       nothing else.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Lsn, Refusal, Unavailable } from '@neon/kernel';
import type { SafekeeperAddress } from '@neon/pageserver-contract';
import { type Timeline, WalIngest } from '@neon/pageserver-core';
import { WalError } from '@neon/postgres';
import type { Logger } from '@neon/telemetry';
import { IMAGE_CODECS } from '../files/zstd-compression';
import { streamWal } from './replication-client';
import { type KnownStatus, chooseSafekeeper } from './safekeeper-choice';

const PAUSE_MIN_MS = 50;
const PAUSE_MAX_MS = 5_000;
/** How long another safekeeper may be ahead of a connection that brings nothing. */
const LAG_MS = 3_000;
const LAG_CHECK_MS = 500;
/** Attempts at the same WAL, and safekeepers that gave it, before it counts as broken everywhere. */
const BROKEN_ATTEMPTS_MIN = 4;
const BROKEN_SOURCES_MIN = 2;

export interface WalReceiverOptions {
  readonly timeline: Timeline;
  readonly token: string;
  readonly pageserverId: number;
  readonly safekeepers: readonly SafekeeperAddress[];
  /** What safekeepers have told of this timeline lately, by id. */
  readonly known: () => ReadonlyMap<number, KnownStatus>;
  readonly logger: Logger;
}

export class WalReceiver {
  private readonly stopping = new AbortController();
  private readonly ended: Promise<void>;
  private attempt = 0;
  /** Safekeepers that gave broken bytes after that record, one for each attempt. */
  private broken: { readonly lsn: Lsn; readonly sources: readonly number[] } = { lsn: Lsn.ZERO, sources: [] };
  private received: { readonly lsn: Lsn; readonly sinceMs: number } | null = null;
  /** Shown in metrics and logs. */
  source: SafekeeperAddress | null = null;

  constructor(private readonly options: WalReceiverOptions) {
    this.ended = this.run().catch((error: unknown) => this.stopTimeline(error));
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.ended;
  }

  private async run(): Promise<void> {
    const { timeline } = this.options;
    const { signal } = this.stopping;
    let pauseMs = PAUSE_MIN_MS;
    while (!signal.aborted && timeline.stopped === null) {
      const before = timeline.lastRecordLsn;
      try {
        await this.streamOnce();
      } catch (error) {
        if (signal.aborted || timeline.stopped !== null) break;
        this.failed(error);
      }
      this.source = null;
      pauseMs = timeline.lastRecordLsn > before ? PAUSE_MIN_MS : Math.min(pauseMs * 2, PAUSE_MAX_MS);
      await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
    }
    this.source = null;
  }

  private async streamOnce(): Promise<void> {
    const { timeline, token, pageserverId, safekeepers, known, logger } = this.options;
    const choice = { candidates: safekeepers, known: known(), nowMs: Date.now(), attempt: this.attempt++ };
    const source = chooseSafekeeper(choice);
    if (source === null) throw new Unavailable('no safekeeper is configured');
    await timeline.waitForAncestor(this.stopping.signal);
    await timeline.recheck();
    // While nothing can be written out, nothing more is asked for.
    await timeline.ingested();
    const ingest = await WalIngest.resume(timeline, IMAGE_CODECS);
    const connection = new AbortController();
    const signal = AbortSignal.any([this.stopping.signal, connection.signal]);
    this.received = null;
    const watch = setInterval(() => this.watchLag(source, ingest, connection), LAG_CHECK_MS);
    const { tenantId, timelineId } = timeline.index;
    const { host, replicationPort } = source;
    const target = { host, port: replicationPort, token, tenantId, timelineId, name: `pageserver-${pageserverId}` };
    const progress = () => ({ flushLsn: timeline.diskConsistentLsn, applyLsn: timeline.lastRecordLsn });
    try {
      for await (const { startLsn, bytes } of streamWal(target, { startLsn: ingest.receivedLsn, progress, signal })) {
        if (this.source === null) {
          this.source = source;
          logger.info(
            { ...nameOf(timeline), safekeeperId: source.id, startLsn: Lsn.format(startLsn) },
            'receiving WAL',
          );
        }
        if (startLsn !== ingest.receivedLsn)
          throw new Unavailable(`WAL from ${Lsn.format(startLsn)} where ${Lsn.format(ingest.receivedLsn)} was due`);
        await ingest.push(bytes);
        if (timeline.stopped !== null) return;
      }
    } catch (error) {
      if (error instanceof WalError) this.foundBroken(source);
      throw error;
    } finally {
      clearInterval(watch);
    }
  }

  private foundBroken({ id }: SafekeeperAddress): void {
    const lsn = this.options.timeline.lastRecordLsn;
    this.broken = { lsn, sources: this.broken.lsn === lsn ? [...this.broken.sources, id] : [id] };
  }

  private get isBrokenEverywhere(): boolean {
    const { sources } = this.broken;
    const needed = Math.min(BROKEN_SOURCES_MIN, this.options.safekeepers.length);
    return sources.length >= BROKEN_ATTEMPTS_MIN && new Set(sources).size >= needed;
  }

  private failed(error: unknown): void {
    const { timeline, logger } = this.options;
    const fields = { ...nameOf(timeline), error: error instanceof Error ? error.message : String(error) };
    if (error instanceof WalError) {
      logger.warn(fields, 'received bytes are not WAL');
      if (this.isBrokenEverywhere) this.stopTimeline(error);
    } else if (error instanceof Unavailable || error instanceof Refusal) logger.warn(fields, 'WAL connection ended');
    else this.stopTimeline(error);
  }

  private stopTimeline(error: unknown): void {
    this.source = null;
    this.options.timeline.stop({ reason: error instanceof Error ? error.message : String(error), error });
  }

  /** R2. What counts is what is received: the first record may be long. */
  private watchLag(source: SafekeeperAddress, { receivedLsn }: WalIngest, connection: AbortController): void {
    const { timeline, known, safekeepers } = this.options;
    if (timeline.stopped !== null) return connection.abort();
    const ids = new Set(safekeepers.map(({ id }) => id).filter((id) => id !== source.id));
    const ahead = [...known()].some(([id, { commitLsn }]) => ids.has(id) && commitLsn > receivedLsn);
    if (!ahead || this.received?.lsn !== receivedLsn) this.received = { lsn: receivedLsn, sinceMs: Date.now() };
    else if (Date.now() - this.received.sinceMs > LAG_MS) connection.abort();
  }
}

export const nameOf = ({ index }: Timeline): { tenantId: string; timelineId: string } => ({
  tenantId: index.tenantId,
  timelineId: index.timelineId,
});

/**
 * One compute while it exists: its term, its directory, its Postgres, its walproposer and its pages.
 *
 *   S1  `start` either returns a running compute whose roles and databases are as the spec says, or leaves nothing behind.
 *   S2  `onLost` is called at most once, after Postgres is dead and its files are gone: when it ended unasked, or when
 *       another compute leads the timeline. After `stop` was called it is not called.
 *   S3  `stop` leaves nothing behind, and answers the end of the WAL that the quorum holds; after a fast one that is the
 *       end of Postgres' shutdown checkpoint.
 */
import type { ComputeSpec } from '@neon/compute-contract';
import { type Activity, type Running, type StopMode, nextActivity } from '@neon/compute-core';
import { Lsn, Refusal, TenantId, type Term, TimelineId, Unavailable } from '@neon/kernel';
import { PageServiceClient } from '@neon/pageserver-client';
import { type Logger, detached } from '@neon/telemetry';
import type { WalPace } from '../walproposer/wal-pace';
import { Walproposer } from '../walproposer/walproposer';
import { type ComputeParts, postgresLog, release } from './compute-parts';
import { computePaths } from './compute-paths';
import { type HostEnvironment, launch } from './launch';

export interface ComputeServerOptions {
  readonly spec: ComputeSpec;
  readonly environment: HostEnvironment;
  readonly signal: AbortSignal;
  readonly onLost: (reason: 'crashed' | 'fenced', message: string) => void;
}

export interface StartedCompute {
  readonly server: ComputeServer;
  readonly running: Running;
}

/** A fast shutdown writes a checkpoint and waits for the quorum; without a quorum it would wait for ever. */
const FAST_STOP_TIMEOUT_MS = 60_000;
const IMMEDIATE_STOP_TIMEOUT_MS = 2_000;

export class ComputeServer {
  private readonly parts: ComputeParts;
  private readonly log: Logger;
  /** From the first reason to end on, whoever had it. */
  private isEnding = false;
  private releasing: Promise<void> | undefined;
  private readonly fencing = new AbortController();

  private constructor(private readonly options: ComputeServerOptions) {
    const { spec, environment } = options;
    const { computeId, tenantId, timelineId, pageserver, token } = spec;
    this.log = environment.log.child({ computeId, tenantId, timelineId });
    this.parts = {
      paths: computePaths(environment.dataDir, environment.runDir, computeId),
      spares: environment.spares,
      walproposer: detached(
        () =>
          new Walproposer({
            spec,
            addresses: environment.addresses.within(spec),
            log: this.log,
            onDeposed: (term) => this.fence(term),
          }),
      ),
      pageService: new PageServiceClient({
        address: {
          host: pageserver.host,
          port: pageserver.pagePort,
          tenantId: TenantId.parse(tenantId),
          timelineId: TimelineId.parse(timelineId),
          token,
        },
      }),
      port: 0,
    };
  }

  /** @throws Refusal */
  static async start(options: ComputeServerOptions): Promise<StartedCompute> {
    const server = new ComputeServer(options);
    const { spec, environment } = options;
    const signal = AbortSignal.any([options.signal, server.fencing.signal]);
    const abandon = () => server.parts.walproposer.close();
    signal.addEventListener('abort', abandon);
    try {
      const running = await launch({ spec, environment, parts: server.parts, log: server.log, signal });
      detached(() => server.watch());
      return { server, running };
    } catch (error) {
      const refusal = server.refusalOf(signal.aborted ? signal.reason : error);
      const { code, message, details } = refusal;
      server.log.warn({ code, message, details }, 'compute not started');
      await server.release();
      throw refusal;
    } finally {
      signal.removeEventListener('abort', abandon);
    }
  }

  private refusalOf(error: unknown): Refusal {
    if (error instanceof Refusal) return error;
    return new Refusal('StartFailed', messageOf(error), { log: postgresLog(this.parts.paths) });
  }

  private watch(): void {
    void this.parts.postgres?.exited.then(({ code, signal }) =>
      this.lose('crashed', `Postgres ended unasked (${signal ?? `exit code ${code}`})`),
    );
    this.fencing.signal.addEventListener('abort', () => this.lose('fenced', messageOf(this.fencing.signal.reason)));
  }

  /** Nothing this compute writes can be acknowledged any more, so it need not end politely. */
  private fence(term: Term): void {
    this.fencing.abort(new Refusal('ComputeFenced', `another compute leads the timeline in term ${term}`, { term }));
  }

  private lose(reason: 'crashed' | 'fenced', message: string): void {
    if (this.isEnding) return;
    this.isEnding = true;
    this.log.warn({ reason, message, postgresLog: postgresLog(this.parts.paths) }, 'compute lost');
    void this.release().then(() => this.options.onLost(reason, message));
  }

  private release(): Promise<void> {
    this.releasing ??= release(this.parts).catch((error: unknown) => {
      this.log.error({ error: messageOf(error) }, 'compute not wholly released');
    });
    return this.releasing;
  }

  /**
   * Makes roles and databases as `spec` wants.
   * @returns Refusal `DropRefused` when all is done but drops that Postgres refuses
   * @throws Refusal `SpecRejected`; Unavailable
   */
  async apply(spec: ComputeSpec): Promise<Refusal | undefined> {
    if (this.parts.admin === undefined) throw new Unavailable('the compute is not running');
    const { statements, refused } = await this.parts.admin.converge(spec);
    if (statements > 0) this.log.info({ statements, refused }, 'roles and databases converged');
    return refused.length === 0 ? undefined : new Refusal('DropRefused', refused.join('; '));
  }

  get uncommittedBytes(): number {
    return this.parts.walproposer.uncommittedBytes;
  }

  get pace(): WalPace | undefined {
    return this.parts.pace;
  }

  /** `before` when it cannot be asked. */
  async activity(before: Activity): Promise<Activity> {
    const row = await this.parts.admin?.activity().catch(() => undefined);
    return row === undefined ? before : nextActivity(before, row, Date.now());
  }

  /** May be called again with `immediate`, which cuts a fast one short. */
  async stop(mode: StopMode): Promise<Lsn> {
    this.isEnding = true;
    const { postgres, walproposer } = this.parts;
    const startedAt = performance.now();
    await postgres?.stop(mode, mode === 'fast' ? FAST_STOP_TIMEOUT_MS : IMMEDIATE_STOP_TIMEOUT_MS);
    const stoppedAt = performance.now();
    const finalLsn = walproposer.commitLsn;
    await this.release();
    const durations = { postgresMs: rounded(stoppedAt - startedAt), releaseMs: rounded(performance.now() - stoppedAt) };
    this.log.info({ mode, ...durations, finalLsn: Lsn.format(finalLsn) }, 'compute stopped');
    return finalLsn;
  }
}

const rounded = (ms: number): number => Math.round(ms * 10) / 10;

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/**
 * The computes of this host: requests in, effects of each compute's lifecycle out.
 *
 *   H1  What is asked of one compute happens in the order `Lifecycle` decides; computes do not wait for each other.
 *   H2  What an earlier incarnation of a compute still reports after its end changes nothing.
 *   H3  `open` ends and deletes what an earlier run of this host left; `close` stops every compute fast, and what is not
 *       down in time at once.
 *   H4  One host at a time has a data directory, from before `open` looks into it until `close` is done or the process is.
 */
import { mkdirSync, readdirSync, realpathSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ComputeSpec, ComputeState } from '@neon/compute-contract';
import {
  type Activity,
  type Compute,
  type ComputeEffect,
  type ComputeInput,
  type EndReason,
  type Failure,
  Lifecycle,
  type RequestId,
  type Running,
  type StopMode,
} from '@neon/compute-core';
import { type DirectoryLock, lockDirectory } from '@neon/directory-lock';
import { type Lsn, Refusal, unreachable } from '@neon/kernel';
import { counter, secondsHistogram } from '@neon/telemetry';
import { SpareDirectories } from '../directory/spare-directories';
import type { WalPace } from '../walproposer/wal-pace';
import { SafekeeperAddresses } from '../walproposer/safekeeper-addresses';
import { StartPages } from '../pages/start-pages';
import { computesDir, sparesDir, startPagesDir } from './compute-paths';
import { ComputeServer } from './compute-server';
import type { HostEnvironment } from './launch';
import { killProcessesIn } from './stray-processes';

export interface ComputeHostOptions {
  readonly environment: Omit<HostEnvironment, 'spares' | 'startPages' | 'addresses'>;
  readonly onEnded: (end: { computeId: string; reason: EndReason; message: string }) => void;
}

interface Resident {
  state: Compute;
  spec: ComputeSpec | undefined;
  server: ComputeServer | undefined;
  /** Gives up the start under way. */
  starting: AbortController;
  /** Settles when the newest start has, either way. */
  begun: Promise<void>;
  /** Counts starts, so that reports of an earlier one are known as such (H2). */
  incarnation: number;
  isHalting: boolean;
  activity: Activity;
}

const newResident = (): Resident => ({
  state: Lifecycle.initial,
  spec: undefined,
  server: undefined,
  starting: new AbortController(),
  begun: Promise.resolve(),
  incarnation: 0,
  isHalting: false,
  activity: { lastActiveAt: 0, sessions: 0 },
});

interface Asker {
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** pg_stat_activity is asked this often. */
const ACTIVITY_MS = 2_000;
const CLOSE_TIMEOUT_MS = 10_000;

const startSeconds = secondsHistogram({
  component: 'compute',
  name: 'neon_compute_start_seconds',
  description: 'Duration of starts of computes, by outcome',
});
const ended = counter({
  component: 'compute',
  name: 'neon_compute_ended',
  description: 'Computes that ran and ended, by reason',
});

export class ComputeHost {
  private readonly residents = new Map<string, Resident>();
  private readonly askers = new Map<RequestId, Asker>();
  private readonly ticker: NodeJS.Timeout;
  private readonly environment: HostEnvironment;
  /** Of safekeepers, for all computes here. */
  readonly addresses = new SafekeeperAddresses();
  private lastRequest = 0;
  private isClosing = false;

  private constructor(
    private readonly options: ComputeHostOptions,
    private readonly lock: DirectoryLock,
  ) {
    const { dataDir } = options.environment;
    this.environment = {
      ...options.environment,
      spares: new SpareDirectories(sparesDir(dataDir)),
      startPages: new StartPages(startPagesDir(dataDir)),
      addresses: this.addresses,
    };
    this.ticker = setInterval(() => void this.refreshActivity(), ACTIVITY_MS);
  }

  /** @throws Refusal `DirectoryInUse` to another host; Unavailable while processes of an earlier run do not end */
  static async open(options: ComputeHostOptions): Promise<ComputeHost> {
    mkdirSync(options.environment.dataDir, { recursive: true });
    const dataDir = realpathSync(options.environment.dataDir);
    const environment = { ...options.environment, dataDir };
    const lock = await lockDirectory(dataDir);
    try {
      await removeLeftovers(environment);
      return new ComputeHost({ ...options, environment }, lock);
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  /** @throws Refusal */
  start(spec: ComputeSpec): Promise<Running> {
    return this.ask<Running>(spec.computeId, (request) => ({ kind: 'start', request, spec }));
  }

  /** Whether it runs here and is as the spec says. @throws Refusal */
  apply(spec: ComputeSpec): Promise<boolean> {
    return this.ask<boolean>(spec.computeId, (request) => ({ kind: 'apply', request, spec }));
  }

  stop(computeId: string, mode: StopMode, reason: EndReason = 'requested'): Promise<Lsn | null> {
    return this.ask<Lsn | null>(computeId, (request) => ({ kind: 'stop', request, mode, reason }));
  }

  private ask<T>(computeId: string, input: (request: RequestId) => ComputeInput): Promise<T> {
    if (this.isClosing && input(0).kind !== 'stop')
      return Promise.reject(new Refusal('HostStopping', 'this compute host is going down'));
    return new Promise<T>((resolve, reject) => {
      const request = ++this.lastRequest;
      this.askers.set(request, { resolve: resolve as (answer: unknown) => void, reject });
      this.take(computeId, input(request));
    });
  }

  private take(computeId: string, input: ComputeInput): void {
    const resident = this.residents.get(computeId) ?? newResident();
    const { state, effects } = Lifecycle.step(resident.state, input);
    resident.state = state;
    if (state.status === 'absent') this.residents.delete(computeId);
    else this.residents.set(computeId, resident);
    for (const effect of effects) this.perform(computeId, resident, effect);
  }

  private perform(computeId: string, resident: Resident, effect: ComputeEffect): void {
    switch (effect.kind) {
      case 'begin':
        this.begin(computeId, resident, effect.spec);
        break;
      case 'apply':
        void this.applyTo(computeId, resident, effect.spec);
        break;
      case 'halt':
        void this.halt(computeId, resident, effect.mode);
        break;
      case 'answerStart':
        this.answer(effect.request, effect.running);
        break;
      case 'answerApply':
        this.answer(effect.request, effect.applied);
        break;
      case 'answerStop':
        this.answer(effect.request, effect.finalLsn);
        break;
      case 'refuse':
        this.askers.get(effect.request)?.reject(refusalOf(effect.failure));
        this.askers.delete(effect.request);
        break;
      case 'announceEnd':
        ended(1, { reason: effect.reason });
        this.options.onEnded({ computeId, reason: effect.reason, message: effect.message });
        break;
      default:
        unreachable(effect);
    }
  }

  private answer(request: RequestId, answer: unknown): void {
    this.askers.get(request)?.resolve(answer);
    this.askers.delete(request);
  }

  /** Takes what an incarnation of a compute reports, unless another has taken its place (H2). */
  private reporter(computeId: string, resident: Resident): (input: ComputeInput) => void {
    const { incarnation } = resident;
    return (input) => {
      if (this.residents.get(computeId) === resident && resident.incarnation === incarnation)
        this.take(computeId, input);
    };
  }

  private begin(computeId: string, resident: Resident, spec: ComputeSpec): void {
    resident.incarnation++;
    resident.spec = spec;
    resident.starting = new AbortController();
    resident.activity = { lastActiveAt: Date.now(), sessions: 0 };
    const report = this.reporter(computeId, resident);
    const { signal } = resident.starting;
    const onLost = (reason: 'crashed' | 'fenced', message: string) => {
      resident.server = undefined;
      report({ kind: 'lost', reason, message });
    };
    const { environment } = this;
    const startedAt = performance.now();
    resident.begun = ComputeServer.start({ spec, environment, signal, onLost }).then(
      ({ server, running }) => {
        resident.server = server;
        startSeconds.recordSince(startedAt, { outcome: 'started' });
        report({ kind: 'started', running });
      },
      (error: unknown) => {
        startSeconds.recordSince(startedAt, { outcome: 'failed' });
        report({ kind: 'startFailed', failure: failureOf(error) });
      },
    );
  }

  private async applyTo(computeId: string, resident: Resident, spec: ComputeSpec): Promise<void> {
    const report = this.reporter(computeId, resident);
    try {
      const refusal = await resident.server?.apply(spec);
      report({ kind: 'applied', refusal: refusal && failureOf(refusal) });
    } catch (error) {
      report({ kind: 'applyFailed', failure: failureOf(error) });
    }
  }

  /** A start under way is given up first. Of two halts of one compute the first one reports, when both are done. */
  private async halt(computeId: string, resident: Resident, mode: StopMode): Promise<void> {
    const isFirst = !resident.isHalting;
    resident.isHalting = true;
    resident.starting.abort(new Refusal('ComputeStopping', 'the compute is being stopped'));
    await resident.begun;
    const finalLsn = (await resident.server?.stop(mode)) ?? null;
    if (!isFirst) return;
    resident.server = undefined;
    resident.isHalting = false;
    this.take(computeId, { kind: 'halted', finalLsn });
  }

  /** What runs here, for the control plane. */
  states(): ComputeState[] {
    return [...this.residents].flatMap(([computeId, { state, spec, activity }]) =>
      state.status === 'absent' || spec === undefined
        ? []
        : [
            {
              computeId,
              tenantId: spec.tenantId,
              timelineId: spec.timelineId,
              status: state.status,
              address: state.status === 'running' ? state.running.address : null,
              lastActiveAt: activity.lastActiveAt,
              sessions: activity.sessions,
            },
          ],
    );
  }

  /** WAL that Postgres handed over and no quorum has: of the compute with the most. */
  get uncommittedBytesMax(): number {
    return [...this.residents.values()].reduce((most, { server }) => Math.max(most, server?.uncommittedBytes ?? 0), 0);
  }

  /** Of computes whose writing may be slowed down. */
  get paces(): WalPace[] {
    return [...this.residents.values()].flatMap(({ server }) => server?.pace ?? []);
  }

  private async refreshActivity(): Promise<void> {
    await Promise.all(
      [...this.residents.values()].map(async (resident) => {
        const { server, incarnation } = resident;
        if (server === undefined || resident.state.status !== 'running') return;
        const activity = await server.activity(resident.activity);
        if (resident.incarnation === incarnation) resident.activity = activity;
      }),
    );
  }

  async close(): Promise<void> {
    this.isClosing = true;
    clearInterval(this.ticker);
    const ids = [...this.residents.keys()];
    const stopAll = (mode: StopMode) => Promise.all(ids.map((id) => this.stop(id, mode, 'host-stopped')));
    const stopped = stopAll('fast');
    let isDown = false;
    void stopped.then(() => (isDown = true));
    await Promise.race([stopped, sleep(CLOSE_TIMEOUT_MS, undefined, { ref: false })]);
    if (!isDown) await stopAll('immediate');
    await this.environment.spares.settled();
    await this.lock.release();
  }
}

async function removeLeftovers({ dataDir, log }: ComputeHostOptions['environment']): Promise<void> {
  const [computes, spares] = [computesDir(dataDir), sparesDir(dataDir)];
  mkdirSync(computes, { recursive: true });
  const killed = (await killProcessesIn(computes)) + (await killProcessesIn(spares));
  await rm(spares, { recursive: true, force: true });
  const left = readdirSync(computes);
  for (const name of left) await rm(join(computes, name), { recursive: true, force: true });
  if (left.length > 0) log.warn({ killed, directories: left.length }, 'removed what an earlier run left');
}

function failureOf(error: unknown): Failure {
  if (error instanceof Refusal) return { code: error.code, message: error.message, details: error.details };
  return { code: 'StartFailed', message: error instanceof Error ? error.message : String(error), details: {} };
}

const refusalOf = ({ code, message, details }: Failure): Refusal => new Refusal(code, message, details);

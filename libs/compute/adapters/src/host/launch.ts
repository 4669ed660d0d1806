/**
 * The start of a compute, step by step: the cold path that a waiting client feels.
 *
 *   election ∥ clear → basebackup → directory ∥ pages ahead → pages → postgres → connect → access
 *
 *   L1  An election comes first, always: nobody else can commit to the timeline from then on, and it tells where to start.
 *       Only whether the pageserver answers at all is seen before: a start that must fail takes no term from the timeline.
 *   L2  An aborted start gives up at once, but for the moments in which a process or a socket is being made.
 */
import { existsSync } from 'node:fs';
import { userInfo } from 'node:os';
import { setImmediate as immediate, setTimeout as sleep } from 'node:timers/promises';
import type { ComputeSpec } from '@neon/compute-contract';
import {
  type BackpressureLimits,
  type Placeholder,
  type Running,
  isFresh,
  pagesAhead,
  pgHba,
  pgIdent,
  postgresConf,
} from '@neon/compute-core';
import { Lsn, Refusal, Unavailable } from '@neon/kernel';
import {
  type Distribution,
  type PostgresServer,
  type PostgresUser,
  distributionOf,
  startPostgres,
} from '@neon/postgres-server';
import { type Logger, detached, secondsHistogram, withSpan } from '@neon/telemetry';
import { AdminConnection } from '../access/admin-connection';
import type { ExistingTree, SpareDirectories } from '../directory/spare-directories';
import { makeDirectory, writeOwned } from '../directory/lay-out';
import { fetchBasebackup, planPreparation, prepareDirectory } from '../directory/prepare-directory';
import { PageAgent } from '../pages/page-agent';
import type { StartPages } from '../pages/start-pages';
import { WalPace } from '../walproposer/wal-pace';
import type { SafekeeperAddresses } from '../walproposer/safekeeper-addresses';
import type { ComputeParts } from './compute-parts';
import { discard } from './compute-parts';
import { freePort } from './free-port';

export interface HostEnvironment {
  readonly dataDir: string;
  readonly runDir: string | undefined;
  /** What Postgres listens on, and what clients are told. */
  readonly host: string;
  readonly distributions: readonly Distribution[];
  /** Who Postgres runs as, when it is not us. */
  readonly postgresUser: PostgresUser | null;
  /** Path of libneonpages.so. */
  readonly pageShim: string;
  readonly spares: SpareDirectories;
  readonly startPages: StartPages;
  /** How far others may be behind a compute. */
  readonly backpressure: BackpressureLimits;
  readonly addresses: SafekeeperAddresses;
  readonly log: Logger;
}

export interface LaunchOptions {
  readonly spec: ComputeSpec;
  readonly environment: HostEnvironment;
  readonly parts: ComputeParts;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

const ELECTION_TIMEOUT_MS = 10_000;
const POSTGRES_START_TIMEOUT_MS = 30_000;
const ACCESS_TIMEOUT_MS = 30_000;
const BASEBACKUP_RETRY_MS = 5_000;
const BASEBACKUP_PAUSE_MS = 100;
const PORT_ATTEMPTS = 3;

const phaseSeconds = secondsHistogram({
  component: 'compute',
  name: 'neon_compute_start_phase_seconds',
  description: 'Duration of one step of a start that came through it',
});

/** Adds to `parts` as it goes; on failure the caller releases them. @throws Refusal */
export async function launch(options: LaunchOptions): Promise<Running> {
  const { spec, environment, parts, log, signal } = options;
  const durations: Record<string, number> = {};
  const startedAt = performance.now();
  const step = async <T>(name: string, run: () => Promise<T>): Promise<T> => {
    signal.throwIfAborted();
    const at = performance.now();
    const result = await withSpan(`compute ${name}`, { computeId: spec.computeId }, run);
    durations[`${name}Ms`] = rounded(performance.now() - at);
    phaseSeconds.recordSince(at, { phase: name });
    return result;
  };
  const distribution = distributionOf(environment.distributions, spec.pgMajor);
  await step('pageserver', () => untilAborted(signal, pageserverAnswers(parts)));
  const [{ startLsn, term }, spare] = await Promise.all([
    step('election', () => parts.walproposer.elect(ELECTION_TIMEOUT_MS)),
    step('clear', () => clear(options)),
  ]);
  const archive = await step('basebackup', () => untilAborted(signal, basebackup(options, startLsn)));
  await step('directory', async () => {
    const preparation = planPreparation(archive, spec, startLsn);
    parts.agent = agentFor(options, startLsn);
    await askAhead(options, parts.agent, preparation.plan.placeholders);
    const { data: directory, arena } = parts.paths;
    await prepareDirectory(preparation, { directory, spare, arena, owner: environment.postgresUser });
  });
  await step('pages', () => detached(async () => parts.agent?.start()));
  parts.postgres = await step('postgres', () => startOnFreePort(options, distribution));
  await step('connect', () => untilAborted(signal, connect(options)));
  await step('access', () => untilAborted(signal, converge(options)));
  signal.throwIfAborted();
  durations['totalMs'] = rounded(performance.now() - startedAt);
  log.info({ ...durations, term, startLsn: Lsn.format(startLsn) }, 'compute started');
  return { address: { host: environment.host, port: parts.port }, startLsn, term };
}

/**
 * Ends and deletes what an earlier run left under this name, and takes a spare directory in its place; the first page read
 * then finds its connection open.
 */
async function clear({ parts, environment }: LaunchOptions): Promise<ExistingTree | null> {
  parts.pageService.connect().catch(() => undefined);
  if (existsSync(parts.paths.root) || existsSync(parts.paths.sockets)) await discard(parts);
  makeDirectory(parts.paths.root, environment.postgresUser);
  makeDirectory(parts.paths.sockets, environment.postgresUser);
  return parts.spares.take(parts.paths.data);
}

/** Waits for as long as a pageserver takes to restart. */
async function pageserverAnswers({ pageService }: ComputeParts): Promise<void> {
  const tooLate = sleep(BASEBACKUP_RETRY_MS, undefined, { ref: false }).then(() => {
    throw new Unavailable('no connection in time');
  });
  try {
    await Promise.race([pageService.connect(), tooLate]);
  } catch (cause) {
    if (!(cause instanceof Unavailable)) throw cause;
    throw new Refusal('PageserverUnavailable', `the pageserver does not answer: ${cause.message}`);
  }
}

/** Asked again for as long as a pageserver takes to restart. */
async function basebackup({ parts, log }: LaunchOptions, startLsn: Lsn): Promise<Buffer> {
  for (const deadline = Date.now() + BASEBACKUP_RETRY_MS; ;) {
    try {
      return await fetchBasebackup(parts.pageService, startLsn);
    } catch (cause) {
      if (cause instanceof Refusal && cause.code === 'HistoryDiverged')
        log.error({ err: cause, startLsn: Lsn.format(startLsn) }, 'the start would fork the history of the timeline');
      if (!(cause instanceof Unavailable)) throw cause;
      if (Date.now() > deadline)
        throw new Refusal('PageserverUnavailable', `no basebackup at ${Lsn.format(startLsn)}: ${cause.message}`);
    }
    await sleep(BASEBACKUP_PAUSE_MS);
  }
}

function agentFor({ spec, environment, parts, log }: LaunchOptions, baseLsn: Lsn): PageAgent {
  return new PageAgent({
    computeId: spec.computeId,
    socketPath: parts.paths.pagesSocket,
    ...(environment.postgresUser === null ? {} : { owner: environment.postgresUser }),
    pageService: parts.pageService,
    baseLsn,
    log,
  });
}

/** The requests leave before the files keep us busy. */
async function askAhead(
  { parts, environment, spec }: LaunchOptions,
  agent: PageAgent,
  placeholders: readonly Placeholder[],
): Promise<void> {
  const { timelineId, pgMajor } = spec;
  const start = { timelineId, pgMajor, isFresh: isFresh(placeholders) };
  parts.keepReads = () => environment.startPages.keep(start, agent.firstReads);
  for (const range of pagesAhead(await environment.startPages.before(start), placeholders)) agent.ahead(range);
  await immediate();
}

/** Between our asking for a free port and Postgres' taking it, somebody else may: then another is tried. */
async function startOnFreePort(options: LaunchOptions, distribution: Distribution): Promise<PostgresServer> {
  for (let attempt = 1; ; attempt++) {
    options.parts.port = await freePort(options.environment.host);
    configure(options);
    try {
      return await spawn(options, distribution);
    } catch (error) {
      if (attempt === PORT_ATTEMPTS || !isPortTaken(error)) throw error;
    }
  }
}

function configure({ spec, environment, parts }: LaunchOptions): void {
  const address = {
    listenHost: environment.host,
    port: parts.port,
    socketDir: parts.paths.sockets,
    standbyName: parts.walproposer.standbyName,
  };
  const files = {
    'postgresql.conf': postgresConf(spec.settings, address, spec.pgMajor),
    'postgresql.auto.conf': '',
    'pg_hba.conf': pgHba(environment.host),
    'pg_ident.conf': pgIdent(userInfo().username),
  };
  for (const [name, text] of Object.entries(files))
    writeOwned(`${parts.paths.data}/${name}`, text, environment.postgresUser);
}

function spawn({ spec, environment, parts }: LaunchOptions, distribution: Distribution): Promise<PostgresServer> {
  return startPostgres({
    distribution,
    dataDir: parts.paths.data,
    user: environment.postgresUser,
    settings: {},
    env: {
      LD_PRELOAD: environment.pageShim,
      NEON_PAGES_SOCKET: parts.paths.pagesSocket,
      NEON_PAGES_ARENA: parts.paths.arena,
      NEON_PAGES_COMPUTE: spec.computeId,
      NEON_PAGES_DATADIR: parts.paths.data,
    },
    logFile: parts.paths.log,
    timeoutMs: POSTGRES_START_TIMEOUT_MS,
  });
}

async function connect({ parts, environment, log }: LaunchOptions): Promise<void> {
  const { sockets: socketDir, data } = parts.paths;
  const [admin] = await Promise.all([
    detached(() => AdminConnection.open({ socketDir, port: parts.port })),
    parts.walproposer.follow({ socketDir, port: parts.port, walDir: `${data}/pg_wal` }),
  ]);
  parts.admin = admin;
  const { walproposer: source, paths } = parts;
  const { backpressure: limits } = environment;
  parts.pace = detached(() => new WalPace({ arena: paths.arena, limits, source, postgres: admin, log }));
}

/** Without a quorum a statement would wait for ever. A compute starts though Postgres refuses to drop something. */
async function converge({ parts, spec, log }: LaunchOptions): Promise<void> {
  const { admin, walproposer } = parts;
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(walproposer.quorumUnavailable()), ACCESS_TIMEOUT_MS);
  });
  try {
    const converged = await Promise.race([admin?.converge(spec), tooLate]);
    for (const reason of converged?.refused ?? [])
      log.error({ reason }, 'Postgres refuses a drop: it is not tried again');
  } finally {
    clearTimeout(timer);
  }
}

/** What goes on after the abort is ended by releasing the parts; its failure then means nothing. */
async function untilAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  let abort: (() => void) | undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    abort = () => reject(signal.reason as Error);
    signal.addEventListener('abort', abort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    if (abort !== undefined) signal.removeEventListener('abort', abort);
  }
}

const isPortTaken = (error: unknown): boolean =>
  error instanceof Refusal && /Address already in use/.test(String(error.details['log']));

const rounded = (ms: number): number => Math.round(ms * 10) / 10;

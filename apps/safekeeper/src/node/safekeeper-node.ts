/** One running safekeeper: its timelines, its two WAL ports, what it tells the bus; and the order they end in. */
import { readFile } from 'node:fs/promises';
import { SafekeeperId } from '@neon/kernel';
import { SignalBus } from '@neon/messaging';
import { objectStoreOf } from '@neon/object-store';
import {
  CatchUpWatch,
  type DataDirectory,
  DiskWatch,
  FileTimelineDirectory,
  ObjectWalArchive,
  Peers,
  ReaderRegistry,
  StatusReporter,
  TenantDirectories,
  type TcpListener,
  archiveEvents,
  countRefusedIncarnation,
  countRemoved,
  isDiskFull,
  listenTcp,
  lookAtDisk,
  observe,
  observeArchive,
  openDataDirectory,
  serveProposer,
  serveReplication,
} from '@neon/safekeeper-adapters';
import type { SafekeeperStatus, TimelineDetail } from '@neon/safekeeper-contract';
import { type ArchiveSettings, Safekeeper, type Timeline, timelineDetail } from '@neon/safekeeper-core';
import { TokenVerifier } from '@neon/service-token';
import type { Logger } from '@neon/telemetry';
import type { Config } from '../config';

/** Three timelines' worth of connections each for ten thousand timelines would be more than one process should hold. */
const CONNECTION_COUNT_MAX = 20_000;
/** How far the commit LSN in a control file may lag in time; it bounds the scan after a crash. */
const SAVE_INTERVAL_MS = 30_000;
/** How often idle timelines are looked for, at most. */
const OFFLOAD_INTERVAL_MS = 60_000;

export class SafekeeperNode {
  private readonly timers: NodeJS.Timeout[];
  private reporter: StatusReporter | undefined;

  private constructor(
    readonly safekeeper: Safekeeper,
    readonly tokens: TokenVerifier,
    private readonly config: Config,
    private readonly bus: SignalBus,
    private readonly readers: ReaderRegistry,
    private readonly proposers: TcpListener,
    private readonly replication: TcpListener,
    private readonly directory: DataDirectory,
    private readonly disk: DiskWatch,
    readonly peers: Peers,
    private readonly catchUps: CatchUpWatch | undefined,
  ) {
    const each = (run: (timeline: Timeline) => void) => () => safekeeper.timelines.forEach(run);
    this.timers = [
      setInterval(
        each((timeline) => timeline.save()),
        SAVE_INTERVAL_MS,
      ),
      setInterval(
        each(({ archive }) => archive?.considerOffload()),
        Math.min(OFFLOAD_INTERVAL_MS, config.offloadAfterMs),
      ),
    ];
  }

  /** The directory is this process's before anything in it is read, or anybody hears of this safekeeper. */
  static async open(config: Config, logger: Logger): Promise<SafekeeperNode> {
    const directory = await openDataDirectory(config.dataDir, SafekeeperId.of(config.safekeeperId));
    try {
      return await SafekeeperNode.openIn(directory, config, logger);
    } catch (error) {
      await directory.release();
      throw error;
    }
  }

  private static async openIn(directory: DataDirectory, config: Config, logger: Logger): Promise<SafekeeperNode> {
    const { id } = directory.identity;
    const tokens = await TokenVerifier.fromPem(await readFile(config.tokenPublicKeyFile, 'utf8'));
    const bus = new SignalBus({
      ...config.nats,
      name: `safekeeper ${id}`,
      onError: (error, where) => logger.error({ error: String(error), where }, 'message not handled'),
    });
    const node: { current?: SafekeeperNode } = {};
    const tenants = new TenantDirectories(config.dataDir);
    const safekeeper = new Safekeeper(
      directory.identity,
      new FileTimelineDirectory(tenants, id),
      {
        timelineFailed: (key, error) => {
          logger.error({ ...key, error: error.message }, 'timeline stopped');
          if (isDiskFull(error)) void node.current?.disk.check();
        },
        timelineOpened: (key, timeline) => {
          logger.info({ ...key, flushLsn: timeline.state.flushLsn, term: timeline.state.term }, 'timeline opened');
          node.current?.reporter?.watch(timeline);
        },
        incarnationRefused: (key, incarnation) => {
          logger.error({ ...key, incarnation, here: directory.identity.incarnation }, 'timeline lost with its disk');
          countRefusedIncarnation(1);
        },
        timelineRemoved: (key, generation) => {
          logger.info({ ...key, generation }, 'timeline removed: this safekeeper is no member of it any more');
          countRemoved(1);
        },
      },
      (delayMs, run) => void setTimeout(run, delayMs).unref(),
      { limits: config.walLimits, unarchived: config.unarchivedWal, archive: await archiveOf(config, logger) },
    );
    const disk = await DiskWatch.start({
      space: safekeeper.space,
      freeBytesMin: config.diskFreeBytesMin,
      look: () => lookAtDisk(config.dataDir),
      onFull: (room) => logger.error({ ...room }, 'disk full: no more WAL is taken'),
      onRoom: (room) => logger.info({ ...room }, 'disk has room again: WAL is taken'),
    });
    await safekeeper.start();
    const readers = new ReaderRegistry();
    const limits = { host: config.host, connectionCountMax: CONNECTION_COUNT_MAX };
    const context = { safekeeper, tokens, readers, logger };
    const proposers = await listenTcp({
      ...limits,
      port: config.proposerPort,
      serve: (socket) => serveProposer(socket, context),
    });
    const replication = await listenTcp({
      ...limits,
      port: config.replicationPort,
      serve: (socket) => serveReplication(socket, context),
    });
    observe(safekeeper, { proposers, replication, disk });
    if (config.objectStoreUrl !== undefined) observeArchive(safekeeper);
    const token = await storageToken(config);
    node.current = new SafekeeperNode(
      safekeeper,
      tokens,
      config,
      bus,
      readers,
      proposers,
      replication,
      directory,
      disk,
      new Peers({ safekeeper, tenants, token }),
      token === undefined ? undefined : new CatchUpWatch({ bus, safekeeper, token, logger }),
    );
    return node.current;
  }

  /** Once the HTTP port is known, others may be told where everything is. */
  announce(httpPort: number): void {
    this.reporter = new StatusReporter(this.bus, this.safekeeper, { ...this.ports, host: this.config.host, httpPort });
    for (const timeline of this.safekeeper.timelines) this.reporter.watch(timeline);
  }

  get ports(): { readonly proposerPort: number; readonly replicationPort: number } {
    return { proposerPort: this.proposers.port, replicationPort: this.replication.port };
  }

  status(): Omit<SafekeeperStatus, 'version'> {
    const { identity, space, failed } = this.safekeeper;
    const { keptBytes, fullness } = space;
    return { ...identity, walBytes: keptBytes, fullness, disk: this.disk.room, failed: [...failed] };
  }

  detail(timeline: Timeline): TimelineDetail {
    return timelineDetail(timeline, this.readers.of(timeline));
  }

  /** Doors first, then the timelines, then the directory they are in, then the last word about them. */
  async close(): Promise<void> {
    for (const timer of this.timers) clearInterval(timer);
    this.disk.stop();
    this.catchUps?.stop();
    await Promise.all([this.proposers.close(), this.replication.close()]);
    this.reporter?.stop();
    await this.safekeeper.close();
    await this.directory.release();
    await this.bus.close();
  }
}

async function archiveOf(config: Config, logger: Logger): Promise<ArchiveSettings | undefined> {
  if (config.objectStoreUrl === undefined) return undefined;
  return {
    archive: new ObjectWalArchive(await objectStoreOf(config.objectStoreUrl)),
    clock: { now: () => Date.now() },
    events: archiveEvents(logger),
    offloadAfterMs: config.offloadAfterMs,
  };
}

async function storageToken({ storageTokenFile }: Config): Promise<string | undefined> {
  return storageTokenFile === undefined ? undefined : (await readFile(storageTokenFile, 'utf8')).trim();
}

/** One running pageserver: its timelines, its page port, what feeds it WAL; and the order they begin and end in. */
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type DirectoryLock, lockDirectory } from '@neon/directory-lock';
import { SignalBus } from '@neon/messaging';
import {
  BackgroundTasks,
  DirectoryTemplateStore,
  DirectoryTimelineStore,
  Housekeeping,
  IMAGE_CODECS,
  OpenFiles,
  PageMetrics,
  PageServer,
  WalFeeds,
  ZstdCompression,
  logStop,
  observe,
} from '@neon/pageserver-adapters';
import { pageserverAlive } from '@neon/pageserver-contract';
import { BlockCache, DEFAULT_LIMITS, Pageserver, ReadGate, Reader } from '@neon/pageserver-core';
import { applyDelta } from '@neon/postgres';
import { safekeeperTimelineStatus } from '@neon/safekeeper-contract';
import { TokenVerifier } from '@neon/service-token';
import type { Logger } from '@neon/telemetry';
import type { Config } from '../config';

/** Layer files kept open for reading: well below the usual limit of 1024 descriptors. */
const OPEN_FILES_MAX = 512;
/** How long a page request waits for its LSN. */
const LSN_WAIT_MS = 60_000;
const ALIVE_INTERVAL_MS = 2_000;

export class PageserverNode {
  private alive: NodeJS.Timeout | undefined;

  private constructor(
    private readonly config: Config,
    readonly pageserver: Pageserver,
    readonly tokens: TokenVerifier,
    readonly feeds: WalFeeds,
    readonly housekeeping: Housekeeping,
    private readonly parts: {
      readonly bus: SignalBus;
      readonly pages: PageServer;
      readonly background: BackgroundTasks;
      readonly openFiles: OpenFiles;
      readonly lock: DirectoryLock;
    },
  ) {}

  /** The data directory is this process's alone before anything in it is read. @throws Refusal `DirectoryInUse` */
  static async open(config: Config, logger: Logger): Promise<PageserverNode> {
    await mkdir(config.dataDir, { recursive: true, mode: 0o700 });
    const lock = await lockDirectory(config.dataDir);
    try {
      return await PageserverNode.openLocked(config, logger, lock);
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  private static async openLocked(config: Config, logger: Logger, lock: DirectoryLock): Promise<PageserverNode> {
    const tokens = await TokenVerifier.fromPem(await readFile(config.tokenPublicKeyFile, 'utf8'));
    const token = (await readFile(config.storageTokenFile, 'utf8')).trim();
    const bus = new SignalBus({
      ...config.nats,
      name: `pageserver ${config.pageserverId}`,
      onError: (error, where) => logger.error({ error: String(error), where }, 'message not handled'),
    });
    const background = new BackgroundTasks(logger);
    const { pageserver, cache, openFiles, templates } = assemble(config, background, logger);
    await pageserver.open();
    for (const { name, error } of pageserver.damagedTimelines)
      logger.error(
        { ...name, error: error.message },
        'timeline not opened: its files are damaged, and stay as they are',
      );
    const feeds = new WalFeeds({ token, pageserverId: config.pageserverId, logger });
    bus.onSignal(safekeeperTimelineStatus, (status) => feeds.heard(status));
    const metrics = new PageMetrics();
    const pages = await PageServer.listen(
      { pageserver, tokens, metrics, logger, waitMs: LSN_WAIT_MS },
      { host: config.host, port: config.pagePort },
    );
    for (const timeline of pageserver.all()) await feeds.follow(timeline);
    observe({ pageserver, cache, pages, feeds });
    // The first project of a major need not wait for its import. One at a time: pages are asked for meanwhile.
    background.run('import of clusters', async () => {
      for (const major of await templates.majors()) await templates.get(major);
    });
    const housekeeping = new Housekeeping(pageserver, logger);
    return new PageserverNode(config, pageserver, tokens, feeds, housekeeping, {
      bus,
      pages,
      background,
      openFiles,
      lock,
    });
  }

  get id(): number {
    return this.config.pageserverId;
  }
  get pagePort(): number {
    return this.parts.pages.port;
  }

  /** Once the HTTP port is known, others are told where everything is. */
  announce(httpPort: number): void {
    const { pageserverId, host } = this.config;
    const say = (): void =>
      this.parts.bus.signal(pageserverAlive, { pageserverId, host, pagePort: this.pagePort, httpPort });
    say();
    this.alive = setInterval(say, ALIVE_INTERVAL_MS);
  }

  /** Doors first; then ingest ends and what is in memory is written out. */
  async close(): Promise<void> {
    clearInterval(this.alive);
    await this.parts.pages.close();
    await this.feeds.stop();
    await this.housekeeping.stop();
    for (const timeline of this.pageserver.all()) await timeline.writeOut();
    await this.parts.background.settled();
    await this.parts.openFiles.closeAll();
    await this.parts.bus.close();
    await this.parts.lock.release();
  }
}

function assemble(config: Config, background: BackgroundTasks, logger: Logger) {
  const openFiles = new OpenFiles(OPEN_FILES_MAX);
  const compression = new ZstdCompression();
  const cache = new BlockCache(compression, config.blockCacheBytes);
  const store = new DirectoryTimelineStore(join(config.dataDir, 'tenants'), openFiles);
  const templates = new DirectoryTemplateStore(
    join(config.dataDir, 'templates'),
    config.templateDir,
    store,
    compression,
  );
  const pageserver = new Pageserver(store, templates, {
    compression,
    reader: new Reader(cache),
    gate: new ReadGate(),
    background,
    applyDelta: (page, delta, context) => applyDelta(page, delta, { ...context, ...IMAGE_CODECS }),
    limits: { ...DEFAULT_LIMITS, memorySizeBytes: config.memoryLayerBytes },
    stopped: (timeline, cause) => logStop(logger, timeline, cause),
  });
  return { pageserver, cache, openFiles, templates };
}

/**
 * A compute's reader of one timeline: pages and basebackups from its pageserver, over connections that come and go.
 *
 *   R1  Reads are idempotent: what fails as `Unavailable` is asked again, on another connection where that one ended,
 *       with growing pauses until `retryMsMax` has passed since the first attempt.
 *   R2  A Refusal or Corrupt answer reaches the caller at once, with the pageserver's code and message.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Unavailable } from '@neon/kernel';
import { type BasebackupRead, streamBasebackup } from './basebackup-stream';
import { PageMemory } from './page-memory';
import { type PageRead, type PageServiceAddress, PageServiceConnection } from './page-service-connection';

export interface PageServiceClientOptions {
  readonly address: PageServiceAddress;
  /** Below the shim's own time-out (30 s), so that Postgres' log has the reason and not only that nobody answered. */
  readonly retryMsMax?: number;
}

const RETRY_MS_MAX = 20_000;
const PAUSE_MS_MIN = 10;
const PAUSE_MS_MAX = 1_000;

export class PageServiceClient {
  private connection: Promise<PageServiceConnection> | null = null;
  private closed = false;
  private readonly memory = new PageMemory();

  constructor(private readonly options: PageServiceClientOptions) {}

  /** The pages of `read.blocks`, one after the other. */
  getPages(read: PageRead): Promise<Uint8Array> {
    return this.retried(async () => (await this.connected()).getPages(read));
  }

  /** Says that nobody will look at pages from `getPages` again: their memory serves the next answers. Never required. */
  giveBack(pages: Uint8Array): void {
    this.memory.giveBack(pages);
  }

  /** The tarball at an LSN in chunks. A stream that broke off throws: the caller begins again with an empty directory. */
  basebackup(read: BasebackupRead): AsyncIterable<Uint8Array> {
    return streamBasebackup(this.options.address, read);
  }

  /** Connects early, so that the first read need not wait for it. */
  async connect(): Promise<void> {
    await this.retried(() => this.connected());
  }

  async close(): Promise<void> {
    this.closed = true;
    const connection = this.connection;
    this.connection = null;
    await connection?.then(
      (open) => open.close(),
      () => undefined,
    );
  }

  private async connected(): Promise<PageServiceConnection> {
    if (this.closed) throw new Unavailable('the page service client is closed');
    const current = this.connection;
    if (current !== null) {
      const connection = await current.catch(() => null);
      if (connection?.isOpen === true) return connection;
      // Whoever comes first replaces the connection that ended; the others share the one that is being opened.
      if (this.connection === current) this.connection = null;
    }
    this.connection ??= PageServiceConnection.open(this.options.address, this.memory);
    return this.connection;
  }

  private async retried<T>(attempt: () => Promise<T>): Promise<T> {
    const deadline = Date.now() + (this.options.retryMsMax ?? RETRY_MS_MAX);
    for (let pauseMs = PAUSE_MS_MIN; ; pauseMs = Math.min(pauseMs * 2, PAUSE_MS_MAX)) {
      try {
        return await attempt();
      } catch (error) {
        if (!(error instanceof Unavailable) || this.closed || Date.now() + pauseMs > deadline) throw error;
      }
      await sleep(pauseMs);
    }
  }
}

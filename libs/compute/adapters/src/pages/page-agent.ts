/**
 * The agent's side of the page-fault shim, one per compute: answers its reads from the pageserver at the compute's base
 * LSN, and fetches ahead what it announces.
 *
 *   A1  A read is answered with the pages at the base LSN, or with an error text; never partly, never with anything else.
 *   A2  Only the compute's OS user (and root) can connect.
 *   A3  An absent page was not changed by this compute since its base LSN, so the base may move forward at any time.
 *   A4  What is read in its first FIRST_READS_MS it remembers, so that the next start can ask for that ahead.
 */
import { chmod, chown, rm } from 'node:fs/promises';
import { type Server, type Socket, createServer } from 'node:net';
import { Lsn } from '@neon/kernel';
import type { PageRead } from '@neon/pageserver-client';
import type { Logger } from '@neon/telemetry';
import type { FileOwner } from './arena';
import { PageBuffer, type Want } from './page-buffer';
import { PageMetrics, type PageTotals } from './page-metrics';
import { type ShimRequest, ShimRequestDecoder, encodePagesHeader, encodeShimError } from './shim-protocol';

/** What the agent reads from: a `PageServiceClient`. */
export interface PageSource {
  getPages(read: PageRead): Promise<Uint8Array>;
  giveBack(pages: Uint8Array): void;
}

export interface PageAgentOptions {
  readonly computeId: string;
  /** In a directory of the compute's own; at most 107 bytes, the limit of a Unix socket's name. */
  readonly socketPath: string;
  /** The OS user Postgres runs as, when it is not ours. */
  readonly owner?: FileOwner;
  readonly pageService: PageSource;
  readonly baseLsn: Lsn;
  /** Pages fetched ahead and not read yet, in flight or held. */
  readonly aheadSizeBytesMax?: number;
  readonly log: Pick<Logger, 'warn'>;
}

/** Room for 64 sequential readers at full window. */
const AHEAD_SIZE_BYTES_MAX = 64 * 1024 * 1024;

/** Long enough for the first statements of the client that waits for the start. */
const FIRST_READS_MS = 5_000;
/** Lists take about 30 bytes for each; a start reads about 100 ranges, a first one 1,000. */
const FIRST_READS_MAX = 2_000;

export type PageRange = Omit<ShimRequest, 'id' | 'operation'>;

export class PageAgent {
  private readonly server: Server;
  private readonly connections = new Set<Socket>();
  private readonly buffer: PageBuffer;
  private readonly metrics: PageMetrics;
  private readonly reads: PageRange[] = [];
  private readonly madeAt = performance.now();
  private baseLsn: Lsn;

  constructor(private readonly options: PageAgentOptions) {
    this.baseLsn = options.baseLsn;
    this.metrics = new PageMetrics();
    const source = {
      fetch: (want: Want) => this.fetch(want),
      giveBack: (pages: Uint8Array) => options.pageService.giveBack(pages),
    };
    this.buffer = new PageBuffer(source, options.aheadSizeBytesMax ?? AHEAD_SIZE_BYTES_MAX);
    this.server = createServer((socket) => this.serve(socket));
  }

  get totals(): Readonly<PageTotals & { wastedCount: number }> {
    return { ...this.metrics.totals, wastedCount: this.buffer.wastedCount };
  }

  /** A4, in order. */
  get firstReads(): readonly PageRange[] {
    return this.reads;
  }

  async start(): Promise<void> {
    const { socketPath, owner } = this.options;
    await rm(socketPath, { force: true });
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(socketPath, () => resolve());
    });
    await chmod(socketPath, 0o600);
    if (owner !== undefined) await chown(socketPath, owner.uid, owner.gid);
  }

  /** Reads under way fail in the shim, which waits for another agent on the same path until its time-out. */
  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    for (const connection of this.connections) connection.destroy();
    await closed;
  }

  /** The pageserver has ingested `lsn`: fetch at it from here on, so that the base pins no history for long. */
  moveBase(lsn: Lsn): void {
    this.baseLsn = Lsn.max(this.baseLsn, lsn);
  }

  /** Fetches pages that the shim is likely to read soon. */
  ahead(range: PageRange): void {
    this.metrics.ahead(this.buffer.ahead(wantOf(range)));
  }

  private serve(socket: Socket): void {
    const decoder = new ShimRequestDecoder();
    this.connections.add(socket);
    socket.on('close', () => this.connections.delete(socket));
    // A backend that ends takes its connection with it; there is nothing to do about either.
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk: Buffer) => {
      try {
        for (const request of decoder.push(chunk)) {
          if (request.operation === 'prefetch') this.ahead(request);
          else void this.answer(socket, request);
        }
      } catch (error) {
        this.options.log.warn({ computeId: this.options.computeId, error: String(error) }, 'page shim sent garbage');
        socket.destroy();
      }
    });
  }

  private async answer(socket: Socket, request: ShimRequest): Promise<void> {
    const startedAt = performance.now();
    this.remember(request, startedAt);
    try {
      const { pages, aheadCount, done } = await this.buffer.take(wantOf(request));
      const seconds = (performance.now() - startedAt) / 1000;
      this.metrics.read({ hitCount: aheadCount, missCount: request.blockCount - aheadCount, seconds });
      socket.cork();
      socket.write(encodePagesHeader(request));
      pages.forEach((piece, index) => socket.write(piece, index === pages.length - 1 ? done : undefined));
      socket.uncork();
    } catch (error) {
      this.metrics.failed();
      const message = error instanceof Error ? error.message : String(error);
      this.options.log.warn({ computeId: this.options.computeId, request, error: message }, 'page read failed');
      socket.write(encodeShimError(request, message));
    }
  }

  private remember({ tablespaceOid, databaseOid, relationNumber, fork, ...range }: ShimRequest, at: number): void {
    if (at - this.madeAt > FIRST_READS_MS || this.reads.length >= FIRST_READS_MAX) return;
    const { firstBlock, blockCount } = range;
    this.reads.push({ tablespaceOid, databaseOid, relationNumber, fork, firstBlock, blockCount });
  }

  private async fetch({ relation, firstBlock, count }: Want): Promise<Uint8Array> {
    const blocks = Array.from({ length: count }, (_, index) => firstBlock + index);
    return this.options.pageService.getPages({ lsn: this.baseLsn, ...relationOf(relation), blocks });
  }
}

const wantOf = (range: PageRange): Want => ({
  relation: `${range.tablespaceOid}/${range.databaseOid}/${range.relationNumber}/${range.fork}`,
  firstBlock: range.firstBlock,
  count: range.blockCount,
});

function relationOf(relation: string): Omit<PageRead, 'lsn' | 'blocks'> {
  const [tablespaceOid = 0, databaseOid = 0, relationNumber = 0, fork = 0] = relation.split('/').map(Number);
  return { tablespaceOid, databaseOid, relationNumber, fork };
}

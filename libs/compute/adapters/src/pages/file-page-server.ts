/**
 * For specs: the pageserver's role in the page service, played over the files of a cleanly stopped data directory.
 * The pages it serves are those of the files, whatever the LSN.
 */
import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import { type AddressInfo, type Server, type Socket, createServer } from 'node:net';
import { join } from 'node:path';
import { FrameDecoder, type Lsn } from '@neon/kernel';
import {
  type GetPages,
  PAGE_FRAME_SIZE_MAX,
  PAGE_SERVICE_VERSION,
  PAGE_SIZE,
  type PageAnswer,
  type PageErrorCode,
  type PageRequest,
  decodePageRequest,
  encodePageAnswer,
} from '@neon/pageserver-contract';
import { SEGMENT_BLOCKS, segmentPath } from './arena';

export class FilePageServer {
  private readonly server: Server = createServer((socket) => this.serve(socket));
  private readonly sockets = new Set<Socket>();
  private readonly files = new Map<string, number>();
  readonly lsnsAsked = new Set<Lsn>();
  pageCount = 0;
  /** When set, every read is answered with this. */
  refusal: { readonly code: PageErrorCode; readonly message: string } | null = null;

  constructor(private readonly dataDir: string) {}

  async start(port = 0): Promise<number> {
    await new Promise<void>((resolve) => this.server.listen(port, '127.0.0.1', resolve));
    return (this.server.address() as AddressInfo).port;
  }

  /** Ends every connection and accepts no more; `start` opens again. */
  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    this.dropConnections();
    await closed;
    for (const file of this.files.values()) closeSync(file);
    this.files.clear();
  }

  dropConnections(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  private serve(socket: Socket): void {
    const decoder = new FrameDecoder(PAGE_FRAME_SIZE_MAX);
    this.sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('close', () => this.sockets.delete(socket));
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      for (const frame of decoder.push(chunk)) {
        const answer = this.answer(decodePageRequest(frame));
        socket.write(encodePageAnswer(answer));
        if (answer.type === 'error' && answer.requestId === 0) socket.end();
      }
    });
  }

  protected answer(request: PageRequest): PageAnswer {
    if (request.type === 'hello')
      return request.token === 'wrong'
        ? { type: 'error', requestId: 0, code: 'Unauthorized', message: 'no such token' }
        : { type: 'welcome', version: PAGE_SERVICE_VERSION };
    const { requestId } = request;
    if (request.type === 'getBasebackup')
      return { type: 'basebackupChunk', requestId, last: true, bytes: Buffer.from(`basebackup at ${request.lsn}`) };
    if (this.refusal !== null) return { type: 'error', requestId, ...this.refusal };
    this.lsnsAsked.add(request.lsn);
    return this.pages(request);
  }

  private pages(request: GetPages): PageAnswer {
    const bytes = Buffer.allocUnsafe(request.blocks.length * PAGE_SIZE);
    const { requestId } = request;
    for (const [index, block] of request.blocks.entries()) {
      const segment = Math.floor(block / SEGMENT_BLOCKS);
      const path = segmentPath({ ...request, segment, blockCount: 0 });
      const file = this.file(path);
      if (file === null) return { type: 'error', requestId, code: 'UnknownRelation', message: `no ${path}` };
      const size = readSync(file, bytes, index * PAGE_SIZE, PAGE_SIZE, (block % SEGMENT_BLOCKS) * PAGE_SIZE);
      if (size !== PAGE_SIZE)
        return { type: 'error', requestId, code: 'BlockOutOfRange', message: `${path} has no block ${block}` };
      this.pageCount++;
    }
    return { type: 'pages', requestId, count: request.blocks.length, bytes };
  }

  private file(path: string): number | null {
    const known = this.files.get(path);
    if (known !== undefined) return known;
    const full = join(this.dataDir, path);
    if (!existsSync(full)) return null;
    const file = openSync(full, 'r');
    this.files.set(path, file);
    return file;
  }
}

/** A page server for specs: block n of any relation, at any LSN, is 8 KB of the byte n modulo 251. */
import { type AddressInfo, type Server, type Socket, createServer } from 'node:net';
import { FrameDecoder } from '@neon/kernel';
import {
  PAGE_FRAME_SIZE_MAX,
  PAGE_SERVICE_VERSION,
  PAGE_SIZE,
  type PageAnswer,
  type PageErrorCode,
  type PageRequest,
  decodePageRequest,
  encodePageAnswer,
} from '@neon/pageserver-contract';

export class StripedPageServer {
  private readonly server: Server = createServer((socket) => this.serve(socket));
  private readonly sockets = new Set<Socket>();
  /** When set, every read is answered with this. */
  refusal: { readonly code: PageErrorCode; readonly message: string } | null = null;

  constructor(private readonly blockCount: number) {}

  async start(): Promise<number> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return (this.server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    this.dropConnections();
    await closed;
  }

  dropConnections(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  private serve(socket: Socket): void {
    const decoder = new FrameDecoder(PAGE_FRAME_SIZE_MAX);
    this.sockets.add(socket);
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

  private answer(request: PageRequest): PageAnswer {
    if (request.type === 'hello')
      return request.token === 'wrong'
        ? { type: 'error', requestId: 0, code: 'Unauthorized', message: 'no such token' }
        : { type: 'welcome', version: PAGE_SERVICE_VERSION };
    const { requestId } = request;
    if (request.type === 'getBasebackup')
      return { type: 'basebackupChunk', requestId, last: true, bytes: Buffer.from(`basebackup at ${request.lsn}`) };
    if (this.refusal !== null) return { type: 'error', requestId, ...this.refusal };
    const beyond = request.blocks.find((block) => block >= this.blockCount);
    if (beyond !== undefined)
      return { type: 'error', requestId, code: 'BlockOutOfRange', message: `no block ${beyond}` };
    const bytes = Buffer.concat(request.blocks.map((block) => Buffer.alloc(PAGE_SIZE, block % 251)));
    return { type: 'pages', requestId, count: request.blocks.length, bytes };
  }
}

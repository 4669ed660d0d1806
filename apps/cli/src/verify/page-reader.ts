/** Reads pages of one timeline from the pageserver, as a compute does. */
import { type Socket, connect } from 'node:net';
import { FrameDecoder, type Lsn, type TenantId, type TimelineId } from '@neon/kernel';
import {
  PAGE_FRAME_SIZE_MAX,
  PAGE_SERVICE_VERSION,
  type GetPages,
  type PageAnswer,
  type PageError,
  decodePageAnswer,
  encodePageRequest,
} from '@neon/pageserver-contract';

export interface RelationFork {
  readonly tablespaceOid: number;
  readonly databaseOid: number;
  readonly relationNumber: number;
  readonly fork: number;
}

/** An error answer of the page service. */
export class PageServiceError extends Error {
  constructor(readonly answer: PageError) {
    super(`${answer.code}: ${answer.message}`);
  }
}

export class PageReader {
  private requestId = 0;
  private readonly waiting = new Map<
    number,
    { resolve: (bytes: Uint8Array) => void; reject: (error: Error) => void }
  >();

  private constructor(private readonly socket: Socket) {
    const decoder = new FrameDecoder(PAGE_FRAME_SIZE_MAX);
    socket.on('data', (chunk) => {
      for (const frame of decoder.push(chunk)) this.settle(decodePageAnswer(frame));
    });
    socket.on('error', (error) => this.fail(error));
    socket.on('close', () => this.fail(new Error('the pageserver closed the connection')));
  }

  static async connect(
    port: number,
    identity: { tenantId: TenantId; timelineId: TimelineId; token: string },
  ): Promise<PageReader> {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true });
    const reader = new PageReader(socket);
    const welcomed = new Promise<Uint8Array>((resolve, reject) => reader.waiting.set(0, { resolve, reject }));
    socket.write(encodePageRequest({ type: 'hello', version: PAGE_SERVICE_VERSION, ...identity }));
    await welcomed;
    return reader;
  }

  /** @throws PageServiceError */
  read(relation: RelationFork, lsn: Lsn, blocks: readonly number[]): Promise<Uint8Array> {
    const request: GetPages = { type: 'getPages', requestId: ++this.requestId, lsn, ...relation, blocks };
    return new Promise((resolve, reject) => {
      this.waiting.set(request.requestId, { resolve, reject });
      this.socket.write(encodePageRequest(request));
    });
  }

  close(): void {
    this.socket.destroy();
  }

  private settle(answer: PageAnswer): void {
    const id = answer.type === 'welcome' ? 0 : answer.requestId;
    const waiter = this.waiting.get(id);
    this.waiting.delete(id);
    if (answer.type === 'error') waiter?.reject(new PageServiceError(answer));
    else waiter?.resolve(answer.type === 'pages' ? answer.bytes : new Uint8Array());
  }

  private fail(error: Error): void {
    for (const waiter of this.waiting.values()) waiter.reject(error);
    this.waiting.clear();
  }
}

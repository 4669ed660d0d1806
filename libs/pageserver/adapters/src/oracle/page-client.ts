/** A page service client for specs: one connection, requests by id. */
import { type Socket, connect } from 'node:net';
import { FrameDecoder, type Lsn } from '@neon/kernel';
import {
  PAGE_FRAME_SIZE_MAX,
  PAGE_SERVICE_VERSION,
  PAGE_SIZE,
  type PageAnswer,
  type PageRequest,
  decodePageAnswer,
  encodePageRequest,
} from '@neon/pageserver-contract';
import type { TimelineName } from '@neon/pageserver-core';
import type { RelationId } from '@neon/postgres';

export class PageClient {
  private readonly frames = new FrameDecoder(PAGE_FRAME_SIZE_MAX);
  private readonly waiting = new Map<number, (answer: PageAnswer) => void>();
  private nextId = 1;
  readonly closed: Promise<void>;

  private constructor(private readonly socket: Socket) {
    socket.on('data', (chunk: Buffer) => {
      for (const frame of this.frames.push(chunk)) {
        const answer = decodePageAnswer(frame);
        this.waiting.get(answer.type === 'welcome' ? 0 : answer.requestId)?.(answer);
      }
    });
    socket.on('error', () => undefined);
    this.closed = new Promise((done) => socket.on('close', () => done()));
  }

  static async open(port: number): Promise<PageClient> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    await new Promise<void>((done, failed) => socket.once('connect', done).once('error', failed));
    return new PageClient(socket);
  }

  write(bytes: Uint8Array): void {
    this.socket.write(bytes);
  }

  hello(name: TimelineName, token: string): Promise<PageAnswer> {
    return this.ask(0, { type: 'hello', version: PAGE_SERVICE_VERSION, ...name, token });
  }

  pages(relation: RelationId, blocks: readonly number[], lsn: Lsn): Promise<PageAnswer> {
    const requestId = this.nextId++;
    return this.ask(requestId, { type: 'getPages', requestId, lsn, ...relation, fork: 0, blocks });
  }

  async basebackup(lsn: Lsn, head = false): Promise<Buffer> {
    const requestId = this.nextId++;
    const chunks: Uint8Array[] = [];
    return new Promise((resolve, reject) => {
      this.waiting.set(requestId, (answer) => {
        if (answer.type !== 'basebackupChunk') return reject(Object.assign(new Error(JSON.stringify(answer)), answer));
        chunks.push(answer.bytes);
        if (answer.last) resolve(Buffer.concat(chunks));
      });
      this.socket.write(encodePageRequest({ type: 'getBasebackup', requestId, lsn, head }));
    });
  }

  close(): void {
    this.socket.destroy();
  }

  private ask(id: number, request: PageRequest): Promise<PageAnswer> {
    return new Promise((resolve) => {
      this.waiting.set(id, (answer) => {
        this.waiting.delete(id);
        resolve(answer);
      });
      this.socket.write(encodePageRequest(request));
    });
  }
}

export const pageIn = (answer: PageAnswer, i: number): Uint8Array =>
  answer.type === 'pages' ? answer.bytes.subarray(i * PAGE_SIZE, (i + 1) * PAGE_SIZE) : new Uint8Array();

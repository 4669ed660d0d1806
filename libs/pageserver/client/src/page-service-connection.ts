/**
 * One connection to a pageserver for one timeline: greeted, pipelined, matched by request id.
 *
 *   C1  Every request settles: with its answer, with the pageserver's error, or as `Unavailable` when the connection ends.
 *   C2  A connection that ended, or broke the protocol, is never used again.
 */
import { type Socket, connect } from 'node:net';
import { Refusal, type TenantId, type TimelineId, Unavailable } from '@neon/kernel';
import {
  type GetPages,
  PAGE_SERVICE_VERSION,
  type PageAnswer,
  REQUESTS_IN_FLIGHT_MAX,
  encodePageRequest,
} from '@neon/pageserver-contract';
import { activeTraceparent, detached } from '@neon/telemetry';
import { PageAnswerDecoder, errorOf } from './page-answers';
import type { PageMemory } from './page-memory';

export interface PageServiceAddress {
  readonly host: string;
  readonly port: number;
  readonly tenantId: TenantId;
  readonly timelineId: TimelineId;
  /** Service token of scope `timeline`. */
  readonly token: string;
}

export type PageRead = Omit<GetPages, 'type' | 'requestId'>;

/** Until connected and welcomed. */
export const GREETING_TIMEOUT_MS = 5_000;
/** Read into again and again, so that a scan leaves no garbage of received chunks. */
const RECEIVE_BUFFER_SIZE = 256 * 1024;
/** The id by which the pageserver refuses the connection itself; here also that of the greeting. */
const GREETING_ID = 0;

interface Waiter {
  resolve(bytes: Uint8Array): void;
  reject(error: Error): void;
}

export class PageServiceConnection {
  private readonly socket: Socket;
  private readonly decoder: PageAnswerDecoder;
  private readonly waiters = new Map<number, Waiter>();
  private lastRequestId = GREETING_ID;
  private failure: Error | null = null;

  private constructor({ host, port }: PageServiceAddress, memory: PageMemory) {
    this.decoder = new PageAnswerDecoder((size) => memory.borrow(size));
    const onread = { buffer: Buffer.allocUnsafeSlow(RECEIVE_BUFFER_SIZE), callback: this.receive.bind(this) };
    this.socket = connect({ host, port, noDelay: true, keepAlive: true, onread });
    this.socket.on('error', (cause) =>
      this.fail(new Unavailable(`pageserver ${host}:${port}: ${cause.message}`, { cause })),
    );
    this.socket.on('close', () => this.fail(new Unavailable(`pageserver ${host}:${port} closed the connection`)));
  }

  /** @throws Unavailable, or Refusal when the pageserver does not accept the greeting. */
  static async open(address: PageServiceAddress, memory: PageMemory): Promise<PageServiceConnection> {
    const connection = detached(() => new PageServiceConnection(address, memory));
    const timer = setTimeout(
      () => connection.fail(new Unavailable(`pageserver ${address.host}:${address.port} does not answer`)),
      GREETING_TIMEOUT_MS,
    );
    try {
      await connection.asked(GREETING_ID, helloTo(address));
    } finally {
      clearTimeout(timer);
    }
    return connection;
  }

  get isOpen(): boolean {
    return this.failure === null;
  }

  /** The pages one after the other, in borrowed memory. @throws what `errorOf` makes of the pageserver's answer; Unavailable. */
  async getPages(read: PageRead): Promise<Uint8Array> {
    if (this.failure !== null) throw this.failure;
    if (this.waiters.size >= REQUESTS_IN_FLIGHT_MAX)
      throw new Unavailable(`${REQUESTS_IN_FLIGHT_MAX} page requests in flight`);
    const requestId = (this.lastRequestId = (this.lastRequestId % 0xffff_ffff) + 1);
    return this.asked(requestId, encodePageRequest({ type: 'getPages', requestId, ...read }));
  }

  close(): void {
    this.fail(new Unavailable('the page service client is closed'));
  }

  private asked(requestId: number, request: Uint8Array): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      this.waiters.set(requestId, { resolve, reject });
      this.socket.write(request);
    });
  }

  private receive(size: number, buffer: Uint8Array): boolean {
    try {
      const chunk = Buffer.from(buffer.buffer, buffer.byteOffset, size);
      this.decoder.push(chunk, (answer) => this.settle(answer));
    } catch (cause) {
      this.fail(new Unavailable(`pageserver broke the protocol: ${String(cause)}`, { cause }));
    }
    return true;
  }

  private settle(answer: PageAnswer): void {
    const requestId = answer.type === 'welcome' ? GREETING_ID : answer.requestId;
    const waiter = this.waiters.get(requestId);
    if (answer.type === 'error' && requestId === GREETING_ID) return this.fail(errorOf(answer));
    if (waiter === undefined) throw new Error(`${answer.type} ${requestId}, which is not in flight`);
    this.waiters.delete(requestId);
    if (answer.type === 'error') waiter.reject(errorOf(answer));
    else if (answer.type === 'pages') waiter.resolve(answer.bytes);
    else if (answer.type === 'welcome') greeted(answer.version, waiter);
    else throw new Error(`${answer.type} in answer to getPages`);
  }

  private fail(error: Error): void {
    if (this.failure !== null) return;
    this.failure = error;
    this.socket.destroy();
    for (const waiter of this.waiters.values()) waiter.reject(error);
    this.waiters.clear();
  }
}

/** Continues the active trace in the pageserver. */
export function helloTo({ tenantId, timelineId, token }: PageServiceAddress): Uint8Array {
  const traceparent = activeTraceparent();
  const hello = { type: 'hello' as const, version: PAGE_SERVICE_VERSION, tenantId, timelineId, token };
  return encodePageRequest(traceparent === undefined ? hello : { ...hello, traceparent });
}

function greeted(version: number, waiter: Waiter): void {
  if (version === PAGE_SERVICE_VERSION) waiter.resolve(new Uint8Array(0));
  else waiter.reject(new Refusal('ProtocolViolation', `the pageserver speaks version ${version} of the page service`));
}

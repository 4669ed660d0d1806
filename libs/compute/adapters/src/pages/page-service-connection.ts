/**
 * One connection to a pageserver for one timeline: greeted, pipelined, matched by request id.
 *
 *   C1  Every request settles: with its answer, with the pageserver's error, or as `Unavailable` when the connection ends.
 *   C2  A connection that ended, or broke the protocol, is never used again.
 */
import { type Socket, connect } from 'node:net';
import {
  Corrupt,
  type Frame,
  FrameDecoder,
  type Lsn,
  Refusal,
  type TenantId,
  type TimelineId,
  Unavailable,
} from '@neon/kernel';
import {
  type GetPages,
  PAGE_FRAME_SIZE_MAX,
  PAGE_SERVICE_VERSION,
  type PageAnswer,
  type PageError,
  REQUESTS_IN_FLIGHT_MAX,
  decodePageAnswer,
  encodePageRequest,
} from '@neon/pageserver-contract';

export interface PageServiceAddress {
  readonly host: string;
  readonly port: number;
  readonly tenantId: TenantId;
  readonly timelineId: TimelineId;
  /** Service token of scope `timeline`. */
  readonly token: string;
}

/** Until connected and welcomed. */
const GREETING_TIMEOUT_MS = 5_000;

interface Waiter {
  resolve(bytes: Uint8Array): void;
  reject(error: Error): void;
}

export type PageRead = Omit<GetPages, 'type' | 'requestId'>;

export class PageServiceConnection {
  private readonly decoder = new FrameDecoder(PAGE_FRAME_SIZE_MAX);
  private readonly waiters = new Map<number, Waiter>();
  private lastRequestId = 0;
  private failure: Error | null = null;

  private constructor(private readonly socket: Socket) {
    socket.on('data', (chunk: Buffer) => this.receive(chunk));
    socket.on('error', (cause) => this.fail(new Unavailable(`pageserver connection: ${cause.message}`, { cause })));
    socket.on('close', () => this.fail(new Unavailable('the pageserver closed the connection')));
  }

  /** @throws Unavailable, or Refusal when the pageserver does not accept the greeting. */
  static async open(address: PageServiceAddress): Promise<PageServiceConnection> {
    return new PageServiceConnection(await greet(address));
  }

  get isOpen(): boolean {
    return this.failure === null;
  }

  /** The pages one after the other. @throws what `errorOf` makes of the pageserver's answer; Unavailable. */
  getPages(read: PageRead): Promise<Uint8Array> {
    if (this.failure !== null) return Promise.reject(this.failure);
    if (this.waiters.size >= REQUESTS_IN_FLIGHT_MAX)
      return Promise.reject(new Unavailable(`${REQUESTS_IN_FLIGHT_MAX} page requests in flight`));
    const requestId = (this.lastRequestId = (this.lastRequestId % 0xffff_ffff) + 1);
    return new Promise((resolve, reject) => {
      this.waiters.set(requestId, { resolve, reject });
      this.socket.write(encodePageRequest({ type: 'getPages', requestId, ...read }));
    });
  }

  close(): void {
    this.fail(new Unavailable('the page service client is closed'));
  }

  private receive(chunk: Buffer): void {
    try {
      for (const frame of this.decoder.push(chunk)) this.settle(decodePageAnswer(frame));
    } catch (cause) {
      this.fail(new Unavailable(`pageserver broke the protocol: ${String(cause)}`, { cause }));
    }
  }

  private settle(answer: PageAnswer): void {
    if (answer.type === 'error' && answer.requestId === 0) return this.fail(errorOf(answer));
    if (answer.type === 'welcome') throw new Error('welcomed twice');
    const waiter = this.waiters.get(answer.requestId);
    if (waiter === undefined) throw new Error(`answer to request ${answer.requestId}, which is not in flight`);
    this.waiters.delete(answer.requestId);
    if (answer.type === 'pages') waiter.resolve(answer.bytes);
    else if (answer.type === 'error') waiter.reject(errorOf(answer));
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

/** The tarball a compute starts from, over a connection of its own: a slow consumer slows this stream alone. */
export async function* streamBasebackup(address: PageServiceAddress, lsn: Lsn): AsyncGenerator<Uint8Array> {
  const socket = await greet(address);
  const requestId = 1;
  const decoder = new FrameDecoder(PAGE_FRAME_SIZE_MAX);
  try {
    socket.write(encodePageRequest({ type: 'getBasebackup', requestId, lsn }));
    for await (const chunk of socket as AsyncIterable<Buffer>) {
      for (const frame of decoder.push(chunk)) {
        const answer = decodePageAnswer(frame);
        if (answer.type === 'error') throw errorOf(answer);
        if (answer.type !== 'basebackupChunk') throw new Unavailable(`${answer.type} in answer to getBasebackup`);
        yield answer.bytes;
        if (answer.last) return;
      }
    }
    throw new Unavailable('the basebackup ended before its last chunk');
  } finally {
    socket.destroy();
  }
}

/** A connected socket on which the pageserver has answered `welcome`, and nothing was read beyond that. */
async function greet({ host, port, tenantId, timelineId, token }: PageServiceAddress): Promise<Socket> {
  const socket = connect({ host, port, noDelay: true, keepAlive: true });
  const where = `pageserver ${host}:${port}`;
  // An error between two listeners must not end the process; whoever uses the socket sees it closed.
  socket.on('error', () => undefined);
  socket.setTimeout(GREETING_TIMEOUT_MS, () => socket.destroy(new Unavailable(`${where} does not answer`)));
  try {
    socket.write(encodePageRequest({ type: 'hello', version: PAGE_SERVICE_VERSION, tenantId, timelineId, token }));
    const decoder = new FrameDecoder(PAGE_FRAME_SIZE_MAX);
    for await (const chunk of socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      const [frame] = decoder.push(chunk);
      if (frame === undefined) continue;
      checkWelcome(frame);
      socket.setTimeout(0);
      return socket;
    }
    throw new Unavailable(`${where} closed the connection`);
  } catch (cause) {
    socket.destroy();
    if (cause instanceof Refusal || cause instanceof Unavailable || cause instanceof Corrupt) throw cause;
    throw new Unavailable(`${where}: ${String(cause)}`, { cause });
  }
}

function checkWelcome(frame: Frame): void {
  const answer = decodePageAnswer(frame);
  if (answer.type === 'error') throw errorOf(answer);
  if (answer.type !== 'welcome') throw new Unavailable(`${answer.type} in answer to hello`);
  if (answer.version !== PAGE_SERVICE_VERSION)
    throw new Refusal('ProtocolViolation', `the pageserver speaks version ${answer.version} of the page service`);
}

/** Unavailable: ask again. Corrupt and Refusal (with the pageserver's code): asking again will not help. */
function errorOf({ code, message }: PageError): Error {
  const text = `${code}: ${message}`;
  switch (code) {
    case 'LsnNotReached':
    case 'Overloaded':
    case 'Internal':
      return new Unavailable(text);
    case 'Corrupt':
      return new Corrupt(text);
    default:
      return new Refusal(code, text);
  }
}

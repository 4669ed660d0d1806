/** Connections whose bytes a spec chooses itself, and conversations recorded from peers that behave. */
import { type Server, type Socket, connect, createServer } from 'node:net';

/** What the server said until it closed, or until `timeoutMs` were over. */
export interface Heard {
  readonly bytes: Buffer;
  readonly isClosed: boolean;
  readonly elapsedMs: number;
}

/** Sends the pieces, one write each; waits for the server to close. */
export function sendPieces(
  port: number,
  pieces: readonly Uint8Array[],
  { timeoutMs, pauseMs = 0 }: { readonly timeoutMs: number; readonly pauseMs?: number },
): Promise<Heard> {
  return new Promise((resolve) => {
    const startedAt = performance.now();
    const socket = connect({ host: '127.0.0.1', port, noDelay: true });
    const heard: Buffer[] = [];
    const queue = [...pieces];
    let isClosed = false;
    const feed = (): void => {
      const piece = queue.shift();
      if (piece === undefined || isClosed) return;
      socket.write(piece);
      if (pauseMs > 0) setTimeout(feed, pauseMs);
      else setImmediate(feed);
    };
    const settle = (): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ bytes: Buffer.concat(heard), isClosed, elapsedMs: performance.now() - startedAt });
    };
    const timer = setTimeout(settle, timeoutMs);
    socket.on('connect', feed);
    socket.on('data', (chunk) => heard.push(chunk));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      isClosed = true;
      settle();
    });
  });
}

/** Stands between a client and a port, keeps what the client says, and holds back answers when there were enough. */
export class Tap {
  readonly said: Buffer[] = [];
  private answeredBytes = 0;
  private readonly sockets = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    readonly port: number,
    private readonly answerBytesMax: number,
  ) {}

  /** @param answerBytesMax after so many bytes of answers nothing more comes through */
  static async open(target: number, answerBytesMax = Infinity): Promise<Tap> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const tap = new Tap(server, typeof address === 'object' && address !== null ? address.port : 0, answerBytesMax);
    server.on('connection', (client) => {
      const upstream = connect({ host: '127.0.0.1', port: target, noDelay: true });
      for (const socket of [client, upstream]) {
        tap.sockets.add(socket);
        socket.on('error', () => undefined);
      }
      client.on('data', (chunk) => {
        tap.said.push(chunk);
        upstream.write(chunk);
      });
      upstream.on('data', (chunk) => {
        if (tap.isHolding) return;
        tap.answeredBytes += chunk.length;
        client.write(chunk);
      });
      client.on('close', () => upstream.destroy());
      upstream.on('close', () => client.destroy());
    });
    return tap;
  }

  get isHolding(): boolean {
    return this.answeredBytes >= this.answerBytesMax;
  }

  close(): void {
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
  }
}

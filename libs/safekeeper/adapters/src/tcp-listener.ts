/** A TCP listener with a bound on connections, and an orderly end. */
import { type AddressInfo, type Socket, createServer } from 'node:net';

export interface TcpListenerOptions {
  readonly host: string;
  /** 0 for any free one. */
  readonly port: number;
  readonly connectionCountMax: number;
  serve(socket: Socket): void;
}

export interface TcpListener {
  readonly port: number;
  readonly connectionCount: number;
  /** Stops listening and ends every connection. */
  close(): Promise<void>;
}

/** A peer that vanished without a word is noticed after about this long and the probes that follow. */
const KEEPALIVE_DELAY_MS = 10_000;

export async function listenTcp(options: TcpListenerOptions): Promise<TcpListener> {
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEPALIVE_DELAY_MS });
  server.maxConnections = options.connectionCountMax;
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    options.serve(socket);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, () => resolve());
  });
  return {
    port: (server.address() as AddressInfo).port,
    get connectionCount() {
      return sockets.size;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

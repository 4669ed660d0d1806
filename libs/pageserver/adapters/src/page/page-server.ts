/** The page service's TCP listener: bounded connections, an orderly end. */
import { type AddressInfo, type Server, type Socket, createServer } from 'node:net';
import { BoundedLog } from './bounded-log';
import { PageConnection } from './page-connection';
import type { PageServerOptions } from './page-server-options';

/** A host agent holds a few connections per compute; this many would be thousands of computes. */
const CONNECTIONS_MAX = 10_000;

export class PageServer {
  private readonly sockets = new Set<Socket>();

  private constructor(private readonly server: Server) {}

  static async listen(options: PageServerOptions, { host, port }: { host: string; port: number }): Promise<PageServer> {
    const server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: 10_000 });
    server.maxConnections = CONNECTIONS_MAX;
    const pages = new PageServer(server);
    const errors = new BoundedLog(options.logger);
    server.on('connection', (socket) => {
      pages.sockets.add(socket);
      socket.on('close', () => pages.sockets.delete(socket));
      new PageConnection(socket, { ...options, errors }).serve();
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, host, () => resolve());
    });
    // One connection that cannot be accepted, for want of descriptors for instance, must not end those that are open.
    server.on('error', (error) => errors.error({ error: error.message }, 'page connection not accepted'));
    return pages;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }
  get connectionCount(): number {
    return this.sockets.size;
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve));
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }
}

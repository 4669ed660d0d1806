/**
 * The front door: accepts clients on one TCP port and lets each become a session.
 *
 *   D1  Beyond `connectionsMax` a client is told "too many connections"; beyond REFUSALS_MAX more it is not accepted at all.
 *   D2  `drain` closes the door at once, waits for sessions to end by themselves, and after its time ends the rest.
 */
import { type AddressInfo, type Server, createServer } from 'node:net';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ControlPlane, handshake } from '@neon/proxy-core';
import type { Logger } from '@neon/telemetry';
import { CancelKeys } from './connection/cancel-keys';
import { ClientConnection, type ConnectionEnvironment } from './connection/client-connection';
import { KEEP_ALIVE_DELAY_MS } from './connection/compute-link';
import { ProxyMetrics } from './connection/proxy-metrics';
import { scramCrypto } from './crypto';
import type { ServerCertificate } from './tls/certificate';

export interface ProxyServerOptions {
  readonly certificate: ServerCertificate;
  /** Suffixes of host names that route by their first label. */
  readonly domains: readonly string[];
  readonly controlPlane: ControlPlane;
  readonly logger: Logger;
  readonly connectionsMax: number;
}

/** Clients that are being told to come back later. */
const REFUSALS_MAX = 256;
/** Bursts of clients wait in the system's queue rather than be reset. */
const BACKLOG = 1024;
const DRAIN_POLL_MS = 20;

export class ProxyServer {
  private readonly server: Server;
  private readonly connections = new Set<ClientConnection>();
  private readonly metrics = new ProxyMetrics();
  private readonly environment: ConnectionEnvironment;

  constructor(private readonly options: ProxyServerOptions) {
    const { certificate, controlPlane, logger, connectionsMax } = options;
    const rules = {
      crypto: scramCrypto,
      domains: options.domains.map((domain) => domain.toLowerCase()),
      mockSecret: certificate.mockSecret,
    };
    const step = handshake(rules);
    this.environment = { step, certificate, controlPlane, logger, cancelKeys: new CancelKeys(), metrics: this.metrics };
    const socketOptions = { noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_DELAY_MS };
    this.server = createServer({ ...socketOptions, allowHalfOpen: true }, (socket) => {
      const isOverLimit = this.connections.size >= connectionsMax;
      const connection = new ClientConnection(socket, this.environment, {
        isOverLimit,
        onClose: (closed) => this.forget(closed),
      });
      this.connections.add(connection);
      this.metrics.connectionOpened();
    });
    this.server.maxConnections = connectionsMax + REFUSALS_MAX;
  }

  private forget(connection: ClientConnection): void {
    if (this.connections.delete(connection)) this.metrics.connectionClosed();
  }

  get connectionCount(): number {
    return this.connections.size;
  }

  get totalBytes(): { receivedBytes: number; sentBytes: number } {
    return this.metrics.totalBytes();
  }

  /** Resolves with the port once clients can connect. */
  async listen({ host, port }: { host: string; port: number }): Promise<number> {
    this.server.listen({ host, port, backlog: BACKLOG });
    await once(this.server, 'listening');
    this.server.on('error', (error) => this.options.logger.error({ err: error }, 'listening failed'));
    return portOf(this.server.address());
  }

  get isListening(): boolean {
    return this.server.listening;
  }

  async drain(timeoutMs: number): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    for (let waitedMs = 0; this.connections.size > 0 && waitedMs < timeoutMs; waitedMs += DRAIN_POLL_MS)
      await sleep(DRAIN_POLL_MS);
    for (const connection of [...this.connections]) connection.destroy();
    await closed;
  }
}

const portOf = (address: AddressInfo | string | null): number =>
  address === null || typeof address === 'string' ? 0 : address.port;

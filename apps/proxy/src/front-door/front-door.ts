/** The proxy with its bus: opened whole or not at all, closed in the order that lets sessions end well. */
import { Bus } from '@neon/messaging';
import { NatsControlPlane, ProxyServer, ensureSelfSigned, loadCertificate } from '@neon/proxy-adapters';
import type { Logger } from '@neon/telemetry';
import type { CertificateSource, Config } from '../config';

/** Names that always lead to this machine. */
const LOOPBACK_DOMAIN = 'localhost';

export class FrontDoor {
  private constructor(
    private readonly bus: Bus,
    private readonly proxy: ProxyServer,
    private readonly drainMs: number,
  ) {}

  static async open(config: Config, logger: Logger): Promise<FrontDoor> {
    const certificate = loadCertificate(await certificateFiles(config.certificate, config.domain));
    const bus = await Bus.connect({
      servers: config.nats.servers,
      token: config.nats.token,
      name: 'proxy',
      onError: (error, where) => logger.error({ err: error, where }, 'message failed'),
    });
    const proxy = new ProxyServer({
      certificate,
      domains: [...new Set([config.domain, LOOPBACK_DOMAIN])],
      controlPlane: new NatsControlPlane(bus),
      logger,
      connectionsMax: config.connectionsMax,
    });
    try {
      const port = await proxy.listen({ host: config.host, port: config.proxyPort });
      logger.info({ host: config.host, port, domain: config.domain }, 'accepting clients');
    } catch (error) {
      await bus.close();
      throw error;
    }
    return new FrontDoor(bus, proxy, config.drainMs);
  }

  get isReady(): boolean {
    return this.bus.isConnected && this.proxy.isListening;
  }

  async close(): Promise<void> {
    await this.proxy.drain(this.drainMs);
    await this.bus.close();
  }
}

const certificateFiles = async (source: CertificateSource, domain: string) =>
  source.kind === 'files' ? source : ensureSelfSigned(source.directory, [domain]);

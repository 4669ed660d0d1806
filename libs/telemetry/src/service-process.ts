/**
 * The life of a service's process, the same for every service.
 *
 *   P1  Telemetry runs before the service starts and ends after it has closed.
 *   P2  The first SIGTERM or SIGINT closes the service once, and the process ends with 0.
 *   P3  An error that no unit caught is a bug of unknown reach: timelines, sessions and connections catch their own. Everything
 *       that was promised is on disk, so the process says why and ends with 1. So it does when the service does not start.
 */
import { createLogger, type Logger } from './logger';
import { startTelemetry } from './telemetry';

/** What is used of Node's `process`. */
export interface Host {
  readonly env: Readonly<Record<string, string | undefined>>;
  on(event: 'SIGTERM' | 'SIGINT', listener: (signal: string) => void): unknown;
  /** Unhandled rejections come here too: Node.js raises them. */
  on(event: 'uncaughtException', listener: (error: Error, origin: string) => void): unknown;
  exit(code: number): void;
}

interface ServiceConfig {
  readonly otlpUrl: string | undefined;
  readonly logLevel: string;
}

export interface RunningService {
  /** Fields of the log line that says it is ready, such as its ports. */
  readonly ready: Readonly<Record<string, unknown>>;
  close(): Promise<void>;
}

export interface Service<Config extends ServiceConfig> {
  readonly name: string;
  /** @throws with every problem of the environment at once */
  parseConfig(env: Host['env']): Config;
  /** Fields that every log line carries, such as the node's id. */
  identify?(config: Config): Readonly<Record<string, unknown>>;
  start(config: Config, logger: Logger): Promise<RunningService>;
}

export async function runService<Config extends ServiceConfig>(host: Host, service: Service<Config>): Promise<void> {
  let config: Config;
  try {
    config = service.parseConfig(host.env);
  } catch (error) {
    createLogger(service.name).error({ error: stackOf(error) }, 'the configuration is not usable');
    return host.exit(1);
  }
  const telemetry = startTelemetry({ service: service.name, otlpUrl: config.otlpUrl });
  const logger = createLogger(service.name, config.logLevel).child(service.identify?.(config) ?? {});
  endOnUncaught(host, logger);
  let running: RunningService;
  try {
    running = await service.start(config, logger);
  } catch (error) {
    logger.error({ error: stackOf(error) }, 'the service did not start');
    return host.exit(1);
  }
  let isStopping = false;
  const stop = async (signal: string): Promise<void> => {
    if (isStopping) return;
    isStopping = true;
    logger.info({ signal }, 'stopping');
    await running.close();
    await telemetry.stop();
    host.exit(0);
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) host.on(signal, () => void stop(signal));
  logger.info(running.ready, 'ready');
}

/** P3 */
function endOnUncaught(host: Host, logger: Logger): void {
  host.on('uncaughtException', (error, origin) => {
    logger.error({ origin, error: error.stack }, 'the process ends on an error that nothing handles');
    host.exit(1);
  });
}

const stackOf = (error: unknown): string => (error instanceof Error ? (error.stack ?? error.message) : String(error));

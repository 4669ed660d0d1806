/**
 * What becomes of an error that no unit caught: a timeline's errors stop the timeline, a connection's end the connection, and
 * both are caught there. What comes here is a bug of unknown reach. Everything that was promised is on disk, so the process
 * ends, and says why.
 */
import type { Logger } from '@neon/telemetry';

export interface Host {
  /** Unhandled rejections come here too: Node.js raises them. */
  on(event: 'uncaughtException', listener: (error: Error, origin: string) => void): unknown;
  exit(code: number): void;
}

export function endOnUncaught(host: Host, logger: Logger): void {
  host.on('uncaughtException', (error, origin) => {
    logger.error({ origin, error: error.stack }, 'the process ends on an error that nothing handles');
    host.exit(1);
  });
}

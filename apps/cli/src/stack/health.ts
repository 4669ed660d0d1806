/** Is a service well? */
import { setTimeout as sleep } from 'node:timers/promises';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import type { Home } from '../home';
import { CommandFailure } from '../progress';
import { logFile, pidOf } from './processes';
import type { Service } from './service';

const PROBE_TIMEOUT_MS = 2_000;
const START_TIMEOUT_MS = 60_000;
const POLL_MS = 25;
const LOG_TAIL_LINES = 15;

export async function isHealthy({ health, place }: Service): Promise<boolean> {
  if ('tcpPort' in health) return accepts(place.host, health.tcpPort);
  try {
    return (await fetch(health.url, { signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) })).ok;
  } catch {
    return false;
  }
}

function accepts(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: PROBE_TIMEOUT_MS });
    const settle = (accepted: boolean): void => {
      socket.destroy();
      resolve(accepted);
    };
    socket
      .once('connect', () => settle(true))
      .once('error', () => settle(false))
      .once('timeout', () => settle(false));
  });
}

/** @throws CommandFailure with the end of the log when the process ends or stays unhealthy */
export async function waitHealthy(home: Home, service: Service): Promise<void> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (!(await isHealthy(service))) {
    const ended = pidOf(home, service.name) === null;
    if (ended || Date.now() > deadline) {
      const log = readFileSync(logFile(home, service.name), 'utf8')
        .trimEnd()
        .split('\n')
        .slice(-LOG_TAIL_LINES)
        .join('\n');
      throw new CommandFailure(
        `${service.name} ${ended ? 'ended' : 'did not become healthy'}. The end of its log:\n${log}`,
      );
    }
    await sleep(POLL_MS);
  }
}

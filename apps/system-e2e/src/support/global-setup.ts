/**
 * Brings up one whole system for all end-to-end specs, in a home of its own, exactly as a person would: `./neon up`.
 *
 * NEON_E2E_HOME names an installation that already runs; it is then left running. Its NEON_OTLP_URL must be set here too.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { chmodSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

/** Below the range that the kernel takes ports of outgoing connections from. */
const COLLECTOR_PORTS = Array.from({ length: 100 }, (_, index) => 14_318 + index);

export default async function setup(): Promise<void> {
  if (process.env['NEON_E2E_HOME'] !== undefined) return;
  const home = mkdtempSync(join(tmpdir(), 'neon-e2e-'));
  chmodSync(home, 0o711);
  process.env['NEON_E2E_HOME'] = home;
  process.env['NEON_E2E_OWNED'] = 'yes';
  // Nobody listens there but a spec that wants to see spans: services must do without a collector.
  process.env['NEON_OTLP_URL'] = `http://127.0.0.1:${await firstFree(COLLECTOR_PORTS)}`;
  execFileSync(resolve(__dirname, '../../../../neon'), ['up'], {
    stdio: 'inherit',
    env: { ...process.env, NEON_HOME: home },
  });
}

async function firstFree(ports: readonly number[]): Promise<number> {
  for (const port of ports) {
    const server = createServer();
    const isFree = await new Promise<boolean>((done) => {
      server.once('error', () => done(false));
      server.listen(port, '127.0.0.1', () => server.close(() => done(true)));
    });
    if (isFree) return port;
  }
  throw new Error(`no free port from ${ports[0]} on`);
}

/** Stops the system that the setup started; its logs stay when NEON_E2E_KEEP is set. */
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { resolve } from 'node:path';

export default function teardown(): void {
  const home = process.env['NEON_E2E_HOME'];
  if (home === undefined || process.env['NEON_E2E_OWNED'] !== 'yes') return;
  execFileSync(resolve(__dirname, '../../../../neon'), ['down'], {
    stdio: 'ignore',
    env: { ...process.env, NEON_HOME: home },
  });
  if (process.env['NEON_E2E_KEEP'] === undefined) rmSync(home, { recursive: true, force: true });
}

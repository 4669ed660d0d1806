/**
 * Brings up one whole system for all end-to-end specs, in a home of its own, exactly as a person would: `./neon up`.
 *
 * NEON_E2E_HOME names an installation that already runs; it is then left running.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { chmodSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

export default function setup(): void {
  if (process.env['NEON_E2E_HOME'] !== undefined) return;
  const home = mkdtempSync(join(tmpdir(), 'neon-e2e-'));
  chmodSync(home, 0o711);
  process.env['NEON_E2E_HOME'] = home;
  process.env['NEON_E2E_OWNED'] = 'yes';
  execFileSync(resolve(__dirname, '../../../../neon'), ['up'], {
    stdio: 'inherit',
    env: { ...process.env, NEON_HOME: home },
  });
}

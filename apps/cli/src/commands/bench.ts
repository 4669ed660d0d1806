/** `./neon bench [suite]`: runs the benchmarks, a program of their own. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { build } from '../build';
import { openHome } from '../home';

export async function bench(suite: string | undefined, { json }: { json: boolean }): Promise<void> {
  const { checkout, directory } = openHome();
  await build(checkout);
  const args = [
    join(checkout, 'dist/bench/main.cjs'),
    ...(suite === undefined ? [] : [suite]),
    ...(json ? ['--json'] : []),
  ];
  process.exitCode =
    spawnSync(process.execPath, args, { stdio: 'inherit', env: { ...process.env, NEON_HOME: directory } }).status ?? 1;
}

/** `./neon test`: everything that must hold, in the order in which it fails fastest. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { build } from '../build';
import { openHome } from '../home';
import { TEST_PREREQUISITES, ensurePrerequisites } from '../prerequisites';
import { CommandFailure, say } from '../progress';

export const SUITES = ['lint', 'typecheck', 'unit', 'sim', 'int', 'e2e'] as const;
export type Suite = (typeof SUITES)[number];

export async function test(suites: readonly Suite[]): Promise<void> {
  await ensurePrerequisites(TEST_PREREQUISITES);
  const { checkout } = openHome();
  await build(checkout);
  const node = process.execPath;
  const nx = (target: string): string[] => [
    node,
    join(checkout, 'node_modules/nx/dist/bin/nx.js'),
    'run',
    `workspace:${target}`,
  ];
  const jest = [node, join(checkout, 'node_modules/jest/bin/jest.js'), '-c', join(checkout, 'jest.config.cjs')];
  const failed: Suite[] = [];
  for (const suite of suites) {
    const [program, ...args] = suite === 'lint' ? nx('lint-all') : suite === 'typecheck' ? nx('typecheck') : jest;
    say(`\n── ${suite} ${'─'.repeat(60 - suite.length)}`);
    const { status } = spawnSync(program ?? node, args, {
      cwd: checkout,
      stdio: 'inherit',
      env: { ...process.env, SUITE: suite },
    });
    if (status !== 0) failed.push(suite);
  }
  say();
  say(`suites: ${suites.length - failed.length} passed, ${failed.length} failed`);
  if (failed.length > 0) throw new CommandFailure(`failed: ${failed.join(', ')}`);
}

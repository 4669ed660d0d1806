/** Building what runs: the Prisma client, the native shim and the bundles, when their sources changed since the last build. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { CommandFailure, step } from './progress';

const run = promisify(execFile);

export const APPS = ['safekeeper', 'pageserver', 'compute', 'control-plane', 'proxy'] as const;

/**
 * Generating the client needs no schema engine, yet the command downloads one unless it is told where one is; any
 * program will do. Migrations are plain SQL that the control plane applies itself.
 */
const OFFLINE_PRISMA = { PRISMA_SCHEMA_ENGINE_BINARY: process.execPath, CHECKPOINT_DISABLE: '1' };

/** What each part is built from, and how. */
function partsOf(
  checkout: string,
): { name: string; sources: string[]; output: string; command: readonly [string, ...string[]] }[] {
  const node = process.execPath;
  return [
    {
      name: 'database client',
      sources: ['prisma/schema.prisma', 'package-lock.json'],
      output: 'libs/control-plane/adapters/src/generated',
      command: [node, join(checkout, 'node_modules/prisma/build/index.js'), 'generate', '--no-hints'],
    },
    {
      name: 'page-fault shim',
      sources: ['native'],
      output: 'dist/native/libneonpages.so',
      command: ['sh', join(checkout, 'native/build.sh')],
    },
    {
      name: 'services',
      sources: ['apps', 'bench', 'libs', 'prisma', 'tools/build', 'tsconfig.base.json', 'package-lock.json'],
      output: `dist/apps/${APPS[0]}/main.cjs`,
      command: [node, join(checkout, 'tools/build/bundle.mjs'), ...APPS.map((app) => `apps/${app}`), 'bench'],
    },
  ];
}

export async function build(checkout: string): Promise<void> {
  const stamps = join(checkout, 'dist/stamps');
  mkdirSync(stamps, { recursive: true });
  for (const part of partsOf(checkout)) {
    const stamp = join(stamps, part.name.replaceAll(' ', '-'));
    const print = fingerprint(checkout, part.sources);
    if (existsSync(stamp) && existsSync(join(checkout, part.output)) && readFileSync(stamp, 'utf8') === print) continue;
    await step(`building the ${part.name}`, async () => {
      const [program, ...args] = part.command;
      await run(program, args, {
        cwd: checkout,
        env: { ...process.env, ...OFFLINE_PRISMA },
        maxBuffer: 16 * 1024 * 1024,
      }).catch((error: unknown) => {
        const output = error instanceof Error && 'stderr' in error ? String(error.stderr) : String(error);
        throw new CommandFailure(`building the ${part.name} failed:\n${output.slice(-4_000)}`);
      });
    });
    writeFileSync(stamp, print);
  }
}

/** Names, sizes and times of all source files. */
function fingerprint(checkout: string, sources: readonly string[]): string {
  const hash = createHash('sha256');
  const visit = (path: string): void => {
    const stat = statSync(join(checkout, path));
    if (!stat.isDirectory()) {
      hash.update(`${path}\0${stat.size}\0${stat.mtimeMs}\n`);
      return;
    }
    for (const name of readdirSync(join(checkout, path)).sort()) {
      if (name !== 'generated' && name !== 'node_modules' && !name.endsWith('.spec.ts')) visit(join(path, name));
    }
  };
  for (const source of sources) if (existsSync(join(checkout, source))) visit(source);
  return hash.digest('hex');
}

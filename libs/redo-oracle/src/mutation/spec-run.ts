/**
 * What the specs of libs/postgres catch: hardly any WAL of a server's trips a guard, and some records no server of a run writes.
 *
 * The specs are copied into the directory of the mutated library, and a Jest of its own runs them there (`spec-harness.ts`).
 */
import { execFile } from 'node:child_process';
import { copyFileSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { LIBRARY, SWITCH, type MutatedRedo } from './mutated-redo';

/** Specs of what is mutated. */
const SPEC = /^((page|redo)\/[^/]+|wal\/image)\.spec\.ts$/;

/** Jest's own limit is for one spec, not for thousands. */
const SPECS_TIMEOUT_MS = 1_800_000;

export interface SpecRunOptions {
  readonly checkout: string;
  /** Mutants to be tried, by number. */
  readonly candidates: readonly number[];
}

/** @returns the name of the spec that catches a mutant, by the mutant's number */
export async function catchesBySpecs(
  { directory, mutants }: MutatedRedo,
  { checkout, candidates }: SpecRunOptions,
): Promise<ReadonlyMap<number, string>> {
  if (candidates.length === 0) return new Map();
  const library = join(checkout, LIBRARY);
  const files = readdirSync(library, { recursive: true, encoding: 'utf8' }).filter((file) => SPEC.test(file));
  for (const file of files) copyFileSync(join(library, file), join(directory, file));
  // Packages are looked for from where the mutated library lies.
  symlinkSync(join(checkout, 'node_modules'), join(directory, 'node_modules'));
  const jestConfig = join(directory, 'jest.config.cjs');
  const caughtFile = join(directory, 'caught.json');
  const job = { mutantCount: mutants.length, candidates, caughtFile };
  writeFileSync(join(directory, 'mutants.spec.ts'), entryOf(files, { checkout, job }));
  writeFileSync(jestConfig, configurationOf(checkout));
  await promisify(execFile)(process.execPath, [join(checkout, 'node_modules/jest/bin/jest.js'), '-c', jestConfig]);
  const caught: [number, string][] = JSON.parse(readFileSync(caughtFile, 'utf8'));
  return new Map(caught);
}

function entryOf(files: readonly string[], { checkout, job }: { checkout: string; job: object }): string {
  const harness = join(checkout, 'libs/redo-oracle/src/mutation/spec-harness');
  const loads = files.map((file) => `'${file}': () => require('./${file.replace(/\.ts$/, '')}')`);
  return `import * as switches from './${SWITCH}';
import { trySpecs } from '${harness}';
trySpecs({ switches, files: { ${loads.join(', ')} }, ...${JSON.stringify(job)} });
`;
}

const configurationOf = (checkout: string): string => `module.exports = {
  ...require('${join(checkout, 'jest.preset.js')}'),
  rootDir: __dirname,
  testMatch: ['<rootDir>/mutants.spec.ts'],
  testTimeout: ${SPECS_TIMEOUT_MS},
};
`;

/**
 * libs/postgres with every mutation in it: its sources copied to a directory of the run, instrumented, bundled and loaded.
 *
 * The rest of the oracle, masks and comparison above all, goes on using the library as it is.
 */
import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import ts from 'typescript';
import type { Redo } from '../redo';
import { findConstants } from './constants';
import { instrument, type Source } from './instrument';
import type { Mutant } from './mutant';
import { isMutated } from './scope';
import type * as switches from './switch';

export interface MutatedRedo {
  readonly redo: Redo;
  readonly switches: Switches;
  readonly mutants: readonly Mutant[];
  /** Those that are to be tried, by number. */
  readonly chosen: ReadonlySet<number>;
  /** Where its sources are. */
  readonly directory: string;
}

export type Switches = Pick<typeof switches, 'setUp' | 'ignore' | 'collect' | 'passed' | 'runWith'>;

export const LIBRARY = 'libs/postgres/src';
export const SWITCH = 'mutation-switch';
const ENTRY = `export { changesOf } from './redo/changes';
export { applyDelta } from './redo/apply';
export { redoRecord } from './redo/redo-record';
export * from './${SWITCH}';
`;

export interface BuildOptions {
  readonly checkout: string;
  /** A directory of this call's own. */
  readonly workDir: string;
  /** Which mutants are to be tried, by number: others are not in the code. */
  readonly choose: (mutants: readonly Mutant[]) => ReadonlySet<number>;
}

export async function buildMutatedRedo({ checkout, workDir, choose }: BuildOptions): Promise<MutatedRedo> {
  const sources = readSources(join(checkout, LIBRARY));
  const { mutants } = instrumentAll(sources, { workDir, isChosen: () => false });
  const chosen = choose(mutants);
  for (const { target, text } of instrumentAll(sources, { workDir, isChosen: (id) => chosen.has(id) }).files) {
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, text);
  }
  copyFileSync(join(checkout, 'libs/redo-oracle/src/mutation/switch.ts'), join(workDir, `${SWITCH}.ts`));
  writeFileSync(join(workDir, 'entry.ts'), ENTRY);
  const bundle = join(workDir, 'mutated.cjs');
  const bundler = join(checkout, 'tools/build/bundle-library.mjs');
  await promisify(execFile)(process.execPath, [bundler, join(workDir, 'entry.ts'), bundle]);
  const loaded: Redo & Switches = createRequire(bundle)(bundle);
  loaded.setUp(mutants.length);
  return { redo: loaded, switches: loaded, mutants, chosen, directory: workDir };
}

interface Instrumentation {
  readonly workDir: string;
  readonly isChosen: (id: number) => boolean;
}

/** All sources as they are to be written, and the mutants of those that are mutated. */
function instrumentAll(sources: readonly Source[], { workDir, isChosen }: Instrumentation) {
  const constants = findConstants(sources.map(({ syntax }) => syntax));
  const mutants: Mutant[] = [];
  const files = sources.map((source) => {
    const target = join(workDir, source.file);
    if (!isMutated(source.file)) return { target, text: source.syntax.text };
    const switchModule = `./${relative(dirname(target), join(workDir, SWITCH))}`;
    const instrumented = instrument(source, { constants, firstId: mutants.length, switchModule, isChosen });
    mutants.push(...instrumented.mutants);
    return { target, text: instrumented.text };
  });
  return { mutants, files };
}

function readSources(directory: string): Source[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.spec.ts'))
    .sort()
    .map((file) => ({
      file,
      syntax: ts.createSourceFile(file, readFileSync(join(directory, file), 'utf8'), ts.ScriptTarget.ES2023, true),
    }));
}

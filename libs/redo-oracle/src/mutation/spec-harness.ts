/**
 * The specs of libs/postgres with mutants on. Runs inside Jest, in a file that `spec-run.ts` writes beside the mutated library.
 *
 *   P1  Every spec holds without a mutant, or the run fails.
 *   P2  A mutant is caught by a spec that passes its place and fails with it.
 *   P3  The same run makes the same arbitrary values.
 */
import fc from 'fast-check';
import { writeFileSync } from 'node:fs';
import { format } from 'node:util';
import type * as switches from './switch';

interface Spec {
  readonly name: string;
  readonly run: () => unknown;
}

export interface SpecJob {
  readonly switches: Pick<typeof switches, 'setUp' | 'collect' | 'passed' | 'runWith'>;
  readonly mutantCount: number;
  /** Mutants to be tried, by number. */
  readonly candidates: readonly number[];
  /** What loads a file of specs, by the file's name. */
  readonly files: Readonly<Record<string, () => unknown>>;
  /** Gets what caught whom: pairs of a mutant's number and a spec's name. */
  readonly caughtFile: string;
}

/** Loads the specs, and leaves one test for Jest to run. */
export function trySpecs(job: SpecJob): void {
  const specs = collectSpecs(job.files);
  test('the specs of the library, with each mutant', () => {
    // P3. An example is as good as a small one.
    fc.configureGlobal({ seed: 1, endOnFailure: true });
    writeFileSync(job.caughtFile, JSON.stringify(catchesOf(specs, job)));
  });
}

/** The specs of files, as `describe`, `test` and `it` tell of them. */
export function collectSpecs(files: SpecJob['files']): Spec[] {
  const specs: Spec[] = [];
  let titles: string[] = [];
  const declareSpec = (title: string, run: Spec['run']): void => {
    specs.push({ name: [...titles, title].join(' '), run });
  };
  const declareGroup = (title: string, declare: () => unknown): void => {
    titles.push(title);
    declare();
    titles.pop();
  };
  const testLike = withEach(declareSpec);
  const jestGlobals = { describe, test, it };
  Object.assign(globalThis, { describe: withEach(declareGroup), test: testLike, it: testLike });
  try {
    for (const [file, load] of Object.entries(files)) {
      titles = [`${file}:`];
      load();
    }
  } finally {
    Object.assign(globalThis, jestGlobals);
  }
  return specs;
}

type Declare = (title: string, body: () => unknown) => void;
type DeclareEach = (rows: readonly unknown[]) => (title: string, body: (...row: unknown[]) => unknown) => void;

function withEach(declare: Declare): Declare & { each: DeclareEach } {
  const each: DeclareEach = (rows) => (title, body) => {
    for (const row of rows) {
      const values: unknown[] = Array.isArray(row) ? row : [row];
      const named = values.slice(0, title.match(/%[sdifjop]/g)?.length ?? 0);
      declare(format(title, ...named), () => body(...values));
    }
  };
  return Object.assign(declare.bind(null), { each });
}

/** @returns pairs of a mutant's number and the name of the first spec that catches it (P1, P2) */
export function catchesOf(
  specs: readonly Spec[],
  { switches, mutantCount, candidates }: Pick<SpecJob, 'switches' | 'mutantCount' | 'candidates'>,
): [number, string][] {
  switches.setUp(mutantCount);
  const passedBy = specs.map((spec) => {
    switches.collect();
    holds(spec);
    return new Set(switches.passed().mutants);
  });
  const caught: [number, string][] = [];
  for (const id of candidates) {
    const by = specs.find((spec, index) => passedBy[index]?.has(id) && failsWith(switches, id, spec));
    if (by !== undefined) caught.push([id, by.name]);
  }
  return caught;
}

/** P1 */
function holds(spec: Spec): void {
  try {
    runSpec(spec);
  } catch (error) {
    throw new Error(`does not hold without a mutant: ${spec.name}`, { cause: error });
  }
}

function runSpec({ name, run }: Spec): void {
  if (run() instanceof Promise) throw new Error(`a spec that ends later cannot be tried: ${name}`);
}

function failsWith({ runWith }: SpecJob['switches'], id: number, spec: Spec): boolean {
  try {
    runWith(id, () => runSpec(spec));
    return false;
  } catch {
    return true;
  }
}

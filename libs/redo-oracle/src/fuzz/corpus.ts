/**
 * The corpus on disk: `seeds-<major>.fuzz`, from which cases are made, and in `failed/` every input that once broke a promise.
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { decodeInputs, type FuzzInput, type RecordInput, type StreamInput } from './input';

export interface FuzzCorpus {
  readonly streams: readonly [StreamInput, ...StreamInput[]];
  readonly records: readonly [RecordInput, ...RecordInput[]];
}

/** @throws Error when there are no streams, or no records, among the seeds */
export function readSeeds(corpusDir: string): FuzzCorpus {
  const seeds = readInputs(corpusDir, /^seeds-.*\.fuzz$/).map(({ input }) => input);
  const [stream, ...streams] = seeds.filter((seed) => seed.kind === 'stream');
  const [record, ...records] = seeds.filter((seed) => seed.kind === 'record');
  if (stream === undefined || record === undefined) throw new Error(`no seeds in ${corpusDir}`);
  return { streams: [stream, ...streams], records: [record, ...records] };
}

export interface NamedInput {
  /** The file's name, and which of its inputs it is. */
  readonly name: string;
  readonly input: FuzzInput;
}

export const readFailed = (corpusDir: string): NamedInput[] => readInputs(join(corpusDir, 'failed'), /\.fuzz$/);

function readInputs(directory: string, pattern: RegExp): NamedInput[] {
  if (!existsSync(directory)) return [];
  const files = readdirSync(directory).filter((file) => pattern.test(file));
  return files.sort().flatMap((file) =>
    decodeInputs(new Uint8Array(readFileSync(join(directory, file)))).map((input, i) => ({
      name: `${file}#${i}`,
      input,
    })),
  );
}

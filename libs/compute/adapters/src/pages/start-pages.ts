/**
 * Which pages each timeline's last start read, kept on this host: `<timeline id>.json`. For timelines that have not started here
 * yet there is what any start read last, `default-<major>.json`, or the first start of a cluster, `fresh-<major>.json`.
 *
 *   K1  Best effort: what cannot be read or written is as if it were not there, and no start waits for a write.
 *   K2  At most TIMELINES_MAX lists; beyond it the least recently written goes.
 */
import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { StartRange } from '@neon/compute-core';
import { z } from 'zod';

const TIMELINES_MAX = 1_000;

const unsigned = z.number().int().nonnegative();
const Ranges = z.array(z.tuple([unsigned, unsigned, unsigned, unsigned, unsigned, unsigned]));

export interface StartOf {
  readonly timelineId: string;
  readonly pgMajor: number;
  /** A first start reads what no later one does. */
  readonly isFresh: boolean;
}

export class StartPages {
  /** Least recently written first. */
  private readonly names: Set<string>;

  /** @param directory of our own; made here */
  constructor(private readonly directory: string) {
    mkdirSync(directory, { recursive: true });
    const writtenAt = (name: string): number => statSync(join(directory, name)).mtimeMs;
    const files = readdirSync(directory).map((name) => ({ name, at: writtenAt(name) }));
    this.names = new Set(files.sort((a, b) => a.at - b.at).map(({ name }) => name));
  }

  /** In the order in which they were read; empty when nothing is known. */
  async before(start: StartOf): Promise<StartRange[]> {
    const name = namesOf(start).find((each) => this.names.has(each));
    if (name === undefined) return [];
    try {
      return Ranges.parse(JSON.parse(await readFile(join(this.directory, name), 'utf8'))).map(rangeOf);
    } catch {
      return [];
    }
  }

  async keep(start: StartOf, reads: readonly StartRange[]): Promise<void> {
    if (reads.length === 0) return;
    const text = JSON.stringify(reads.map(fieldsOf));
    for (const name of namesOf(start)) {
      try {
        const path = join(this.directory, name);
        await writeFile(`${path}.new`, text);
        await rename(`${path}.new`, path);
        this.names.delete(name);
        this.names.add(name);
      } catch {
        // K1
      }
    }
    for (const name of this.names) {
      if (this.names.size <= TIMELINES_MAX) break;
      this.names.delete(name);
      await rm(join(this.directory, name), { force: true }).catch(() => undefined);
    }
  }
}

const namesOf = ({ timelineId, pgMajor, isFresh }: StartOf): string[] =>
  isFresh ? [`fresh-${pgMajor}.json`] : [`${timelineId}.json`, `default-${pgMajor}.json`];

const fieldsOf = (range: StartRange): number[] => [
  range.tablespaceOid,
  range.databaseOid,
  range.relationNumber,
  range.fork,
  range.firstBlock,
  range.blockCount,
];

function rangeOf([tablespaceOid, databaseOid, relationNumber, fork, firstBlock, blockCount]: z.infer<
  typeof Ranges
>[number]): StartRange {
  return { tablespaceOid, databaseOid, relationNumber, fork, firstBlock, blockCount };
}

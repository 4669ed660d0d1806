/** `./neon verify wal`: whatever the bytes of WAL, records and pages, decoding and redo end, in a result or a typed error. */
import { createHash } from 'node:crypto';
import { chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { type FuzzFailure, collectSeeds, encodeInputs, readSeeds, runFuzz } from '@neon/redo-oracle';
import { openHome } from '../home';
import { CommandFailure, say } from '../progress';
import { distributionsOf } from './redo';

export interface VerifyWalCommand {
  readonly quick: boolean;
  readonly seed: number;
  readonly minutes?: number;
  /** Instead, make the seeds of the corpus anew, from what the packaged servers write. */
  readonly collect: boolean;
}

const CORPUS = 'libs/redo-oracle/src/fuzz/corpus';
const MINUTES = { quick: 0.25, full: 5 };
const REPORT_INTERVAL_MS = 10_000;

export async function verifyWal(command: VerifyWalCommand): Promise<void> {
  const { checkout } = openHome();
  const corpusDir = join(checkout, CORPUS);
  if (command.collect) await collect(corpusDir, command.seed);
  else fuzz(corpusDir, checkout, command);
}

async function collect(corpusDir: string, seed: number): Promise<void> {
  const { user } = openHome();
  const workDir = mkdtempSync(join(tmpdir(), 'neon-verify-wal-'));
  if (user !== null) chownSync(workDir, user.uid, user.gid);
  try {
    for (const distribution of distributionsOf({})) {
      const seeds = await collectSeeds({ distribution, seed, workDir, report: (line) => say(`  ${line}`) });
      const file = join(corpusDir, `seeds-${distribution.major}.fuzz`);
      writeFileSync(file, encodeInputs(seeds));
      say(`${seeds.length} seeds of Postgres ${distribution.version}: ${file}`);
    }
  } finally {
    rmSync(workDir, { recursive: true, force: true });
  }
}

function fuzz(corpusDir: string, checkout: string, { quick, seed, minutes }: VerifyWalCommand): void {
  const durationMs = (minutes ?? (quick ? MINUTES.quick : MINUTES.full)) * 60_000;
  const started = Date.now();
  let nextReport = started + REPORT_INTERVAL_MS;
  let told = 0;
  const more = (caseCount: number): boolean => {
    const now = Date.now();
    if (now >= nextReport) {
      nextReport += REPORT_INTERVAL_MS;
      say(`  ${caseCount} cases in ${Math.round((now - started) / 1000)} s, ${told} kinds of failures`);
    }
    return now < started + durationMs;
  };
  say(`  first seed ${seed}, ${durationMs / 60_000} minutes`);
  const failed = (failure: FuzzFailure): void => {
    told++;
    tell(failure, corpusDir, checkout);
  };
  const result = runFuzz({ corpus: readSeeds(corpusDir), seed, more, failed });
  say(`${result.caseCount} cases from seed ${seed}, ${result.failureCount} failed`);
  if (result.failureCount > 0) throw new CommandFailure(`${told} kinds of failures; each input was written to a file`);
}

function tell({ seed, violation, input }: FuzzFailure, corpusDir: string, checkout: string): void {
  const bytes = encodeInputs([input]);
  const directory = join(tmpdir(), 'neon-verify-wal');
  mkdirSync(directory, { recursive: true });
  const file = join(directory, `${input.kind}-${createHash('sha256').update(bytes).digest('hex').slice(0, 12)}.fuzz`);
  writeFileSync(file, bytes);
  say(`  seed ${seed}: ${violation}`);
  say(`    input: ${file}`);
  say(`    to keep it in the corpus: cp ${file} ${relative(checkout, join(corpusDir, 'failed'))}/`);
}

/** `./neon verify wire`: whatever a proposer or a safekeeper is told, neither dies nor loses what is committed. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type WireFailure, encodeWireInput, runWireFuzz } from '@neon/simulation';
import { CommandFailure, say } from '../progress';

const CORPUS = 'libs/simulation/src/wire/corpus/failed';
const MINUTES = { quick: 0.25, full: 5 };
const REPORT_INTERVAL_MS = 10_000;

export interface VerifyWireCommand {
  readonly quick: boolean;
  readonly seed: number;
  readonly minutes?: number;
}

export function verifyWire({ quick, seed, minutes }: VerifyWireCommand): void {
  const durationMs = (minutes ?? (quick ? MINUTES.quick : MINUTES.full)) * 60_000;
  const startedAt = Date.now();
  let nextReportAt = startedAt + REPORT_INTERVAL_MS;
  const more = (caseCount: number): boolean => {
    const now = Date.now();
    if (now >= nextReportAt) {
      nextReportAt += REPORT_INTERVAL_MS;
      say(`  ${caseCount} cases in ${Math.round((now - startedAt) / 1000)} s`);
    }
    return now < startedAt + durationMs;
  };
  say(`  first seed ${seed}, ${durationMs / 60_000} minutes`);
  const { caseCount, failureCount } = runWireFuzz({ seed, more, failed: tell });
  say(`${caseCount} cases from seed ${seed}, ${failureCount} failed`);
  if (failureCount > 0) throw new CommandFailure('promises were broken; each kind of input was written to a file');
}

function tell({ seed, violation, input }: WireFailure): void {
  const directory = join(tmpdir(), 'neon-verify-wire');
  mkdirSync(directory, { recursive: true });
  const file = join(directory, `seed-${seed}.json`);
  writeFileSync(file, encodeWireInput(input));
  say(`  seed ${seed}: ${violation}`);
  say(`    to keep its input in the corpus: cp ${file} ${CORPUS}/`);
}

/**
 * The fuzzer: one input after another from a seed, each checked.
 *
 *   F1  A case is a function of its seed and the corpus: `fuzzCase(corpus, seed)` gives the same input wherever it runs.
 *   F2  A case that does not end within CASE_TIMEOUT_MS has failed like any other.
 *   F3  A failure does not end the run; one of a kind is told, with its input.
 */
import { PAGE_SIZE, changesOf, parseRecord } from '@neon/postgres';
import { RandomSource } from '../workload/random-source';
import { checkInput } from './check-input';
import type { FuzzCorpus } from './corpus';
import { DeadlineExceeded, withinDeadline } from './deadline';
import type { DeltaInput, FuzzInput, RecordInput } from './input';
import { mutateInPlace, mutated } from './mutate-bytes';
import { mutateRecord } from './mutate-record';
import { mutateStream, writtenStream } from './mutate-stream';
import { attempt } from './violation';

/** F1 */
export function fuzzCase({ streams, records }: FuzzCorpus, seed: number): FuzzInput {
  const random = new RandomSource(seed);
  switch (random.below(8)) {
    case 0:
      return mutateStream(random.pick(streams), random);
    case 1:
      return mutateStream(writtenStream(random), random);
    case 2:
      return deltaCase(random.pick(records), random);
    default:
      return mutateRecord(random.pick(records), records, random);
  }
}

/** A delta that the seed's record leads to, or bytes that only begin like one. */
function deltaCase(seed: RecordInput, random: RandomSource): DeltaInput {
  const settings = { walLogHints: true, trackCommitTimestamp: true };
  const changes = attempt('changesOf', () => changesOf(parseRecord(seed.bytes, seed), settings));
  const deltas = changes.kind === 'value' ? changes.value.filter((change) => change.kind === 'page-delta') : [];
  const chosen = deltas[random.below(Math.max(1, deltas.length))];
  const page = seed.pages.find(({ blockId }) => blockId === chosen?.delta[2])?.page ?? new Uint8Array(PAGE_SIZE);
  const delta = chosen?.delta ?? Uint8Array.of(random.below(10), ...new Uint8Array(random.below(20)));
  const bytes = mutated(delta, random);
  if (random.below(4) === 0) mutateInPlace(bytes.subarray(0, 7), random);
  return { kind: 'delta', major: seed.major, endLsn: seed.endLsn, bytes, page };
}

export interface FuzzFailure {
  readonly seed: number;
  readonly violation: string;
  readonly input: FuzzInput;
}

export interface FuzzOptions {
  readonly corpus: FuzzCorpus;
  /** The first case's; each case's is one more than that of the one before. */
  readonly seed: number;
  /** What must not throw for any input; `checkInput` unless given. */
  readonly check?: (input: FuzzInput) => void;
  readonly caseTimeoutMs?: number;
  /** Whether to go on after so many cases. */
  readonly more: (caseCount: number) => boolean;
  /** Told of each kind of failure once (F3). */
  readonly failed: (failure: FuzzFailure) => void;
}

export interface FuzzResult {
  readonly caseCount: number;
  readonly failureCount: number;
}

/** Far beyond what any case takes on a busy machine: a tenth of a second. */
const CASE_TIMEOUT_MS = 10_000;
/** Watching costs as much as a case does: a batch is watched as one. */
const BATCH_SIZE = 100;

export function runFuzz(options: FuzzOptions): FuzzResult {
  const kinds = new Set<string>();
  let caseCount = 0;
  let failureCount = 0;
  while (options.more(caseCount)) {
    for (const failure of runBatch(options, options.seed + caseCount)) {
      failureCount++;
      const kind = failure.violation.replaceAll(/\d+/g, '#');
      if (!kinds.has(kind)) options.failed(failure);
      kinds.add(kind);
    }
    caseCount += BATCH_SIZE;
  }
  return { caseCount, failureCount };
}

function runBatch(options: FuzzOptions, firstSeed: number): FuzzFailure[] {
  const { caseTimeoutMs = CASE_TIMEOUT_MS } = options;
  const failures: FuzzFailure[] = [];
  let next = firstSeed;
  const runRest = (): void => {
    for (; next < firstSeed + BATCH_SIZE; next++) runCase(options, next, failures);
  };
  while (next < firstSeed + BATCH_SIZE) {
    try {
      withinDeadline(caseTimeoutMs, runRest);
    } catch (error) {
      if (!(error instanceof DeadlineExceeded)) throw error;
      // The one that was running may just have been the last of many: it gets a deadline of its own.
      runAlone(options, next++, failures);
    }
  }
  return failures;
}

function runCase({ corpus, check = checkInput }: FuzzOptions, seed: number, failures: FuzzFailure[]): void {
  const input = fuzzCase(corpus, seed);
  try {
    check(input);
  } catch (error) {
    failures.push({ seed, input, violation: error instanceof Error ? error.message : String(error) });
  }
}

function runAlone(options: FuzzOptions, seed: number, failures: FuzzFailure[]): void {
  const { caseTimeoutMs = CASE_TIMEOUT_MS } = options;
  try {
    withinDeadline(caseTimeoutMs, () => runCase(options, seed, failures));
  } catch (error) {
    failures.push({ seed, input: fuzzCase(options.corpus, seed), violation: `F2: ${String(error)}` });
  }
}

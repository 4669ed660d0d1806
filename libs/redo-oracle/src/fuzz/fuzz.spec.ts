import { join } from 'node:path';
import { Lsn } from '@neon/kernel';
import { POSTGRES_MAJORS, encodeRecord, parseRecord } from '@neon/postgres';
import { checkInput } from './check-input';
import { readFailed, readSeeds } from './corpus';
import { DeadlineExceeded, withinDeadline } from './deadline';
import { fuzzCase, runFuzz, type FuzzFailure } from './fuzz';
import { Trespass, guardedBytes } from './guarded-bytes';
import { decodeInputs, encodeInputs, type FuzzInput } from './input';
import { Violation, attempt, sameBytes } from './violation';

const CORPUS_DIR = join(__dirname, 'corpus');
const corpus = readSeeds(CORPUS_DIR);

describe('the corpus', () => {
  it('has WAL and records of every major', () => {
    for (const seeds of [corpus.streams, corpus.records])
      expect(new Set(seeds.map(({ major }) => major))).toEqual(new Set(POSTGRES_MAJORS));
  });

  it('V1–V5: hold for what stock servers wrote', () => {
    for (const seed of [...corpus.records, ...corpus.streams]) checkInput(seed);
  });

  const failed = readFailed(CORPUS_DIR);
  it.each(failed.map((each) => [each.name, each.input] as const))(
    'V1–V5: hold for %s, for which they once did not',
    (_name, input) => {
      withinDeadline(10_000, () => checkInput(input));
    },
  );
});

describe('the fuzzer', () => {
  it('F1: makes the same case of the same seed, and others of others', () => {
    const cases = (first: number) => Array.from({ length: 100 }, (_, i) => fuzzCase(corpus, first + i));
    const [once, again, others] = [cases(1), cases(1), cases(101)];
    const same = (a: FuzzInput, b: FuzzInput) => a.kind === b.kind && sameBytes(a.bytes, b.bytes);
    expect(once.every((input, i) => same(input, again[i]!))).toBe(true);
    expect(once.some((input, i) => same(input, others[i]!))).toBe(false);
  });

  it('F3: tells of a failure, once of each kind, and goes on', () => {
    const told: FuzzFailure[] = [];
    const check = ({ kind, bytes }: FuzzInput) => {
      if (kind === 'delta') throw new Violation(`a delta of ${bytes.length} bytes`);
    };
    const failed = (failure: FuzzFailure) => told.push(failure);
    const result = runFuzz({ corpus, seed: 7, check, more: (count) => count < 200, failed });
    expect(result.caseCount).toBe(200);
    expect(result.failureCount).toBeGreaterThan(5);
    expect(told).toHaveLength(1);
    expect(fuzzCase(corpus, told[0]!.seed)).toEqual(told[0]!.input);
  });

  it('F2: tells of a case that does not end, and goes on', () => {
    const told: FuzzFailure[] = [];
    const endless = fuzzCase(corpus, 30);
    const check = ({ bytes }: FuzzInput) => {
      while (sameBytes(bytes, endless.bytes));
    };
    const more = (count: number) => count < 1;
    const failed = (failure: FuzzFailure) => told.push(failure);
    const result = runFuzz({ corpus, seed: 0, check, caseTimeoutMs: 1000, more, failed });
    expect(result).toEqual({ caseCount: 100, failureCount: 1 });
    expect(told).toMatchObject([{ seed: 30, input: { kind: endless.kind } }]);
  });
});

describe('inputs in a file', () => {
  it('I1: come back as they were', () => {
    const [stream, record] = [corpus.streams[0], corpus.records.find(({ pages }) => pages.length > 0)!];
    const delta: FuzzInput = {
      kind: 'delta',
      major: 15,
      endLsn: Lsn.of(2 ** 40),
      bytes: Uint8Array.of(1, 2, 3),
      page: record.pages[0]!.page,
    };
    const inputs = [stream, record, delta, { ...stream, bytes: new Uint8Array(0) }];
    expect(decodeInputs(encodeInputs(inputs))).toEqual(inputs);
  });
});

describe('guarded bytes', () => {
  const bytes = Uint8Array.from({ length: 20 }, (_, i) => i);
  const guarded = guardedBytes(bytes, [
    { start: 4, end: 8 },
    { start: 10, end: 12 },
  ]);

  it('are the same bytes inside their ranges', () => {
    expect(guarded[4]).toBe(4);
    guarded[11] = 77;
    expect(bytes[11]).toBe(77);
    expect([...guarded.subarray(4, 8)]).toEqual([4, 5, 6, 7]);
    expect(guarded.length).toBe(20);
    expect(guarded.subarray(9, 9)).toHaveLength(0);
  });

  it.each<[string, (of: Uint8Array) => unknown]>([
    ['a read before', (of) => of[3]],
    ['a read between', (of) => of[8]],
    ['a read behind the end', (of) => of[20]],
    ['a read at no number', (of) => of[NaN]],
    ['a read at a negative number', (of) => of[-1]],
    ['a write between', (of) => (of[9] = 1)],
    ['a view across two ranges', (of) => of.subarray(6, 11)],
    ['a view to the end', (of) => of.subarray(10)],
    ['a view that ends before it begins', (of) => of.slice(7, 5)],
    ['filling too much', (of) => of.fill(0, 10, 13)],
    ['copying from outside', (of) => of.copyWithin(4, 8, 10)],
    ['copying to outside', (of) => of.copyWithin(7, 4, 6)],
  ])('G1, G2: %s is a trespass', (_name, use) => {
    expect(() => use(guarded)).toThrow(Trespass);
  });
});

describe('violations', () => {
  it('V1: an error that is not typed is one, a typed one is a result', () => {
    expect(() => attempt('this', () => new Uint8Array(-1))).toThrow(Violation);
    const record = encodeRecord({ rmid: 10, info: 0 }, { major: 17, prevLsn: Lsn.of(8) });
    const position = { major: 17, lsn: Lsn.of(40), endLsn: Lsn.of(64) } as const;
    expect(attempt('this', () => parseRecord(record.subarray(1), position))).toMatchObject({ kind: 'error' });
  });

  it('of work that never ends is that it is stopped', () => {
    let rounds = 0;
    expect(() =>
      withinDeadline(50, () => {
        for (;;) rounds++;
      }),
    ).toThrow(DeadlineExceeded);
    expect(rounds).toBeGreaterThan(0);
    const failing = () => {
      throw new Violation('V9');
    };
    expect(() => withinDeadline(1000, failing)).toThrow('V9');
  });
});

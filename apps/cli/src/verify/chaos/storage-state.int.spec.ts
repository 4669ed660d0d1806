import { mkdirSync, mkdtempSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Lsn } from '@neon/kernel';
import { WalSegment } from '@neon/postgres';
import { type WalHolder, compareWal, judge } from './storage-state';

const SEGMENT = 1024 * 1024;
const START = Lsn.of(SEGMENT + 4_000);
const COMMIT = Lsn.of(3 * SEGMENT + 100);
const RANGE = { fromLsn: Lsn.ZERO, segmentSize: SEGMENT };

let root: string;
beforeEach(() => (root = mkdtempSync(join(tmpdir(), 'neon-storage-state-'))));
afterEach(() => rmSync(root, { recursive: true }));

const pathOf = (name: string, lsn: number): string =>
  join(root, name, WalSegment.fileName({ lsn: Lsn.of(lsn), segmentSize: SEGMENT }));

/** Its length divides no segment. */
const PATTERN = Buffer.from(Array.from({ length: 251 }, (_, index) => index));

/** Three segments of the same bytes in every holder, but for one byte. */
function holder(
  name: string,
  { commitLsn = COMMIT, flushLsn = COMMIT, otherAt = -1, isMember = true } = {},
): WalHolder {
  mkdirSync(join(root, name));
  for (const first of [SEGMENT, 2 * SEGMENT, 3 * SEGMENT]) {
    const bytes = Buffer.alloc(SEGMENT, PATTERN);
    if (otherAt >= first && otherAt < first + SEGMENT) bytes[otherAt - first]! ^= 0xff;
    writeFileSync(pathOf(name, first), bytes);
  }
  return {
    name,
    isMember,
    startLsn: START,
    flushLsn,
    commitLsn,
    directory: join(root, name),
    archiveDirectory: join(root, 'archive'),
  };
}

it('W1: a commit LSN above the flush LSN is found', () => {
  const ahead = holder('a', { flushLsn: Lsn.of(COMMIT - 1) });
  expect(judge([ahead, holder('b'), holder('c')])).toEqual(['a has committed 0/300064 and flushed 0/300063']);
});

it('W2: one safekeeper may lag behind what is committed, two may not', () => {
  const behind = { commitLsn: START, flushLsn: START };
  expect(judge([holder('a'), holder('b'), holder('c', behind)])).toEqual([]);
  expect(judge([holder('d'), holder('e', behind), holder('f', behind)])).toEqual([
    '1 of 3 members hold the committed 0/300064',
  ]);
});

it('W2: what a former member holds is of no use, and what it knows to be committed counts', () => {
  const former = { isMember: false };
  const behind = { commitLsn: START, flushLsn: START };
  expect(judge([holder('a', former), holder('b', former), holder('c', { ...behind, ...former }), holder('d')])).toEqual(
    [],
  );
  expect(judge([holder('e', former), holder('f'), holder('g', behind), holder('h', behind)])).toEqual([
    '1 of 3 members hold the committed 0/300064',
  ]);
  expect(judge([holder('i', former), holder('j', behind)])).toEqual(['0 of 1 members hold the committed 0/300064']);
});

it('W4: one that lost its disk holds nothing that it was not given since', () => {
  const former = holder('a', { isMember: false });
  const holders = [former, holder('b'), holder('c')];
  expect(judge(holders, ['d'])).toEqual([]);
  expect(judge(holders, ['a', 'd'])).toEqual(['a lost its disk, and holds what it was not given since']);
});

it('W3: equal bytes are equal, all of them', () => {
  expect(compareWal([holder('a'), holder('b')], RANGE)).toEqual({ problems: [], comparedBytes: COMMIT - START });
});

it.each([START, Lsn.of(2 * SEGMENT), Lsn.of(COMMIT - 1)])('W3: one other byte at %d is found', (otherAt) => {
  const { problems } = compareWal([holder('a'), holder('b'), holder('c', { otherAt })], RANGE);
  const at = Lsn.format(otherAt);
  expect(problems).toEqual([
    `a and c differ at ${at}, which is committed`,
    `b and c differ at ${at}, which is committed`,
  ]);
});

it('W3: what is in the archive alone is compared there', () => {
  const [left, right] = [holder('a', { otherAt: 2 * SEGMENT + 7 }), holder('b')];
  mkdirSync(left.archiveDirectory);
  renameSync(pathOf('a', 2 * SEGMENT), `${pathOf('archive', 2 * SEGMENT)}~object`);
  const { problems, comparedBytes } = compareWal([left, right], RANGE);
  expect([problems, comparedBytes]).toEqual([
    [`a and b differ at ${Lsn.format(Lsn.of(2 * SEGMENT + 7))}, which is committed`],
    COMMIT - START,
  ]);
});

it('W3: what is before the start or not committed on both may differ', () => {
  for (const [index, otherAt] of [START - 1, COMMIT].entries())
    expect(compareWal([holder(`a${index}`), holder(`b${index}`, { otherAt })], RANGE).problems).toEqual([]);
  const behind = { commitLsn: Lsn.of(2 * SEGMENT), otherAt: 2 * SEGMENT };
  expect(compareWal([holder('c'), holder('d', behind)], RANGE).problems).toEqual([]);
});

it('W3: a file that ends early differs where it ends', () => {
  const [left, right] = [holder('a'), holder('b')];
  truncateSync(pathOf('b', 2 * SEGMENT), 10);
  expect(compareWal([left, right], RANGE).problems).toEqual(['a and b differ at 0/20000A, which is committed']);
});

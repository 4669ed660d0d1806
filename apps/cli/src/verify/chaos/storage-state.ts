/**
 * What must be true of the safekeepers of one timeline when nobody writes.
 *
 *   W1  None has a commit LSN above its flush LSN.
 *   W2  A quorum of the members holds all that any of them, or any former member, knows to be committed.
 *   W3  Up to the end of what two of them hold committed, their bytes are equal.
 *   W4  A safekeeper that lost its disk, and was not made a member since, holds nothing.
 */
import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { Lsn } from '@neon/kernel';
import { WalSegment } from '@neon/postgres';

export interface WalHolder {
  readonly name: string;
  /** Not a former one. */
  readonly isMember: boolean;
  readonly startLsn: Lsn;
  readonly flushLsn: Lsn;
  readonly commitLsn: Lsn;
  /** Of the timeline's segment files. */
  readonly directory: string;
  /** Of the archive's segments, in a directory as object store: what was removed here is there. */
  readonly archiveDirectory: string;
}

/**
 * W1, W2 and W4.
 *
 * @param blank those that W4 is about
 * @returns what is wrong
 */
export function judge(holders: readonly WalHolder[], blank: readonly string[] = []): string[] {
  const problems = holders
    .filter(({ commitLsn, flushLsn }) => commitLsn > flushLsn)
    .map((each) => `${each.name} has committed ${Lsn.format(each.commitLsn)} and flushed ${Lsn.format(each.flushLsn)}`);
  const committed = committedLsn(holders);
  const members = holders.filter(({ isMember }) => isMember);
  const holding = members.filter(({ flushLsn }) => flushLsn >= committed).length;
  if (2 * holding <= members.length)
    problems.push(`${holding} of ${members.length} members hold the committed ${Lsn.format(committed)}`);
  const remembering = holders.filter(({ name }) => blank.includes(name));
  return [
    ...problems,
    ...remembering.map(({ name }) => `${name} lost its disk, and holds what it was not given since`),
  ];
}

export const committedLsn = (holders: readonly WalHolder[]): Lsn =>
  Lsn.of(Math.max(0, ...holders.map(({ commitLsn }) => commitLsn)));

/** W3 from `fromLsn` on. @returns what is wrong, and how many bytes were compared */
export function compareWal(
  holders: readonly WalHolder[],
  { fromLsn, segmentSize }: { readonly fromLsn: Lsn; readonly segmentSize: number },
): { problems: string[]; comparedBytes: number } {
  const problems: string[] = [];
  let comparedBytes = 0;
  for (const [index, left] of holders.entries()) {
    for (const right of holders.slice(index + 1)) {
      const startLsn = Lsn.of(Math.max(fromLsn, left.startLsn, right.startLsn));
      const endLsn = Lsn.of(Math.min(left.commitLsn, right.commitLsn));
      comparedBytes += Math.max(0, endLsn - startLsn);
      const at = firstDifference(left, right, { startLsn, endLsn, segmentSize });
      if (at !== null) problems.push(`${left.name} and ${right.name} differ at ${Lsn.format(at)}, which is committed`);
    }
  }
  return { problems, comparedBytes };
}

const CHUNK = 1024 * 1024;

function firstDifference(
  left: WalHolder,
  right: WalHolder,
  { startLsn, endLsn, segmentSize }: { startLsn: Lsn; endLsn: Lsn; segmentSize: number },
): Lsn | null {
  for (let lsn = startLsn; lsn < endLsn;) {
    const size = Math.min(CHUNK, endLsn - lsn, segmentSize - (lsn % segmentSize));
    const [ours, theirs] = [left, right].map((holder) => readWal(holder, { lsn, size, segmentSize }));
    if (ours === undefined || theirs === undefined) throw new Error('two are compared');
    if (!ours.equals(theirs)) return Lsn.advance(lsn, mismatch(ours, theirs));
    lsn = Lsn.advance(lsn, size);
  }
  return null;
}

/** Shorter than asked for when the file is. */
function readWal(
  { directory, archiveDirectory }: WalHolder,
  { lsn, size, segmentSize }: { lsn: Lsn; size: number; segmentSize: number },
): Buffer {
  const buffer = Buffer.alloc(size);
  const name = WalSegment.fileName({ lsn, segmentSize });
  const kept = join(directory, name);
  const file = openSync(existsSync(kept) ? kept : join(archiveDirectory, `${name}~object`), 'r');
  try {
    return buffer.subarray(0, readSync(file, buffer, 0, size, lsn % segmentSize));
  } finally {
    closeSync(file);
  }
}

function mismatch(left: Buffer, right: Buffer): number {
  const at = left.findIndex((byte, index) => byte !== right[index]);
  return at === -1 ? left.length : at;
}

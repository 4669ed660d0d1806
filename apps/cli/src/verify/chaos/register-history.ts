/**
 * Is a register's history linearizable? The test of Gibbons and Korach ("Testing Shared Memories", 1997), which needs that
 * every value is written once and takes O(n log n).
 *
 *   G1  A history is judged linearizable if and only if it is. (The spec compares with a search of all orders.)
 *   G2  A write in doubt (no answer) takes effect at any time after it was asked for, or never.
 *   G3  A write that failed for certain is not in the history: whoever reads its value has read what never was.
 *
 * The write of a value and the reads of it stand next to each other in every order. They are a zone: from the first answer
 * among them to the last question, if those are in that order (a forward zone: the value was there all that time), or
 * else the reverse (a backward zone: some moment in it suffices). Forward zones must not overlap, and none may hold a
 * backward zone whole.
 *
 * @example checkRegister([write(1, at 1..2), write(2, at 3..4), read(1, at 5..6)]) // the read is stale
 */
export interface RegisterOperation {
  readonly kind: 'write' | 'read';
  readonly value: number;
  /** Positions in the one order of all questions and answers; no two are equal. */
  readonly invokedAt: number;
  /** Null: in doubt. A read in doubt says nothing and is no operation. */
  readonly respondedAt: number | null;
}

/** What a register holds before its first write. */
export const INITIAL_VALUE = 0;

interface Cluster {
  readonly value: number;
  readonly writeInvokedAt: number;
  firstRespondedAt: number;
  lastInvokedAt: number;
  readCount: number;
  readonly isInDoubt: boolean;
}

interface Zone {
  readonly value: number;
  readonly start: number;
  readonly end: number;
}

/** @returns what is wrong; nothing when the history is linearizable */
export function checkRegister(operations: readonly RegisterOperation[]): string[] {
  const clusters = new Map<number, Cluster>();
  const problems: string[] = [];
  clusters.set(INITIAL_VALUE, {
    value: INITIAL_VALUE,
    writeInvokedAt: Number.NEGATIVE_INFINITY,
    firstRespondedAt: Number.NEGATIVE_INFINITY,
    lastInvokedAt: Number.NEGATIVE_INFINITY,
    readCount: 0,
    isInDoubt: false,
  });
  for (const { kind, value, invokedAt, respondedAt } of operations) {
    if (kind === 'read') continue;
    if (clusters.has(value)) throw new Error(`${value} is written twice: this test cannot judge that`);
    clusters.set(value, {
      value,
      writeInvokedAt: invokedAt,
      firstRespondedAt: respondedAt ?? Number.POSITIVE_INFINITY,
      lastInvokedAt: invokedAt,
      readCount: 0,
      isInDoubt: respondedAt === null,
    });
  }
  for (const read of operations) {
    if (read.kind === 'write' || read.respondedAt === null) continue;
    const cluster = clusters.get(read.value);
    if (cluster === undefined)
      problems.push(`the read at ${read.invokedAt} found ${read.value}, which never was written`);
    else if (read.respondedAt < cluster.writeInvokedAt)
      problems.push(`the read at ${read.invokedAt} found ${read.value}, which was written later`);
    else {
      cluster.readCount += 1;
      cluster.firstRespondedAt = Math.min(cluster.firstRespondedAt, read.respondedAt);
      cluster.lastInvokedAt = Math.max(cluster.lastInvokedAt, read.invokedAt);
    }
  }
  return [...problems, ...checkZones([...clusters.values()])];
}

function checkZones(clusters: readonly Cluster[]): string[] {
  const forward: Zone[] = [];
  const backward: Zone[] = [];
  for (const { value, firstRespondedAt, lastInvokedAt, readCount, isInDoubt } of clusters) {
    // G2: an order without a write that nobody saw is as good as one with it.
    if (isInDoubt && readCount === 0) continue;
    if (firstRespondedAt < lastInvokedAt) forward.push({ value, start: firstRespondedAt, end: lastInvokedAt });
    else backward.push({ value, start: lastInvokedAt, end: firstRespondedAt });
  }
  forward.sort((a, b) => a.start - b.start);
  const problems: string[] = [];
  for (const [index, zone] of forward.entries()) {
    const before = forward[index - 1];
    if (before !== undefined && before.end > zone.start)
      problems.push(`${before.value} was there until ${before.end} and ${zone.value} from ${zone.start} on`);
  }
  for (const zone of backward) {
    const around = lastStartingBefore(forward, zone.start);
    if (around !== undefined && zone.end < around.end)
      problems.push(
        `${zone.value} was there between ${zone.start} and ${zone.end}, and ${around.value} from ${around.start} to ${around.end}`,
      );
  }
  return problems;
}

function lastStartingBefore(sorted: readonly Zone[], position: number): Zone | undefined {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle]?.start ?? 0) < position) low = middle + 1;
    else high = middle;
  }
  return sorted[low - 1];
}

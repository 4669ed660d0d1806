/**
 * Reads that do not commit. They may meet a compute that another has replaced and that has not heard of it, so what they
 * find may be old; how many did is a figure. What they may not find is a value that nobody had asked to be written.
 */
import type { PlainRead } from './clients';
import { INITIAL_VALUE, type RegisterOperation } from './register-history';

export function judgePlainReads(
  histories: ReadonlyMap<number, readonly RegisterOperation[]>,
  reads: readonly PlainRead[],
): { problems: string[]; staleCount: number } {
  const problems: string[] = [];
  let staleCount = 0;
  for (const [key, history] of histories) {
    const writes = history.filter(({ kind }) => kind === 'write');
    const byValue = new Map(writes.map((write) => [write.value, write]));
    const replaced = newestAcknowledged(writes);
    for (const read of reads) {
      if (read.key !== key) continue;
      const write = byValue.get(read.value);
      if (write === undefined ? read.value !== INITIAL_VALUE : write.invokedAt > read.respondedAt)
        problems.push(
          `register ${key}: a plain read at ${read.invokedAt} found ${read.value}, which nobody had written`,
        );
      const respondedAt = write === undefined ? 0 : (write.respondedAt ?? Number.POSITIVE_INFINITY);
      if (replaced(read.invokedAt) > respondedAt) staleCount += 1;
    }
  }
  return { problems, staleCount };
}

/** When the last write was asked for of those that were acknowledged before a position. */
function newestAcknowledged(writes: readonly RegisterOperation[]): (position: number) => number {
  const sorted = writes
    .flatMap(({ invokedAt, respondedAt }) => (respondedAt === null ? [] : [{ invokedAt, respondedAt }]))
    .sort((a, b) => a.respondedAt - b.respondedAt);
  let newest = 0;
  const steps = sorted.map(({ invokedAt, respondedAt }) => {
    newest = Math.max(newest, invokedAt);
    return { respondedAt, newest };
  });
  return (position) => {
    let low = 0;
    let high = steps.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((steps[middle]?.respondedAt ?? 0) < position) low = middle + 1;
      else high = middle;
    }
    return steps[low - 1]?.newest ?? 0;
  };
}

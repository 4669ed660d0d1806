/**
 * Times of commits: microseconds since the Unix epoch, as exact as Postgres records them.
 *
 * @example timestampUs('2024-02-29T12:00:00.123456Z') // 1709208000123456
 */
const FRACTION = /\.(\d+)/;
const FRACTION_DIGITS = 6;

/** Of an ISO 8601 time with an offset. What is finer than a microsecond is cut off: nothing commits in between. */
export function timestampUs(text: string): number {
  const fraction = (FRACTION.exec(text)?.[1] ?? '').slice(0, FRACTION_DIGITS).padEnd(FRACTION_DIGITS, '0');
  return Date.parse(text.replace(FRACTION, '')) * 1000 + Number(fraction);
}

/** To the microsecond: who sends it back gets the same point. */
export function timestampText(us: number): string {
  const fraction = ((us % 1_000_000) + 1_000_000) % 1_000_000;
  const seconds = new Date((us - fraction) / 1000).toISOString().slice(0, -'.000Z'.length);
  return `${seconds}.${String(fraction).padStart(FRACTION_DIGITS, '0')}Z`;
}

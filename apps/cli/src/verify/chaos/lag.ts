/**
 * How far the pageserver is behind what computes write, as compute hosts measure it.
 *
 *   G1  It is never behind by more than twice the bound, whatever happens to it: writing slows down from half of the bound on,
 *       and between two looks of a host a load writes on at full speed.
 */
import type { Installation } from '../../installation';
import { COMPUTE_HOSTS } from '../../stack/services';

/** Small, so that a short load meets it. */
export const INGEST_LAG_BYTES_MAX = 32 * 1024 * 1024;
const ANSWER_TIMEOUT_MS = 2_000;

export class LagWatch {
  largestBytes = 0;
  looks = 0;
  /** Of the looks, those at a compute that wrote more slowly than it could. */
  slowedLooks = 0;
  private isLooking = false;

  constructor(private readonly installation: Installation) {}

  /** Of hosts that answer; while one is asked nobody else is. */
  async look(): Promise<void> {
    if (this.isLooking) return;
    this.isLooking = true;
    const { stack } = this.installation;
    const urls = COMPUTE_HOSTS.slice(0, stack.computeHosts).map(
      (id) => `http://${stack.placeOf(`compute-${id}`).host}:${stack.ports[`compute-${id}-http`]}/metrics`,
    );
    await Promise.all(urls.map((url) => this.lookAt(url).catch(() => undefined)));
    this.isLooking = false;
  }

  private async lookAt(url: string): Promise<void> {
    const response = await fetch(url, { signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS) });
    const text = await response.text();
    this.looks += 1;
    this.largestBytes = Math.max(this.largestBytes, valueIn(text, 'neon_compute_pageserver_lag_bytes'));
    if (valueIn(text, 'neon_compute_wal_slowed_computes') > 0) this.slowedLooks += 1;
  }

  /** G1. */
  get problems(): string[] {
    return this.largestBytes <= 2 * INGEST_LAG_BYTES_MAX
      ? []
      : [`the pageserver was ${this.largestBytes} bytes of WAL behind; the bound is ${INGEST_LAG_BYTES_MAX}`];
  }
}

/** Of a gauge in the text format of Prometheus; 0 while it is not there. */
export function valueIn(text: string, name: string): number {
  const [, value] = new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)`, 'm').exec(text) ?? [];
  return Number(value ?? 0);
}

/** What a run was like for its clients, counted as it goes. */
export class Figures {
  acknowledged = 0;
  failed = 0;
  inDoubt = 0;
  staleReads = 0;
  /** Times in which nothing may be acknowledged. */
  silences = 0;
  readonly errors = new Map<string, number>();
  private readonly latenciesMs: number[] = [];
  private lastAckMs: number | null = null;
  private longestGapMs = 0;

  /** Between this and `pause`, time without an acknowledgement counts. */
  begin(nowMs: number): void {
    this.lastAckMs = nowMs;
  }

  acknowledge(nowMs: number, latencyMs: number): void {
    this.acknowledged += 1;
    this.latenciesMs.push(latencyMs);
    this.endGap(nowMs);
    this.lastAckMs = nowMs;
  }

  pause(nowMs: number): void {
    this.endGap(nowMs);
    this.lastAckMs = null;
  }

  private endGap(nowMs: number): void {
    if (this.lastAckMs !== null) this.longestGapMs = Math.max(this.longestGapMs, nowMs - this.lastAckMs);
  }

  count(error: string): void {
    this.errors.set(error, (this.errors.get(error) ?? 0) + 1);
  }

  get longestUnavailabilityMs(): number {
    return this.longestGapMs;
  }

  /** @param fraction 0.5 for the median */
  latencyMs(fraction: number): number {
    const sorted = Float64Array.from(this.latenciesMs).sort();
    return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * fraction))] ?? 0;
  }
}

/** One measured figure, beside a peer measured in the same run where there is one. */
export interface Row {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** What it is compared with, and what that gave. */
  readonly peer?: { readonly name: string; readonly value: number };
  /** value / peer for rates (more is better), peer / value for durations: above 1 we are better. */
  readonly ratio?: number;
}

export interface Suite {
  readonly name: string;
  readonly what: string;
  run(report: (line: string) => void): Promise<Row[]>;
}

export const rate = (name: string, value: number, unit: string, peer?: { name: string; value: number }): Row => ({
  name,
  value,
  unit,
  ...(peer === undefined ? {} : { peer, ratio: value / peer.value }),
});

export const duration = (name: string, value: number, peer?: { name: string; value: number }): Row => ({
  name,
  value,
  unit: 'ms',
  ...(peer === undefined ? {} : { peer, ratio: peer.value / value }),
});

/** The value below which `fraction` of the samples lie. */
export function percentile(samples: readonly number[], fraction: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * fraction))] ?? NaN;
}

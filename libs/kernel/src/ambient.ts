/** Time and chance, as ports: a core that needs them is handed them. */
export abstract class Clock {
  /** Milliseconds since the Unix epoch. */
  abstract now(): number;
}

export abstract class Random {
  /** `count` bytes that nobody can guess, or that a seed determines. */
  abstract bytes(count: number): Uint8Array;
}

/** Where a service runs: the address that it listens on and is reached at, and the program, if any, that starts it there. */
export interface Place {
  readonly host: string;
  /** Put before the command; it must become the command, as `nsenter` does, and not stay beside it. */
  readonly launcher: readonly string[];
}

export const THIS_MACHINE: Place = { host: '127.0.0.1', launcher: [] };

/** Work that nobody waits for: run to its end, its failures reported, its end awaited at shutdown. */
export abstract class Background {
  abstract run(name: string, task: () => Promise<void>): void;
}

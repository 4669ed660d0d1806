/**
 * Knows which reads are under way, so that a file is removed only after the last read that might still open it.
 *
 *   G1  `drained` resolves when every read that had begun before it was called has ended.
 */
export class ReadGate {
  private underway = new Set<Promise<unknown>>();

  pass<T>(read: () => Promise<T>): Promise<T> {
    const running = read();
    this.underway.add(running);
    const left = (): void => void this.underway.delete(running);
    running.then(left, left);
    return running;
  }

  async drained(): Promise<void> {
    await Promise.allSettled([...this.underway]);
  }
}

/**
 * Virtual time: callbacks run in order of their time, and in order of their scheduling when times are equal.
 *
 *   S1  Nothing but the sequence of `after` calls decides the order.
 */
interface Event {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

export class Scheduler {
  private readonly heap: Event[] = [];
  private order = 0;
  private currentMs = 0;
  private performed = 0;

  get nowMs(): number {
    return this.currentMs;
  }

  get eventCount(): number {
    return this.performed;
  }

  after(delayMs: number, run: () => void): void {
    this.heap.push({ at: this.currentMs + delayMs, order: this.order++, run });
    this.siftUp(this.heap.length - 1);
  }

  /** Runs until virtual time has reached `endMs` or `done` says so. */
  runUntil(endMs: number, done: () => boolean = () => false): void {
    while (!done()) {
      const next = this.heap[0];
      if (next === undefined || next.at > endMs) break;
      this.removeFirst();
      this.currentMs = next.at;
      this.performed++;
      next.run();
    }
    this.currentMs = Math.max(this.currentMs, done() ? this.currentMs : endMs);
  }

  private isBefore(a: number, b: number): boolean {
    const first = this.heap[a] as Event;
    const second = this.heap[b] as Event;
    return first.at < second.at || (first.at === second.at && first.order < second.order);
  }

  private swap(a: number, b: number): void {
    [this.heap[a], this.heap[b]] = [this.heap[b] as Event, this.heap[a] as Event];
  }

  private siftUp(from: number): void {
    let child = from;
    while (child > 0) {
      const parent = (child - 1) >> 1;
      if (!this.isBefore(child, parent)) return;
      this.swap(child, parent);
      child = parent;
    }
  }

  private removeFirst(): void {
    const last = this.heap.pop();
    if (last === undefined || this.heap.length === 0) return;
    this.heap[0] = last;
    let parent = 0;
    for (;;) {
      const left = 2 * parent + 1;
      const right = left + 1;
      let smallest = parent;
      if (left < this.heap.length && this.isBefore(left, smallest)) smallest = left;
      if (right < this.heap.length && this.isBefore(right, smallest)) smallest = right;
      if (smallest === parent) return;
      this.swap(smallest, parent);
      parent = smallest;
    }
  }
}

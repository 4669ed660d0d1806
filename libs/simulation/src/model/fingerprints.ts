/**
 * The states that were seen, as fingerprints of 64 bits, and how each was reached.
 *
 *   F1  With n states, two share a fingerprint with a probability below n² / 2^65: of 100 million, below 1 in 3,000.
 */
const INITIAL_CAPACITY = 1 << 16;
const LOAD_MAX = 0.6;

export class Fingerprints {
  /** Two words for each slot; a slot of zeros is free. */
  private slots = new Uint32Array(2 * INITIAL_CAPACITY);
  private mask = INITIAL_CAPACITY - 1;
  private parents = new Uint32Array(INITIAL_CAPACITY);
  private steps = new Uint16Array(INITIAL_CAPACITY);
  private size = 0;

  get count(): number {
    return this.size;
  }

  /** Whether the vector is new; if so its number is `count - 1`. `step` is which successor of `parent` it is. */
  add(vector: Int32Array, from: { readonly parent: number; readonly step: number }): boolean {
    let high = 0x9e3779b9;
    let low = 0x85ebca6b;
    for (const word of vector) {
      high = mix(high ^ word, 0xcc9e2d51);
      low = mix(low ^ Math.imul(word, 0x27d4eb2f), 0x1b873593);
    }
    high = finish(high ^ low) >>> 0;
    low = (finish(low) | 1) >>> 0;
    if (!this.insert(high, low)) return false;
    if (this.size === this.parents.length) this.growOrigins();
    this.parents[this.size] = from.parent;
    this.steps[this.size] = from.step;
    this.size++;
    if (this.size > LOAD_MAX * (this.mask + 1)) this.grow();
    return true;
  }

  /** The steps that lead from the first state to the one of this number. */
  path(number: number): number[] {
    const steps: number[] = [];
    for (let at = number; at !== 0; at = this.parents[at] ?? 0) steps.unshift(this.steps[at] ?? 0);
    return steps;
  }

  private insert(high: number, low: number): boolean {
    const { slots, mask } = this;
    for (let slot = high & mask; ; slot = (slot + 1) & mask) {
      const present = slots[2 * slot + 1];
      if (present === 0) {
        slots[2 * slot] = high;
        slots[2 * slot + 1] = low;
        return true;
      }
      if (present === low && slots[2 * slot] === high) return false;
    }
  }

  private grow(): void {
    const former = this.slots;
    this.mask = 2 * this.mask + 1;
    this.slots = new Uint32Array(2 * (this.mask + 1));
    for (let at = 0; at < former.length; at += 2) {
      const low = former[at + 1] ?? 0;
      if (low !== 0) this.insert(former[at] ?? 0, low);
    }
  }

  private growOrigins(): void {
    const parents = new Uint32Array(2 * this.parents.length);
    parents.set(this.parents);
    this.parents = parents;
    const steps = new Uint16Array(2 * this.steps.length);
    steps.set(this.steps);
    this.steps = steps;
  }
}

function mix(hash: number, factor: number): number {
  const product = Math.imul(hash, factor);
  return Math.imul((product << 13) | (product >>> 19), 5) + 0x38495ab5;
}

function finish(hash: number): number {
  let value = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return value ^ (value >>> 16);
}

/**
 * Which mutant is on, and which ones were passed. A copy of this file is part of every instrumented library.
 *
 *   W1  At most one mutant is on.
 *   W2  While nothing is on, `passed` collects the mutants whose place was executed since `collect`, each once, without those
 *       that are to be ignored; its `path` is the same number when the same places were executed and the same conditions held, in
 *       the same order and about as often.
 *   W3  What runs with a mutant on is stopped by an exception after many more loops and calls than anything took without.
 *   W4  Buffers that functions share from call to call hold garbage when something is run with a mutant on: the run before,
 *       without it, left there what the mutant may fail to write. One that holds anything when its library was loaded is a
 *       table, and stays.
 */
const NONE = -1;
/** W3: this many, and this many times as many as the longest run without a mutant took. */
const STEPS_LEAST = 100_000;
const STEPS_FACTOR = 4;
const GARBAGE = 0xa5;

let active = NONE;
let steps = 0;
let longest = 0;
let round = NONE;
let collecting = NONE;
/** By mutant: the last round in which it was passed, and whether it is ignored. */
let passedIn = new Int32Array(0);
let ignored = new Uint8Array(0);
/** By condition, twice each: the last round in which it did not hold, and in which it did. */
let heldIn: number[] = [];
let list: number[] = [];
let path = 0;
let buffers: (Uint8Array | Uint16Array | Uint32Array | Int32Array)[] = [];

let isLoaded = false;

/** To be called when the library is loaded, and before each recording. */
export function setUp(mutantCount: number): void {
  if (!isLoaded) buffers = buffers.filter((buffer) => buffer.every((value) => value === 0));
  isLoaded = true;
  passedIn = new Int32Array(mutantCount).fill(NONE);
  ignored = new Uint8Array(mutantCount);
  heldIn = [];
  longest = 0;
  collecting = round = NONE;
}

export function ignore(id: number): void {
  ignored[id] = 1;
}

/** W2: begins anew. */
export function collect(): void {
  list = [];
  path = 0;
  steps = 0;
  collecting = ++round;
}

/** W2: ends collecting. */
export function passed(): { readonly mutants: readonly number[]; readonly path: number } {
  collecting = NONE;
  longest = Math.max(longest, steps);
  return { mutants: list, path: Math.imul(path, 31) + Math.clz32(steps) };
}

/** At each buffer that is made when a module is loaded. W4 */
export function scratch<T extends Uint8Array | Uint16Array | Uint32Array | Int32Array>(buffer: T): T {
  buffers.push(buffer);
  return buffer;
}

/** W1, W3, W4: runs with a mutant on. */
export function runWith<T>(id: number, run: () => T): T {
  active = id;
  steps = 0;
  for (const buffer of buffers) buffer.fill(GARBAGE);
  try {
    return run();
  } finally {
    active = NONE;
  }
}

/** At each place: whether its mutant is on. */
export function on(id: number): boolean {
  if ((passedIn[id] as number) < collecting) {
    passedIn[id] = collecting;
    path = (Math.imul(path, 31) + id) | 0;
    if (ignored[id] === 0) list.push(id);
  }
  return id === active;
}

/** At each condition: its value. */
export function branch<T>(condition: number, value: T): T {
  const at = condition * 2 + (value ? 1 : 0);
  if ((heldIn[at] ?? NONE) < collecting) {
    heldIn[at] = collecting;
    path = (Math.imul(path, 31) + at) | 0;
  }
  return value;
}

/** At each loop's turn and each call. */
export function step(): void {
  if (++steps > STEPS_LEAST + STEPS_FACTOR * longest && active !== NONE) throw new Error('does not end');
}

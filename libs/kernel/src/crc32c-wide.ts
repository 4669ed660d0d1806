/**
 * CRC-32C sixteen bytes at a time (slicing-by-16), as a WebAssembly function put together here: its memory needs no bounds
 * checks and its loads no alignment, which makes it near twice as fast as the same loop in JavaScript.
 *
 * Its memory: sixteen tables of 256 words, then the bytes to sum.
 */
const SLICES = 16;
const TABLE_SIZE = 256 * 4;
const MEMORY_SIZE = 65_536;
const BYTES_AT = SLICES * TABLE_SIZE;
const BYTES_MAX = MEMORY_SIZE - BYTES_AT;

/** The part of the WebAssembly API that is used here. */
declare const WebAssembly: {
  readonly Module: new (code: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: unknown };
};
interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer };
  /** Sums the bytes of memory from `at` to `end`, a whole number of sixteens. */
  sum(running: number, at: number, end: number): number;
}

const Op = {
  BLOCK: 0x02,
  LOOP: 0x03,
  END: 0x0b,
  BRANCH: 0x0c,
  BRANCH_IF: 0x0d,
  GET: 0x20,
  SET: 0x21,
  LOAD: 0x28,
  CONST: 0x41,
  GREATER_OR_EQUAL: 0x4f,
  ADD: 0x6a,
  AND: 0x71,
  XOR: 0x73,
  SHIFT_LEFT: 0x74,
  SHIFT_RIGHT: 0x76,
} as const;
const I32 = 0x7f;
const FUNCTION = 0x60;
const NO_RESULT = 0x40;
/** The three parameters, then a local. */
const Local = { RUNNING: 0, AT: 1, END: 2, WORD: 3 } as const;

/** LEB128, unsigned. */
function unsigned(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)];
}
/** LEB128, signed, of a number that is not negative. */
function constant(value: number): number[] {
  return value < 0x40 ? [Op.CONST, value] : [Op.CONST, (value & 0x7f) | 0x80, ...constant(value >>> 7).slice(1)];
}
const section = (id: number, ...content: number[]): number[] => [id, ...unsigned(content.length), ...content];
const text = (name: string): number[] => [name.length, ...new TextEncoder().encode(name)];
const load = (offset: number): number[] => [Op.LOAD, 0, ...unsigned(offset)];

/** What byte `index` of a word contributes: its entry in the table of the bytes that follow it among the sixteen. */
function lookUp(word: number, index: number): number[] {
  const shift = index === 0 ? [...constant(2), Op.SHIFT_LEFT] : [...constant(8 * index - 2), Op.SHIFT_RIGHT];
  const table = SLICES - 1 - (4 * word + index);
  return [Op.GET, Local.WORD, ...shift, ...constant(0xff << 2), Op.AND, ...load(table * TABLE_SIZE)];
}

function sumOfWord(word: number): number[] {
  const value = [Op.GET, Local.AT, ...load(4 * word)];
  const running = word === 0 ? [Op.GET, Local.RUNNING, Op.XOR] : [];
  const lookUps = [0, 1, 2, 3].flatMap((index) => [...lookUp(word, index), ...(index === 0 ? [] : [Op.XOR])]);
  return [...value, ...running, Op.SET, Local.WORD, ...lookUps];
}

/** The word that needs the sum so far comes last: the other twelve look-ups need not wait for it. */
const LOOP_BODY = [
  ...[Op.GET, Local.AT, Op.GET, Local.END, Op.GREATER_OR_EQUAL, Op.BRANCH_IF, 1],
  ...[1, 2, 3, 0].flatMap((word, nth) => [...sumOfWord(word), ...(nth === 0 ? [] : [Op.XOR])]),
  ...[Op.SET, Local.RUNNING],
  ...[Op.GET, Local.AT, ...constant(SLICES), Op.ADD, Op.SET, Local.AT, Op.BRANCH, 0],
];
const BODY = [
  ...[1, 1, I32],
  ...[Op.BLOCK, NO_RESULT, Op.LOOP, NO_RESULT, ...LOOP_BODY, Op.END, Op.END],
  ...[Op.GET, Local.RUNNING, Op.END],
];
const CODE = [
  ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
  ...section(1, 1, FUNCTION, 3, I32, I32, I32, 1, I32),
  ...section(3, 1, 0),
  ...section(5, 1, 0, MEMORY_SIZE / 65_536),
  ...section(7, 2, ...text('memory'), 2, 0, ...text('sum'), 0, 0),
  ...section(10, 1, ...unsigned(BODY.length), ...BODY),
];

/** Continues a running (inverted) checksum over `bytes[start, end)`; a rest below sixteen bytes is left to the caller. */
export type WideExtend = (running: number, bytes: Uint8Array, start: number, end: number) => number;

/** @param tables sixteen tables of 256 words: the k-th advances a byte by k further zero bytes */
export function wideExtend(tables: Uint32Array): WideExtend {
  const { memory, sum } = new WebAssembly.Instance(new WebAssembly.Module(Uint8Array.from(CODE))).exports as Exports;
  const view = new DataView(memory.buffer);
  tables.forEach((word, index) => view.setUint32(index * 4, word, true));
  const room = new Uint8Array(memory.buffer, BYTES_AT, BYTES_MAX);
  return (running, bytes, start, end) => {
    let sumSoFar = running;
    const wideEnd = end - ((end - start) % SLICES);
    for (let at = start; at < wideEnd; at += BYTES_MAX) {
      const size = Math.min(BYTES_MAX, wideEnd - at);
      room.set(bytes.subarray(at, at + size));
      sumSoFar = sum(sumSoFar, BYTES_AT, BYTES_AT + size);
    }
    return sumSoFar;
  };
}

/** Changes to bytes that know nothing of what the bytes mean. */
import type { RandomSource } from '../workload/random-source';

/** Values at which counts, offset numbers, lengths and flags change their meaning. */
const U16: readonly [number, ...number[]] = [
  0, 1, 2, 3, 0x7f, 0x80, 0xff, 0x100, 291, 292, 0x7fff, 0x8000, 0xfffe, 0xffff,
];
const U32: readonly [number, ...number[]] = [
  0, 1, 2, 0xff, 8191, 8192, 0xffff, 0x1_0000, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff,
];

type Mutation = (bytes: Uint8Array, random: RandomSource) => void;

const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

const flipBit: Mutation = (bytes, random) => {
  const at = random.below(bytes.length);
  bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
};

const setByte: Mutation = (bytes, random) => {
  bytes[random.below(bytes.length)] = random.below(256);
};

const nudgeByte: Mutation = (bytes, random) => {
  const at = random.below(bytes.length);
  bytes[at] = (bytes[at] ?? 0) + random.pick([1, -1, 2, -2, 8, -8]);
};

const setU16: Mutation = (bytes, random) => {
  if (bytes.length >= 2) view(bytes).setUint16(random.below(bytes.length - 1) & ~1, random.pick(U16), true);
};

const setU32: Mutation = (bytes, random) => {
  if (bytes.length >= 4) view(bytes).setUint32(random.below(bytes.length - 3) & ~1, random.pick(U32), true);
};

const copyWithin: Mutation = (bytes, random) => {
  const from = random.below(bytes.length);
  bytes.copyWithin(random.below(bytes.length), from, from + 1 + random.below(32));
};

const fill: Mutation = (bytes, random) => {
  const from = random.below(bytes.length);
  bytes.fill(random.pick([0, 0xff, random.below(256)]), from, from + 1 + random.below(16));
};

const MUTATIONS: readonly [Mutation, ...Mutation[]] = [
  flipBit,
  setByte,
  nudgeByte,
  setU16,
  setU16,
  setU32,
  copyWithin,
  fill,
];

/** Changes a few bytes in place; the first ones, where fields lie, more often than the rest. */
export function mutateInPlace(bytes: Uint8Array, random: RandomSource): void {
  if (bytes.length === 0) return;
  for (let count = 1 + random.below(3); count > 0; count--) {
    const reach = random.pick([bytes.length, Math.min(bytes.length, 24), Math.min(bytes.length, 8)]);
    random.pick(MUTATIONS)(bytes.subarray(0, reach), random);
  }
}

/** A changed copy, which may have lost or gained bytes. */
export function mutated(bytes: Uint8Array, random: RandomSource): Uint8Array {
  const at = random.below(bytes.length + 1);
  switch (random.below(6)) {
    case 0:
      return bytes.slice(0, at);
    case 1: {
      const gone = 1 + random.below(16);
      return Uint8Array.from([...bytes.subarray(0, at), ...bytes.subarray(at + gone)]);
    }
    case 2: {
      const added = Array.from({ length: 1 + random.below(16) }, () => random.below(256));
      return Uint8Array.from([...bytes.subarray(0, at), ...added, ...bytes.subarray(at)]);
    }
    default: {
      const copy = bytes.slice();
      mutateInPlace(copy, random);
      return copy;
    }
  }
}

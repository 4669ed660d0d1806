/**
 * Which keys a block certainly does not hold: a Bloom filter over key hashes (10 bits a key, 6 probes: under 1 % false).
 *
 * Stored inside layer files: neither the hash nor the probing ever changes.
 */
import { type Prefix, PREFIX_SIZE } from '../key/key';

const BITS_PER_KEY = 10;
const PROBES = 6;

export interface KeyHash {
  readonly first: number;
  readonly second: number;
}

export function keyHash(prefix: Prefix, index: number): KeyHash {
  let hash = 0x811c_9dc5;
  for (let i = 0; i < PREFIX_SIZE; i++) hash = Math.imul(hash ^ prefix.charCodeAt(i), 0x0100_0193);
  const first = mix(hash ^ Math.imul(index, 0x9e37_79b1));
  return { first, second: mix(first ^ 0x5bd1_e995 ^ index) | 1 };
}

function mix(value: number): number {
  let x = value;
  x = Math.imul(x ^ (x >>> 16), 0x85eb_ca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2_ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

export function buildBloom(hashes: readonly KeyHash[]): Uint8Array {
  const bits = new Uint8Array(Math.max(8, Math.ceil((hashes.length * BITS_PER_KEY) / 8)));
  for (const hash of hashes)
    for (let probe = 0; probe < PROBES; probe++) {
      const bit = bitOf(hash, probe, bits.length * 8);
      bits[bit >>> 3] = (bits[bit >>> 3] as number) | (1 << (bit & 7));
    }
  return bits;
}

export function mayHold(bits: Uint8Array, hash: KeyHash): boolean {
  for (let probe = 0; probe < PROBES; probe++) {
    const bit = bitOf(hash, probe, bits.length * 8);
    if (((bits[bit >>> 3] as number) & (1 << (bit & 7))) === 0) return false;
  }
  return true;
}

const bitOf = (hash: KeyHash, probe: number, bitCount: number): number =>
  ((hash.first + Math.imul(probe, hash.second)) >>> 0) % bitCount;

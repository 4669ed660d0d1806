import type { Random } from '@neon/kernel';

/** A random UUID (version 4) from 16 bytes of `random`. */
export function uuid(random: Random): string {
  const hex = Array.from(random.bytes(16), (byte, index) => {
    const marked = index === 6 ? (byte & 0x0f) | 0x40 : index === 8 ? (byte & 0x3f) | 0x80 : byte;
    return marked.toString(16).padStart(2, '0');
  }).join('');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/**
 * Reading and writing of fixed-width values in a byte string, big-endian unless a method says `Le`.
 *
 *   B1  A read past the end throws `ByteReadError`; no read ever returns bytes from outside the given range.
 *   B2  A writer grows; what it returns by `finish` is exactly what was written.
 */
import { Lsn } from './lsn';

export class ByteReadError extends Error {
  override readonly name = 'ByteReadError';
}

const WORD = 0x1_0000_0000;
const textDecoder = new TextDecoder('utf-8', { fatal: true });
const textEncoder = new TextEncoder();

/** A copy of its own, whatever Node hands over: `slice` of a Buffer is a view of the same memory. */
export const copyOf = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes);

export class ByteReader {
  private readonly view: DataView;
  private position = 0;

  constructor(private readonly source: Uint8Array) {
    this.view = new DataView(source.buffer, source.byteOffset, source.byteLength);
  }

  get remaining(): number {
    return this.source.length - this.position;
  }

  private take(byteCount: number): number {
    if (byteCount < 0 || byteCount > this.remaining)
      throw new ByteReadError(`need ${byteCount} bytes, have ${this.remaining}`);
    const at = this.position;
    this.position += byteCount;
    return at;
  }

  u8(): number {
    return this.view.getUint8(this.take(1));
  }
  u16(): number {
    return this.view.getUint16(this.take(2));
  }
  u32(): number {
    return this.view.getUint32(this.take(4));
  }
  u64(): bigint {
    return this.view.getBigUint64(this.take(8));
  }
  /** A 64-bit value that must fit a safe integer. Without a `bigint`: every message of the WAL path has several. */
  safeU64(): number {
    const at = this.take(8);
    const value = this.view.getUint32(at) * WORD + this.view.getUint32(at + 4);
    if (value > Number.MAX_SAFE_INTEGER)
      throw new ByteReadError(`64-bit value out of range: ${this.view.getBigUint64(at)}`);
    return value;
  }
  lsn(): Lsn {
    return Lsn.of(this.safeU64());
  }
  /** A view, not a copy. */
  bytes(byteCount: number): Uint8Array {
    const at = this.take(byteCount);
    return this.source.subarray(at, at + byteCount);
  }
  rest(): Uint8Array {
    return this.bytes(this.remaining);
  }
  /** Text preceded by its length in bytes as u32. */
  text(): string {
    const bytes = this.bytes(this.u32());
    try {
      return textDecoder.decode(bytes);
    } catch {
      throw new ByteReadError('text is not UTF-8');
    }
  }
  /** @throws ByteReadError when bytes are left over. */
  end(): void {
    if (this.remaining > 0) throw new ByteReadError(`${this.remaining} bytes left over`);
  }
}

export class ByteWriter {
  private buffer: Uint8Array;
  private view: DataView;
  private length = 0;

  constructor(sizeHint = 256) {
    this.buffer = new Uint8Array(sizeHint);
    this.view = new DataView(this.buffer.buffer);
  }

  private grow(byteCount: number): number {
    const at = this.length;
    const needed = at + byteCount;
    if (needed > this.buffer.length) {
      const larger = new Uint8Array(Math.max(needed, this.buffer.length * 2));
      larger.set(this.buffer.subarray(0, at));
      this.buffer = larger;
      this.view = new DataView(larger.buffer);
    }
    this.length = needed;
    return at;
  }

  u8(value: number): this {
    const at = this.grow(1);
    this.view.setUint8(at, value);
    return this;
  }
  u16(value: number): this {
    const at = this.grow(2);
    this.view.setUint16(at, value);
    return this;
  }
  u32(value: number): this {
    const at = this.grow(4);
    this.view.setUint32(at, value);
    return this;
  }
  u64(value: bigint | number): this {
    const at = this.grow(8);
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) {
      this.view.setUint32(at, Math.floor(value / WORD));
      this.view.setUint32(at + 4, value % WORD);
    } else this.view.setBigUint64(at, BigInt(value));
    return this;
  }
  bytes(value: Uint8Array): this {
    const at = this.grow(value.length);
    this.buffer.set(value, at);
    return this;
  }
  /** Text preceded by its length in bytes as u32. */
  text(value: string): this {
    const encoded = textEncoder.encode(value);
    return this.u32(encoded.length).bytes(encoded);
  }
  finish(): Uint8Array {
    return this.buffer.subarray(0, this.length);
  }
}

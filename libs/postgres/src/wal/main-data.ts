/**
 * Reads a record's main data field by field, in order.
 *
 *   M1  No read reaches beyond the main data: it throws `WalError` instead.
 */
import { Lsn } from '@neon/kernel';
import { readU16, readU32 } from '../page/little-endian';
import { readI64, readU64 } from './layout';
import type { RelationId, WalRecord } from './record';
import { WalError } from './wal-error';

export class MainDataReader {
  private readonly bytes: Uint8Array;
  private at: number;
  private readonly end: number;

  constructor(private readonly record: WalRecord) {
    this.bytes = record.bytes;
    this.at = record.mainOffset;
    this.end = record.mainOffset + record.mainLength;
  }

  get remaining(): number {
    return this.end - this.at;
  }

  u8(): number {
    return this.bytes[this.take(1)] as number;
  }

  u16(): number {
    return readU16(this.bytes, this.take(2));
  }

  u32(): number {
    return readU32(this.bytes, this.take(4));
  }

  i64(): number {
    return readI64(this.bytes, this.take(8));
  }

  /** A value that is not ours and may be anything, such as an LSN of another cluster. */
  u64(): bigint {
    return BigInt(this.u32()) | (BigInt(this.u32()) << 32n);
  }

  /** @throws WalError beyond 2^53, where no LSN we know can be. */
  lsn(): Lsn {
    const value = readU64(this.bytes, this.take(8));
    if (!Number.isSafeInteger(value)) throw this.error(`LSN out of range: ${value.toString(16)}`);
    return Lsn.of(value);
  }

  relation(): RelationId {
    return { tablespaceOid: this.u32(), databaseOid: this.u32(), relationNumber: this.u32() };
  }

  /** An array preceded by its length as a u32. */
  u32Array(): Uint32Array {
    return this.u32s(this.u32());
  }

  u32s(count: number): Uint32Array {
    const at = this.take(count * 4);
    const values = new Uint32Array(count);
    for (let i = 0; i < count; i++) values[i] = readU32(this.bytes, at + i * 4);
    return values;
  }

  relations(count: number): RelationId[] {
    if (count * 12 > this.remaining) throw this.error(`${count} relations do not fit ${this.remaining} bytes`);
    return Array.from({ length: count }, () => this.relation());
  }

  /** A view. */
  slice(byteCount: number): Uint8Array {
    const at = this.take(byteCount);
    return this.bytes.subarray(at, at + byteCount);
  }

  skip(byteCount: number): void {
    this.take(byteCount);
  }

  /** Past a text that ends with a zero byte. */
  skipText(): void {
    while (this.u8() !== 0);
  }

  private take(byteCount: number): number {
    const at = this.at;
    if (byteCount > this.end - at) throw this.error(`main data ends before ${byteCount} bytes at ${at}`);
    this.at += byteCount;
    return at;
  }

  private error(message: string): WalError {
    return new WalError('record-content', this.record.lsn, message);
  }
}

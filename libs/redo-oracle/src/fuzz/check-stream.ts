/** V1 and V2 of `violation`, for the decoder and the boundary tracker. */
import { Lsn } from '@neon/kernel';
import { WalBoundaryTracker, WalDecoder, WalError, recordBytes, type WalRecord } from '@neon/postgres';
import type { StreamInput } from './input';
import { Violation, poisoned, require, sameBytes } from './violation';

interface Found {
  readonly records: readonly WalRecord[];
  readonly endLsn: Lsn;
  readonly error: WalError | null;
}

/** Sizes of pieces to push; a stream in single bytes only when that is soon done. */
const PIECES = [1, 7, 100, 8191] as const;
const SINGLE_BYTES_MAX = 4096;

export function checkStream(input: StreamInput): void {
  const { bytes } = input;
  const before = bytes.slice();
  const whole = decode(input, poisoned(bytes, 0xff), bytes.length);
  for (const size of PIECES) {
    if (size === 1 && bytes.length > SINGLE_BYTES_MAX) continue;
    const pieces = decode(input, poisoned(bytes, 0x01), size);
    require(equal(whole, pieces), () => `V2: in pieces of ${size}: ${show(pieces)}, at once: ${show(whole)}`);
  }
  require(sameBytes(before, bytes), () => 'V2: the decoder changed its input');
  const cut = decode(input, bytes.subarray(0, Math.floor(bytes.length / 2)), bytes.length);
  require(isPrefix(cut, whole), () => `V2: half of it: ${show(cut)}, all: ${show(whole)}`);
  checkTracker(input, whole);
}

function decode({ major, segmentSize, startLsn }: StreamInput, bytes: Uint8Array, size: number): Found {
  const decoder = new WalDecoder({ major, segmentSize, startLsn });
  const records = [];
  try {
    for (let at = 0; at < bytes.length; at += size) {
      decoder.push(bytes.subarray(at, at + size));
      for (let record = decoder.next(); record !== null; record = decoder.next()) records.push(record);
    }
  } catch (error) {
    if (!(error instanceof WalError)) throw new Violation(`V1: decoder: ${String(error)}`, { cause: error });
    require(staysFailed(decoder, error), () => 'V2: the decoder went on after an error');
    return { records, endLsn: decoder.endLsn, error };
  }
  return { records, endLsn: decoder.endLsn, error: null };
}

function staysFailed(decoder: WalDecoder, error: WalError): boolean {
  try {
    decoder.next();
    return false;
  } catch (again) {
    return again === error;
  }
}

const equal = (a: Found, b: Found): boolean =>
  a.records.length === b.records.length && isPrefix(a, b) && a.endLsn === b.endLsn && sameError(a.error, b.error);

const isPrefix = (a: Found, b: Found): boolean =>
  a.records.every((record, i) => {
    const other = b.records[i];
    if (record.lsn !== other?.lsn || record.endLsn !== other.endLsn) return false;
    return sameBytes(recordBytes(record), recordBytes(other));
  });

const sameError = (a: WalError | null, b: WalError | null): boolean =>
  a?.reason === b?.reason && a?.lsn === b?.lsn && a?.message === b?.message;

const show = ({ records, endLsn, error }: Found): string =>
  `${records.length} records to ${Lsn.format(endLsn)}, ${error === null ? 'no error' : `${error.reason} ${error.message}`}`;

/** The tracker does not look into records: it may go on where the decoder found one's content wrong. */
function checkTracker({ major, segmentSize, startLsn, bytes }: StreamInput, decoded: Found): void {
  const tracker = new WalBoundaryTracker({ major, segmentSize, startLsn });
  let error: WalError | null = null;
  try {
    tracker.push(bytes);
  } catch (thrown) {
    if (!(thrown instanceof WalError)) throw new Violation(`V1: tracker: ${String(thrown)}`, { cause: thrown });
    error = thrown;
  }
  const agrees =
    decoded.error?.reason === 'record-content'
      ? tracker.endLsn >= decoded.endLsn
      : tracker.endLsn === decoded.endLsn && sameError(error, decoded.error);
  require(agrees, () => `V2: the tracker ends at ${Lsn.format(tracker.endLsn)}, the decoder: ${show(decoded)}`);
}

/**
 * Where a delta comes from, in words: for messages about deltas that cannot be applied.
 *
 *   D1  Any bytes have a description: whoever asks is reporting an error already.
 *
 * @example describeDelta(delta, { endLsn, major }) // 'Heap/INSERT at 0/1500028'
 */
import { Lsn } from '@neon/kernel';
import type { PostgresMajor } from '../wal/record';
import { DeltaKind } from './delta';
import { describeRecordDelta } from './record-delta';

const NAMES = new Map<number | undefined, string>(Object.entries(DeltaKind).map(([name, kind]) => [kind, name]));

export function describeDelta(
  delta: Uint8Array,
  context: { readonly endLsn: Lsn; readonly major: PostgresMajor },
): string {
  const [kind] = delta;
  const ofRecord = kind === DeltaKind.RECORD ? describeRecordDelta(delta, context) : null;
  if (ofRecord !== null) return ofRecord;
  const name = NAMES.get(kind) ?? `kind ${kind ?? '(empty)'}`;
  return `delta ${name} of the record that ends at ${Lsn.format(context.endLsn)}`;
}

/** What several SPGist records have in common. */
import { readU32 } from '../page/little-endian';
import { SpgistFlag, TupleState, remains, type Remains } from '../page/spgist-page';
import type { WalRecord } from '../wal/record';

export const mainEnd = ({ mainOffset, mainLength }: WalRecord): number => mainOffset + mainLength;

export const leafFlags = (storesNulls: boolean): number =>
  storesNulls ? SpgistFlag.LEAF | SpgistFlag.NULLS : SpgistFlag.LEAF;

/**
 * What a moved tuple leaves behind. spgxlogState, at `stateAt`: redirectXid, isBuild; while the index is built no scan can
 * be on its way, and no redirect is needed.
 */
export function movedRemains(bytes: Uint8Array, stateAt: number, target: Remains['target']): Remains {
  const isBuild = bytes[stateAt + 4] !== 0;
  if (isBuild) return remains(TupleState.PLACEHOLDER);
  return { state: TupleState.REDIRECT, target, redirectXid: readU32(bytes, stateAt) };
}

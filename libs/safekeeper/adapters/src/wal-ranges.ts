/**
 * WAL by range, for other safekeepers.
 *
 *   WR1  Only what is durable here in the term that was named is told, and only while that term lasts; without a term, only what is
 *        committed.
 *   WR2  Memory is bounded: a range is read piece by piece, and is no longer than the contract says.
 *   WR3  A range below the timeline's start is refused, archive or not: there never was such WAL.
 */
import { createHash } from 'node:crypto';
import { AcceptorState } from '@neon/consensus';
import { Lsn, Refusal, type Term } from '@neon/kernel';
import { DIGEST_SIZE_MAX, WAL_PIECE_SIZE_MAX } from '@neon/safekeeper-contract';
import type { LogRange, Timeline } from '@neon/safekeeper-core';

export interface WalRange extends LogRange {
  readonly term?: Term | undefined;
}

/** The range, or its beginning. @throws Refusal `RangeNotHere`, `WalTrimmed`; Unavailable */
export async function walPiece(timeline: Timeline, range: WalRange): Promise<Uint8Array> {
  check(timeline, range, Infinity);
  const endLsn = Lsn.min(range.endLsn, Lsn.advance(range.startLsn, WAL_PIECE_SIZE_MAX));
  const pieces: Uint8Array[] = [];
  for await (const bytes of piecesOf(timeline, { ...range, endLsn })) pieces.push(bytes);
  return Buffer.concat(pieces);
}

/** SHA-256 of exactly the range, in hexadecimal. @throws Refusal `RangeNotHere`, `WalTrimmed`; Unavailable */
export async function walDigest(timeline: Timeline, range: WalRange): Promise<string> {
  check(timeline, range, DIGEST_SIZE_MAX);
  const hash = createHash('sha256');
  for await (const bytes of piecesOf(timeline, range)) hash.update(bytes);
  return hash.digest('hex');
}

async function* piecesOf(timeline: Timeline, { startLsn, endLsn, term }: WalRange): AsyncGenerator<Uint8Array> {
  for (let lsn = startLsn; lsn < endLsn;) {
    const bytes = await timeline.read(lsn, endLsn, term);
    yield bytes;
    lsn = Lsn.advance(lsn, bytes.length);
  }
}

function check(timeline: Timeline, { startLsn, endLsn, term }: WalRange, sizeMax: number): void {
  const readableLsn = timeline.readableLsn(term);
  const firstLsn = AcceptorState.startLsn(timeline.state);
  const asked = `WAL of [${Lsn.format(startLsn)}, ${Lsn.format(endLsn)}) was asked for`;
  if (startLsn < firstLsn)
    throw new Refusal('RangeNotHere', `${asked}: WAL of this timeline begins at ${Lsn.format(firstLsn)}`);
  timeline.requireKept(startLsn);
  if (startLsn >= endLsn || endLsn > readableLsn || endLsn - startLsn > sizeMax)
    throw new Refusal(
      'RangeNotHere',
      `${asked}: here is [${Lsn.format(timeline.firstLsn)}, ${Lsn.format(readableLsn)})`,
    );
}

/**
 * A layer file as the layer map knows it: what it covers, not what it holds.
 *
 *   A delta layer holds every version with an LSN in (startLsn, endLsn] of the keys in its range.
 *   An image layer holds images valid at startLsn = endLsn of some keys in its range; for a key that it lacks, reading
 *   goes on below it.
 *
 * The file's name says all of it, so that a directory listing reads like the map:
 *   `<d0|d1|im>_<startLsn>-<endLsn>_<first key>-<last key>_<sequence>`, numbers in hexadecimal.
 */
import { Lsn } from '@neon/kernel';
import { type KeyRange, keyHex, parseKeyHex } from '../key/key';

export interface Layer {
  readonly kind: 'delta' | 'image';
  /** Delta layers before (0) and after (1) compaction; images are 1. */
  readonly level: 0 | 1;
  readonly range: KeyRange;
  readonly startLsn: Lsn;
  readonly endLsn: Lsn;
  readonly sizeBytes: number;
  /** Unique within its timeline, and never used again. */
  readonly sequence: number;
}

const hexLsn = (lsn: Lsn): string => lsn.toString(16).padStart(16, '0');
const TAGS = { d0: ['delta', 0], d1: ['delta', 1], im: ['image', 1] } as const;
const NAME = /^(d0|d1|im)_([0-9a-f]{16})-([0-9a-f]{16})_([0-9a-f]{36})-([0-9a-f]{36})_([0-9a-f]{8})$/;

export function layerName(layer: Omit<Layer, 'sizeBytes'>): string {
  const tag = layer.kind === 'image' ? 'im' : layer.level === 0 ? 'd0' : 'd1';
  const sequence = layer.sequence.toString(16).padStart(8, '0');
  return `${tag}_${hexLsn(layer.startLsn)}-${hexLsn(layer.endLsn)}_${keyHex(layer.range.first)}-${keyHex(layer.range.last)}_${sequence}`;
}

/** @throws SyntaxError when `name` is not a layer's. */
export function parseLayerName(name: string, sizeBytes: number): Layer {
  const match = NAME.exec(name);
  if (match === null) throw new SyntaxError(`not a layer name: ${JSON.stringify(name)}`);
  const [, tag = '', start = '', end = '', first = '', last = '', sequence = ''] = match;
  const [kind, level] = TAGS[tag as keyof typeof TAGS];
  return {
    kind,
    level,
    range: { first: parseKeyHex(first), last: parseKeyHex(last) },
    startLsn: Lsn.of(parseInt(start, 16)),
    endLsn: Lsn.of(parseInt(end, 16)),
    sizeBytes,
    sequence: parseInt(sequence, 16),
  };
}

export const isLayerName = (name: string): boolean => NAME.test(name);

/**
 * Which layer lies on top at each key: a persistent map from keys to layers, cut into intervals.
 *
 *   C1  `cover(root, range, layer)` answers a map in which every key of the range has `layer` and every other key is as before.
 *   C2  Nothing is changed in place: an older root stays what it was. Both operations take O(log n) expected time.
 *
 * It is a treap whose nodes are the beginnings of intervals; priorities come from a hash of the key, so equal contents
 * have equal shapes.
 */
import { type Key, type KeyRange, INDEX_MAX, PREFIX_SIZE, type Prefix, compareKeys } from '../key/key';
import type { Layer } from './layer';

interface Node {
  readonly start: Key;
  readonly priority: number;
  /** What covers the keys from `start` to the next node's start; null: nothing. */
  readonly layer: Layer | null;
  readonly left: Coverage;
  readonly right: Coverage;
}
export type Coverage = Node | null;

export const EMPTY_COVERAGE: Coverage = null;

function priorityOf(key: Key): number {
  let hash = 0x811c_9dc5 ^ key.index;
  for (let i = 0; i < PREFIX_SIZE; i++) hash = Math.imul(hash ^ key.prefix.charCodeAt(i), 0x0100_0193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
  return (hash ^ (hash >>> 13)) >>> 0;
}

/** The layer that covers `key`. */
export function coveringLayer(root: Coverage, key: Key): Layer | null {
  let found: Layer | null = null;
  for (let node = root; node !== null;) {
    if (compareKeys(node.start, key) <= 0) {
      found = node.layer;
      node = node.right;
    } else node = node.left;
  }
  return found;
}

export function cover(root: Coverage, range: KeyRange, layer: Layer): Coverage {
  const after = keyAfter(range.last);
  const beyond = after === null ? null : coveringLayer(root, after);
  const [before, rest] = split(root, range.first);
  const above = after === null ? null : split(rest, after)[1];
  const begin = leaf(range.first, layer);
  // The interval that the range's end cuts in two goes on with what it had.
  const cut = after === null || smallestIs(above, after) ? null : leaf(after, beyond);
  return join(join(before, begin), join(cut, above));
}

const leaf = (start: Key, layer: Layer | null): Node => ({
  start,
  priority: priorityOf(start),
  layer,
  left: null,
  right: null,
});

function smallestIs(root: Coverage, key: Key): boolean {
  let node = root;
  while (node !== null && node.left !== null) node = node.left;
  return node !== null && compareKeys(node.start, key) === 0;
}

/** The nodes that start before `key`, and the rest. */
function split(root: Coverage, key: Key): [Coverage, Coverage] {
  if (root === null) return [null, null];
  if (compareKeys(root.start, key) < 0) {
    const [low, high] = split(root.right, key);
    return [{ ...root, right: low }, high];
  }
  const [low, high] = split(root.left, key);
  return [low, { ...root, left: high }];
}

/** Every key of `left` is before every key of `right`. */
function join(left: Coverage, right: Coverage): Coverage {
  if (left === null) return right;
  if (right === null) return left;
  if (left.priority >= right.priority) return { ...left, right: join(left.right, right) };
  return { ...right, left: join(left, right.left) };
}

/** The key that follows in the order of all possible keys; null after the last one. */
function keyAfter(key: Key): Key | null {
  if (key.index < INDEX_MAX) return { prefix: key.prefix, index: key.index + 1 };
  for (let i = PREFIX_SIZE - 1; i >= 0; i--) {
    const byte = key.prefix.charCodeAt(i);
    if (byte === 255) continue;
    const prefix = key.prefix.slice(0, i) + String.fromCharCode(byte + 1) + '\0'.repeat(PREFIX_SIZE - 1 - i);
    return { prefix: prefix as Prefix, index: 0 };
  }
  return null;
}

/**
 * Names of objects.
 *
 *   N1  A key is segments joined by `/`: of letters, digits and `._-+=@,:!'()*`, none of them empty, `.` or `..`. Every S3 server and
 *       every file system takes these as they are; encodings are where servers differ.
 *   N2  A key may be the beginning of another one: `a` and `a/b` are two objects.
 *   N3  A prefix is any beginning of a key, in the middle of a segment as well, or nothing.
 *
 * @example ObjectKey.of(tenantId, timelineId, '000000010000000000000003')
 */
import { Refusal } from '@neon/kernel';

declare const brand: unique symbol;
export type ObjectKey = string & { readonly [brand]: 'ObjectKey' };
export type ObjectPrefix = string & { readonly [brand]: 'ObjectKey' | 'ObjectPrefix' };

/** Half of what S3 allows: the other half is for the prefix of an installation within its bucket. */
export const KEY_SIZE_MAX = 512;
/** A segment is a file's name in a directory, where 255 bytes are allowed and some are ours. */
export const SEGMENT_SIZE_MAX = 200;

const CHARACTERS = /^[A-Za-z0-9._\-+=@,:!'()*]*$/;

const isBeginning = (segment: string): boolean => segment.length <= SEGMENT_SIZE_MAX && CHARACTERS.test(segment);
const isSegment = (segment: string): boolean =>
  segment !== '' && segment !== '.' && segment !== '..' && isBeginning(segment);

const isKey = (text: string): text is ObjectKey => text.length <= KEY_SIZE_MAX && text.split('/').every(isSegment);

function isPrefix(text: string): text is ObjectPrefix {
  const segments = text.split('/');
  const last = segments.pop() ?? '';
  return text.length <= KEY_SIZE_MAX && segments.every(isSegment) && isBeginning(last);
}

export const ObjectKey = {
  is: isKey,
  /** @throws Refusal InvalidObjectKey */
  parse(text: string): ObjectKey {
    if (!isKey(text)) throw new Refusal('InvalidObjectKey', `not a key of an object: ${JSON.stringify(text)}`);
    return text;
  },
  /** @throws Refusal InvalidObjectKey */
  of: (...segments: readonly string[]): ObjectKey => ObjectKey.parse(segments.join('/')),
};

export const ObjectPrefix = {
  /** @throws Refusal InvalidObjectKey */
  parse(text: string): ObjectPrefix {
    if (!isPrefix(text)) throw new Refusal('InvalidObjectKey', `not a prefix of keys: ${JSON.stringify(text)}`);
    return text;
  },
  /** What keys that begin with these segments have in common: `a/b/`. @throws Refusal InvalidObjectKey */
  of: (...segments: readonly string[]): ObjectPrefix =>
    ObjectPrefix.parse(segments.map((segment) => `${segment}/`).join('')),
};

import { Refusal } from '@neon/kernel';
import { KEY_SIZE_MAX, ObjectKey, ObjectPrefix, SEGMENT_SIZE_MAX } from './object-key';

const segment = 's'.repeat(SEGMENT_SIZE_MAX);

it.each(['a', 'a/b', '000000010000000000000003', '.hidden', '...', "A-z_0.+=@,:!'()*", `${segment}/${segment}`])(
  'N1: %p is a key',
  (text) => {
    expect(ObjectKey.parse(text)).toBe(text);
  },
);

it.each([
  '',
  '/',
  '/a',
  'a/',
  'a//b',
  '.',
  '..',
  'a/../b',
  'a/.',
  'a b',
  'ä',
  'a%2Fb',
  'a~b',
  'a\\b',
  'a\0',
  `${segment}s`,
])('N1: %p is no key', (text) => {
  expect(ObjectKey.is(text)).toBe(false);
  expect(() => ObjectKey.parse(text)).toThrow(Refusal);
});

it('N1: a key has at most KEY_SIZE_MAX bytes', () => {
  const longest = [segment, segment, 's'.repeat(KEY_SIZE_MAX - 2 * SEGMENT_SIZE_MAX - 2)].join('/');
  expect(longest).toHaveLength(KEY_SIZE_MAX);
  expect(ObjectKey.is(longest)).toBe(true);
  expect(ObjectKey.is(`${longest}s`)).toBe(false);
});

it('a key is put together from segments, none of which may be missing', () => {
  expect(ObjectKey.of('a', 'b', 'c')).toBe('a/b/c');
  expect(() => ObjectKey.of('a', '')).toThrow(Refusal);
});

it.each(['', 'a', 'a/', 'a/b', 'a/.', 'a/..'])('N3: %p is a prefix', (text) => {
  expect(ObjectPrefix.parse(text)).toBe(text);
});

it.each(['/', '../', 'a//', 'a/../', 'a b', '~'])('N3: %p is no prefix', (text) => {
  expect(() => ObjectPrefix.parse(text)).toThrow(Refusal);
});

it('a prefix of whole segments ends in a slash', () => {
  expect(ObjectPrefix.of('a', 'b')).toBe('a/b/');
});

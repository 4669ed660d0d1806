import { Refusal } from '@neon/kernel';
import { parseObjectStoreUrl } from './object-store-url';

it.each([
  ['file:///var/lib/neon', { kind: 'directory', path: '/var/lib/neon' }],
  ['file:///var/lib/neon/', { kind: 'directory', path: '/var/lib/neon' }],
  ['file:///with%20space', { kind: 'directory', path: '/with space' }],
])('%s is a directory', (url, location) => {
  expect(parseObjectStoreUrl(url)).toEqual(location);
});

it.each([
  ['s3://neon', { bucket: 'neon', prefix: '', forcePathStyle: false, uploadChecksum: 'crc32c' }],
  ['s3://neon/', { bucket: 'neon', prefix: '', forcePathStyle: false, uploadChecksum: 'crc32c' }],
  ['s3://neon.wal/a/b/', { bucket: 'neon.wal', prefix: 'a/b', forcePathStyle: false, uploadChecksum: 'crc32c' }],
  [
    's3://neon/a?endpoint=http://127.0.0.1:9000&region=eu-central-1&forcePathStyle=true&uploadChecksum=md5',
    {
      bucket: 'neon',
      prefix: 'a',
      endpoint: 'http://127.0.0.1:9000',
      region: 'eu-central-1',
      forcePathStyle: true,
      uploadChecksum: 'md5',
    },
  ],
])('%s is a bucket', (url, config) => {
  expect(parseObjectStoreUrl(url)).toEqual({ kind: 's3', config });
});

it.each([
  ['', 'not a URL'],
  ['/var/lib/neon', 'not a URL'],
  ['https://neon.s3.amazonaws.com', 'file:/// or s3://'],
  ['file://var/lib', 'three slashes'],
  ['file:///', 'root of the file system'],
  ['file:///a?b=c', 'no parameters'],
  ['file:///%', 'well-formed'],
  ['s3://', 'name of a bucket'],
  ['s3:///neon', 'name of a bucket'],
  ['s3://neon:80', 'name of a bucket'],
  ['s3://neon/a//b', 'prefix'],
  ['s3://neon/a%20b', 'prefix'],
  ['s3://neon#a', 'no #'],
  ['s3://neon?endpiont=http://a', 'no parameter endpiont'],
  ['s3://neon?region=a&region=b', 'given twice'],
  ['s3://neon?region=', 'region'],
  ['s3://neon?forcePathStyle=yes', 'false or true'],
  ['s3://neon?uploadChecksum=sha1', 'crc32c or md5'],
  ['s3://neon?endpoint=127.0.0.1:9000', 'http:// or https://'],
  ['s3://neon?endpoint=http://a/?b=c', 'no parameters'],
])('%p is refused: %s', (url, reason) => {
  expect(() => parseObjectStoreUrl(url)).toThrow(Refusal);
  expect(() => parseObjectStoreUrl(url)).toThrow(reason);
});

it.each([
  's3://key:hunter2@neon/a',
  's3://hunter2@neon',
  's3://neon?secretAccessKey=hunter2',
  's3://neon?endpoint=http://key:hunter2@host',
  's3://neon?region=hunter2!',
  's3://neon?endpoint=http://host?token=hunter2',
])('L1: %s is refused, and its secret is not repeated', (url) => {
  expect(() => parseObjectStoreUrl(url)).toThrow(Refusal);
  expect(() => parseObjectStoreUrl(url)).not.toThrow(/hunter2/);
});

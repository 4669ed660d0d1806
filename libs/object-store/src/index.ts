export { ObjectKey, ObjectPrefix, KEY_SIZE_MAX, SEGMENT_SIZE_MAX } from './object-key';
export {
  type ByteRange,
  DELETE_COUNT_MAX,
  type ListedObject,
  OBJECT_SIZE_MAX,
  type ObjectHead,
  ObjectStore,
  type PutOptions,
  type RequestOptions,
  type StoredObject,
} from './object-store';
export { MemoryObjectStore } from './memory-object-store';
export { DirectoryObjectStore } from './directory/directory-object-store';
export { S3ObjectStore } from './s3/s3-object-store';
export type { S3Config, S3Credentials } from './s3/s3-config';
export { type ObjectStoreLocation, parseObjectStoreUrl } from './object-store-url';
export { objectStoreOf } from './object-store-of';
export { type ConformanceReport, type JudgedRule, verifyConformance } from './conformance/verify-conformance';

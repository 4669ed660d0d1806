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

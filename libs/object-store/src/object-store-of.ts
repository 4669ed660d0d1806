/** The object store that a URL names. */
import { DirectoryObjectStore } from './directory/directory-object-store';
import type { ObjectStore } from './object-store';
import { parseObjectStoreUrl } from './object-store-url';
import type { S3Credentials } from './s3/s3-config';
import { S3ObjectStore } from './s3/s3-object-store';

/**
 * Sends no request: whether the store can be reached shows with its first use. Without `credentials`, a bucket's are those that
 * the SDK's provider chain finds.
 *
 * @throws Refusal InvalidObjectStoreUrl
 */
export async function objectStoreOf(url: string, credentials?: S3Credentials): Promise<ObjectStore> {
  const location = parseObjectStoreUrl(url);
  if (location.kind === 'directory') return new DirectoryObjectStore(location.path);
  return S3ObjectStore.open({ ...location.config, ...(credentials === undefined ? {} : { credentials }) });
}

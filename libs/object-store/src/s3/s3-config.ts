/** How a bucket is reached. */

export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

export interface S3Config {
  readonly bucket: string;
  /** Before every key, with a slash between them; '' for none. */
  readonly prefix: string;
  /** Of a server that is not AWS. */
  readonly endpoint?: string;
  /** Without one, what the SDK finds in the environment. */
  readonly region?: string;
  /** `endpoint/bucket/key` instead of `bucket.endpoint/key`. */
  readonly forcePathStyle?: boolean;
  /**
   * What the server compares an upload with: `crc32c` (`x-amz-checksum-crc32c`, and none that the SDK would choose), or `md5`
   * (`Content-MD5`) for servers that do not know the former.
   */
  readonly uploadChecksum?: 'crc32c' | 'md5';
  /** Without them, the SDK's provider chain: environment, profiles, web identity, instance metadata. */
  readonly credentials?: S3Credentials;
}

/** How patient an S3ObjectStore is. */
export interface S3Patience {
  /** Attempts at one request, the first included. */
  readonly attemptCountMax: number;
  /** The pause after the n-th attempt is random, up to this times 2^(n-1), */
  readonly backoffMs: number;
  /** and never longer than this. */
  readonly backoffMsMax: number;
  /** Until a connection is there. */
  readonly connectMs: number;
  /** Until a request is answered, or for the next bytes of an answer; plus the time that the bytes take at BYTES_PER_MS_MIN. */
  readonly answerMs: number;
}

/** With five attempts at 0.2 s × 2^n: a fault of up to about a second passes unseen; callers wait out longer ones. */
export const PATIENCE: S3Patience = {
  attemptCountMax: 5,
  backoffMs: 200,
  backoffMsMax: 5_000,
  connectMs: 5_000,
  answerMs: 20_000,
};

/** The slowest link that is of use: 1 MB/s. */
export const BYTES_PER_MS_MIN = 1_000;
/** Requests in flight at a time; the others wait. */
export const CONNECTION_COUNT_MAX = 64;
/** Objects above this size are sent in parts. */
export const MULTIPART_SIZE_MIN = 32 * 1024 * 1024;
/** S3 allows 10,000 parts of 5 MiB or more; OBJECT_SIZE_MAX makes 64 of these. */
export const PART_SIZE = 16 * 1024 * 1024;
/** Parts of one object in flight at a time: enough to fill a link that one connection does not. */
export const PART_CONCURRENCY_MAX = 4;
/** What S3 lists with one request. */
export const LIST_COUNT_MAX = 1000;

/** The store under test, and a part of it that belongs to one run. */
import { randomBytes } from 'node:crypto';
import { Refusal } from '@neon/kernel';
import { ObjectKey, ObjectPrefix } from '../object-key';
import { MULTIPART_SIZE_MIN, PART_SIZE } from '../s3/s3-config';
import type { ListedObject, ObjectStore, PutOptions, StoredObject } from '../object-store';

/** Several parts, the last of them short. */
export const LARGE_SIZE = MULTIPART_SIZE_MIN + PART_SIZE / 2 + 7;
/** Requests in flight at a time. */
const CONCURRENCY_MAX = 16;

/** What a rule throws when the store lacks the feature and says so, or does not notice. */
export class NotSupported extends Error {
  override readonly name = 'NotSupported';
}

export class Subject {
  private readonly touched = new Set<ObjectKey>();

  constructor(
    readonly store: ObjectStore,
    /** No other run has it. */
    private readonly root: string,
    readonly signal: AbortSignal | undefined,
    /** Of objects that a bucket gets in parts. */
    readonly largeSize = LARGE_SIZE,
  ) {}

  /** A key of this run; it is deleted at the run's end. */
  key(...segments: readonly string[]): ObjectKey {
    const key = ObjectKey.of(this.root, ...segments);
    this.touched.add(key);
    return key;
  }

  prefix = (rest: string): ObjectPrefix => ObjectPrefix.parse(`${this.root}/${rest}`);

  private get options() {
    return this.signal === undefined ? {} : { signal: this.signal };
  }

  put = (key: ObjectKey, bytes: Uint8Array, options: PutOptions = {}): Promise<void> =>
    this.store.put(key, bytes, { ...this.options, ...options });
  get = (key: ObjectKey): Promise<StoredObject | null> => this.store.get(key, this.options);
  range = (key: ObjectKey, offset: number, length: number): Promise<Uint8Array | null> =>
    this.store.getRange(key, { offset, length }, this.options);
  head = (key: ObjectKey) => this.store.head(key, this.options);
  delete = (key: ObjectKey): Promise<void> => this.store.delete(key, this.options);
  deleteMany = (keys: readonly ObjectKey[]): Promise<void> => this.store.deleteMany(keys, this.options);

  async list(rest: string): Promise<ListedObject[]> {
    const found: ListedObject[] = [];
    for await (const object of this.store.list(this.prefix(rest), this.options)) found.push(object);
    return found;
  }

  keysOf = async (rest: string): Promise<ObjectKey[]> => (await this.list(rest)).map(({ key }) => key);

  /** Deletes everything that this run may have put. Not subject to the run's abort. */
  async clean(): Promise<void> {
    await this.store.deleteMany([...this.touched]);
    this.touched.clear();
  }
}

/** @throws Error with what was found out */
export function ensure(condition: boolean, otherwise: string): asserts condition {
  if (!condition) throw new Error(otherwise);
}

export function ensureBytes(actual: Uint8Array | null | undefined, expected: Uint8Array, what: string): void {
  ensure(actual !== null && actual !== undefined, `${what}: there is no object`);
  ensure(actual.length === expected.length, `${what}: ${actual.length} bytes instead of ${expected.length}`);
  ensure(Buffer.compare(actual, expected) === 0, `${what}: other bytes than were put`);
}

export const sameKeys = (actual: readonly ObjectKey[], expected: readonly ObjectKey[]): boolean =>
  actual.length === expected.length && actual.every((key, index) => key === expected[index]);

/** The code of the refusal; undefined when there was none. Anything else that goes wrong is thrown on. */
export async function refusalOf(request: Promise<unknown>): Promise<string | undefined> {
  try {
    await request;
    return undefined;
  } catch (error) {
    if (error instanceof Refusal) return error.code;
    throw error;
  }
}

export const someBytes = (size: number): Uint8Array => randomBytes(size);

/** In order of `items`, a bounded number at a time. */
export async function forEach<T>(items: readonly T[], run: (item: T) => Promise<void>): Promise<void> {
  const waiting = items.values();
  const work = async (): Promise<void> => {
    for (const item of waiting) await run(item);
  };
  await Promise.all(Array.from({ length: CONCURRENCY_MAX }, work));
}

/** An archive in memory whose requests are counted, and fail on demand: for specs. */
import { Unavailable } from '@neon/kernel';
import { MemoryObjectStore, ObjectKey, ObjectPrefix } from '@neon/object-store';
import { type ArchiveEvents, type ArchiveSettings, WalArchive } from '@neon/safekeeper-core';
import { ObjectWalArchive } from '../object-wal-archive';

export type ArchiveOperation = 'sizeOf' | 'put' | 'get' | 'list' | 'remove';

export class WatchedArchive extends WalArchive {
  readonly requests: { readonly operation: ArchiveOperation; readonly name: string }[] = [];
  /** Whether the request that has just been noted fails: before it is done, or after, so that its answer is lost. */
  fault: (at: { operation: ArchiveOperation; name: string; index: number }) => 'before' | 'after' | undefined = () =>
    undefined;
  /** What the answer of a request that was done waits for. */
  delay: (at: { operation: ArchiveOperation; name: string }) => Promise<void> = () => Promise.resolve();
  /** What was put through here and not removed, as of now. */
  readonly held = new Map<string, Uint8Array>();
  private readonly inner: ObjectWalArchive;

  constructor(readonly objects = new MemoryObjectStore()) {
    super();
    this.inner = new ObjectWalArchive(objects);
  }

  private async request<T>(operation: ArchiveOperation, name: string, run: () => Promise<T>): Promise<T> {
    const index = this.requests.length;
    this.requests.push({ operation, name });
    const fault = this.fault({ operation, name, index });
    if (fault === 'before') throw new Unavailable(`${operation} of ${name}: injected`);
    const result = await run();
    await this.delay({ operation, name });
    if (fault === 'after') throw new Unavailable(`${operation} of ${name}: injected`);
    return result;
  }

  sizeOf(name: string): Promise<number | null> {
    return this.request('sizeOf', name, () => this.inner.sizeOf(name));
  }
  put(name: string, bytes: Uint8Array): Promise<void> {
    return this.request('put', name, async () => {
      await this.inner.put(name, bytes);
      this.held.set(name, bytes);
    });
  }
  get(name: string): Promise<Uint8Array | null> {
    return this.request('get', name, () => this.inner.get(name));
  }
  async *list(prefix: string): AsyncGenerator<string, void, void> {
    await this.request('list', prefix, () => Promise.resolve());
    yield* this.inner.list(prefix);
  }
  remove(names: readonly string[]): Promise<void> {
    return this.request('remove', names.join(' '), async () => {
      await this.inner.remove(names);
      for (const name of names) this.held.delete(name);
    });
  }

  count(operation: ArchiveOperation): number {
    return this.requests.filter((request) => request.operation === operation).length;
  }

  async names(): Promise<string[]> {
    const names: string[] = [];
    for await (const { key } of this.objects.list(ObjectPrefix.parse(''))) names.push(key);
    return names;
  }

  async bytesOf(name: string): Promise<Uint8Array | undefined> {
    return (await this.objects.get(ObjectKey.parse(name)))?.bytes;
  }
}

/** What an archive did, and a clock that can be put forward. */
export class WatchedSettings implements ArchiveSettings {
  readonly damages: string[] = [];
  readonly errors: string[] = [];
  readonly moves: string[] = [];
  readonly events: ArchiveEvents = {
    archived: () => undefined,
    fetched: () => undefined,
    damaged: (name, what) => void this.damages.push(`${name} ${what}`),
    failed: (error) => void this.errors.push(error.message),
    offloaded: (name) => void this.moves.push(`offloaded ${name}`),
    restored: (name) => void this.moves.push(`restored ${name}`),
  };
  private aheadMs = 0;
  readonly clock = { now: (): number => performance.now() + this.aheadMs };

  constructor(
    readonly archive: WalArchive,
    readonly offloadAfterMs = Infinity,
  ) {}

  forward(ms: number): void {
    this.aheadMs += ms;
  }
}

/**
 * Objects as files of a directory: on a disk of this machine, or on a file system that several machines share.
 *
 *   D1  A put writes a file in `~writing`, syncs it, renames it (or links it, when no object may be there) to its place and syncs every
 *       directory from there up to the root: a crash leaves the object whole or absent.
 *   D2  A put that fails leaves nothing. What a crash leaves in `~writing` is removed by a later put, an hour after it was written.
 *   D3  Directories appear with their first object and go with their last.
 *   D4  Any number of processes may use one directory. They need no lock.
 *   D5  The root must exist. It is not made, so that a disk that is not mounted is an error, not an empty store: use a directory in the
 *       mounted file system, not its mount point.
 */
import { randomUUID } from 'node:crypto';
import { type FileHandle, link, mkdir, open, readdir, rename, rmdir, stat, unlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { Corrupt, Refusal, Unavailable } from '@neon/kernel';
import { contentChecksum } from '../content-checksum';
import type { ObjectKey, ObjectPrefix } from '../object-key';
import {
  type ByteRange,
  type ListPage,
  type ListedObject,
  OBJECT_SIZE_MAX,
  type ObjectHead,
  ObjectStore,
  type PutRequest,
  type StoredObject,
  objectExists,
  outsideObject,
  tooLarge,
} from '../object-store';
import { FOOTER_SIZE, footerOf, readExactly, readFooter, writeFully } from './object-file';
import { WRITING, keysIn, pathOf } from './object-tree';
import { codeOf, translated } from './system-error';

/** Each page reads the names of its directories again, so that pages are few. */
const LIST_COUNT_MAX = 10_000;
/** No put takes so long; one that did would fail, and could be repeated. */
const ABANDONED_AGE_MS = 60 * 60 * 1000;
/** Directories may go, with their last object, while others are made in them and before they are used; hardly more than once. */
const PLACE_ATTEMPTS_MAX = 20;

export interface DirectoryOptions {
  /** Objects in one page of a list. */
  readonly listCountMax?: number;
}

export class DirectoryObjectStore extends ObjectStore {
  readonly description: string;
  protected readonly kind = 'directory';
  private readonly root: string;
  private readonly writing: string;
  private readonly listCountMax: number;
  private sweptAtMs = -Infinity;

  constructor(root: string, { listCountMax = LIST_COUNT_MAX }: DirectoryOptions = {}) {
    super();
    this.root = resolve(root);
    this.description = `file://${this.root}`;
    this.writing = join(this.root, WRITING);
    this.listCountMax = listCountMax;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  protected putObject(key: ObjectKey, bytes: Uint8Array, { ifAbsent, signal }: PutRequest): Promise<void> {
    const path = pathOf(this.root, key);
    return this.working(path, async () => {
      await this.sweep();
      const footer = footerOf(await contentChecksum(bytes));
      const temporary = join(this.writing, randomUUID());
      try {
        await this.write(temporary, [bytes, footer], signal);
        const move = ifAbsent ? () => linkNew(key, temporary, path) : () => rename(temporary, path);
        await this.place(temporary, path, move);
      } catch (error) {
        await unlink(temporary).catch(() => undefined);
        throw error;
      }
      if (ifAbsent) await unlink(temporary);
      await this.syncUpwards(dirname(path));
    });
  }

  protected getObject(key: ObjectKey, signal: AbortSignal | undefined): Promise<StoredObject | null> {
    return this.reading(key, async (handle, path) => {
      const { size, checksum, etag } = await readFooter(handle, path);
      if (size > OBJECT_SIZE_MAX) throw tooLarge(key, size);
      const bytes = await readExactly(handle, path, { offset: 0, length: size, signal });
      if ((await contentChecksum(bytes)) !== checksum) throw new Corrupt(`${path} does not match its checksum`);
      return { bytes, etag, isVerified: true };
    });
  }

  protected getBytes(key: ObjectKey, range: ByteRange, signal: AbortSignal | undefined): Promise<Uint8Array | null> {
    return this.reading(key, async (handle, path) => {
      const { size } = await readFooter(handle, path);
      if (range.offset + range.length > size) throw outsideObject(key, range, size);
      return readExactly(handle, path, { ...range, signal });
    });
  }

  protected headObject(key: ObjectKey): Promise<ObjectHead | null> {
    return this.reading(key, async (handle, path) => {
      const { size, etag } = await readFooter(handle, path);
      return { size, etag };
    });
  }

  protected deleteObject(key: ObjectKey, signal: AbortSignal | undefined): Promise<void> {
    return this.deleteObjects([key], signal);
  }

  protected deleteObjects(keys: readonly ObjectKey[], signal: AbortSignal | undefined): Promise<void> {
    return this.working(this.root, async () => {
      const changed = new Set<string>();
      for (const key of keys) {
        signal?.throwIfAborted();
        changed.add(await this.remove(pathOf(this.root, key)));
      }
      for (const directory of changed) await this.syncUpwards(directory);
    });
  }

  protected listPage(
    prefix: ObjectPrefix,
    cursor: string | undefined,
    signal: AbortSignal | undefined,
  ): Promise<ListPage> {
    return this.working(this.root, async () => {
      const objects: ListedObject[] = [];
      for await (const key of keysIn(this.root, prefix, cursor ?? '')) {
        signal?.throwIfAborted();
        if (objects.length === this.listCountMax) return { objects, next: objects.at(-1)?.key };
        const size = await sizeOf(pathOf(this.root, key));
        if (size !== null) objects.push({ key, size });
      }
      return { objects, next: undefined };
    });
  }

  private async write(path: string, parts: readonly Uint8Array[], signal: AbortSignal | undefined): Promise<void> {
    const handle = await this.create(path);
    try {
      for (const part of parts) await writeFully(handle, part, signal);
      await handle.sync();
    } finally {
      await handle.close();
    }
  }

  private async create(path: string): Promise<FileHandle> {
    try {
      return await open(path, 'wx', 0o600);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error;
      await mkdir(this.writing, { mode: 0o700 }).catch(unlessExists);
      return open(path, 'wx', 0o600);
    }
  }

  /** Moves a file to its place, whose directories others may be removing. */
  private async place(temporary: string, path: string, move: () => Promise<void>): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await this.makeDirectories(dirname(path));
        return await move();
      } catch (error) {
        if (codeOf(error) !== 'ENOENT' || attempt === PLACE_ATTEMPTS_MAX) throw error;
        await stat(temporary);
      }
    }
  }

  /** All directories from the root down to this one, but never the root. */
  private async makeDirectories(directory: string): Promise<void> {
    if (directory === this.root) return;
    try {
      await mkdir(directory, { mode: 0o700 });
    } catch (error) {
      if (codeOf(error) === 'EEXIST') return;
      if (codeOf(error) !== 'ENOENT') throw error;
      await this.makeDirectories(dirname(directory));
      await mkdir(directory, { mode: 0o700 }).catch(unlessExists);
    }
  }

  /** Another process may have made them and not synced them yet: this put is durable only when all of them are. */
  private async syncUpwards(from: string): Promise<void> {
    for (let directory = from; ; directory = dirname(directory)) {
      await syncDirectory(directory).catch((error: unknown) => {
        // It has gone, and the object with it, by somebody else's delete.
        if (codeOf(error) !== 'ENOENT' || directory === this.root) throw error;
      });
      if (directory === this.root) return;
    }
  }

  /** Gives the directory that is changed by it, or by one before it that may not have been synced: there is no such object then. */
  private async remove(path: string): Promise<string> {
    try {
      await unlink(path);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error;
      await stat(this.root);
    }
    return this.removeEmpty(dirname(path));
  }

  /** Removes a directory and those above it, as long as they are empty; gives the first one that stays. */
  private async removeEmpty(from: string): Promise<string> {
    let directory = from;
    for (; directory !== this.root; directory = dirname(directory)) {
      try {
        await rmdir(directory);
      } catch (error) {
        const code = codeOf(error);
        if (code === 'ENOTEMPTY' || code === 'EEXIST') return directory;
        if (code !== 'ENOENT') throw error;
      }
    }
    return directory;
  }

  /** D2: removes what puts that crashed have left. */
  private async sweep(): Promise<void> {
    const nowMs = Date.now();
    if (nowMs - this.sweptAtMs < ABANDONED_AGE_MS) return;
    this.sweptAtMs = nowMs;
    const names = await readdir(this.writing).catch(unlessMissing);
    for (const name of names ?? []) {
      const path = join(this.writing, name);
      const found = await stat(path).catch(unlessMissing);
      if (found !== undefined && nowMs - found.mtimeMs > ABANDONED_AGE_MS) await unlink(path).catch(unlessMissing);
    }
  }

  /** Null when there is no such object. */
  private reading<T>(key: ObjectKey, read: (handle: FileHandle, path: string) => Promise<T>): Promise<T | null> {
    const path = pathOf(this.root, key);
    return this.working(path, async () => {
      const handle = await open(path, 'r').catch(unlessMissing);
      if (handle === undefined) {
        await stat(this.root);
        return null;
      }
      try {
        return await read(handle, path);
      } finally {
        await handle.close();
      }
    });
  }

  private async working<T>(path: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (codeOf(error) === 'ENOENT' && (await stat(this.root).catch(unlessMissing)) === undefined)
        throw new Unavailable(`the directory ${this.root} does not exist`, { cause: error });
      throw translated(error, path);
    }
  }
}

/** The one way to make a name that fails when the name is there. @throws Refusal ObjectExists, NotSupportedByObjectStore */
async function linkNew(key: ObjectKey, temporary: string, path: string): Promise<void> {
  try {
    await link(temporary, path);
  } catch (error) {
    const code = codeOf(error) ?? '';
    if (code === 'EEXIST') throw objectExists(key);
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'].includes(code)) throw error;
    throw new Refusal('NotSupportedByObjectStore', `${path}: the file system has no hard links (${code})`);
  }
}

async function sizeOf(path: string): Promise<number | null> {
  const found = await stat(path).catch(unlessMissing);
  return found === undefined ? null : Math.max(0, found.size - FOOTER_SIZE);
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function unlessMissing(error: unknown): undefined {
  if (codeOf(error) !== 'ENOENT') throw error;
}

function unlessExists(error: unknown): void {
  if (codeOf(error) !== 'EEXIST') throw error;
}

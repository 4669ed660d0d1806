/**
 * A disk that fails on demand, and knows what would be left after a power cut: real files, and beside them an image of what
 * syncs have made durable.
 *
 *   - An operation for which `fault` returns an error throws it. A write that fails is read back
 *     as a whole, and half of it is on the disk.
 *   - A sync that fails loses what it should have brought to the disk: the pages count as clean, and only writing them again,
 *     or changing the directory again, makes them dirty. (Linux: what is known as fsyncgate.)
 *   - `stall` lets one operation, and none in the event loop, wait until it is told to go on.
 *   - `crash` builds what a power cut leaves: of files what was synced, and names as of the last sync of their directory, or
 *     the latest ones, because a file system may have got further than it was asked to.
 */
import { constants, fstatSync, mkdirSync, readSync, readdirSync, statSync, writeFileSync, writeSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Disk, type DiskFile, nodeDisk } from '../disk';

export type DiskOperation =
  | 'open'
  | 'read'
  | 'write'
  | 'truncate'
  | 'sync'
  | 'syncDirectory'
  | 'readFile'
  | 'readdir'
  | 'mkdir'
  | 'rename'
  | 'remove';

export interface OperationAt {
  readonly operation: DiskOperation;
  readonly path: string;
  /** Counts from 0. */
  readonly index: number;
}

type Node = FileImage | DirectoryImage;
interface FileImage {
  readonly kind: 'file';
  durable: Buffer;
  /** Ranges written and not synced; a truncation is one too. */
  dirty: { readonly start: number; readonly end: number }[];
}
interface DirectoryImage {
  readonly kind: 'directory';
  durable: ReadonlyMap<string, Node>;
  isDirty: boolean;
}

/** An operation that waits. */
export interface Stall {
  /** It has been called. */
  readonly entered: Promise<void>;
  release(): void;
}

type Matches = (at: Pick<OperationAt, 'operation' | 'path'>) => boolean;

export const ioError = (code = 'EIO'): Error => Object.assign(new Error(`${code}: injected`), { code });

export class FaultyDisk implements Disk {
  fault: (at: OperationAt) => Error | undefined = () => undefined;
  operationCount = 0;
  readBytes = 0;
  /** By inode, of what has a name now. What lost its name may still be found by a durable one. */
  private readonly nodes = new Map<number, Node>();
  private stalled: ((at: Pick<OperationAt, 'operation' | 'path'>) => Promise<void> | undefined) | undefined;

  constructor(private readonly root: string) {
    this.directoryAt(root);
  }

  /** The next operation that matches. */
  stall(matches: Matches): Stall {
    let release = (): void => undefined;
    let enter = (): void => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    const entered = new Promise<void>((resolve) => (enter = resolve));
    this.stalled = (at) => {
      if (!matches(at)) return undefined;
      this.stalled = undefined;
      enter();
      return released;
    };
    return { entered, release };
  }

  async open(path: string, flags: string | number, mode?: number): Promise<DiskFile> {
    await this.stalled?.({ operation: 'open', path });
    this.step('open', path);
    const isNew = !(await nodeDisk.exists(path));
    // Its content is read back when it is synced.
    const file = await fs.open(path, flags === 'w' ? 'w+' : flags, mode);
    const stat = await file.stat();
    if (isNew) {
      // An inode may have been another file's before.
      this.nodes.delete(stat.ino);
      this.touch(path);
    }
    if (stat.isDirectory()) return this.openedDirectory(file, path);
    const image = this.fileOf(stat.ino);
    if (flags === 'w') image.dirty.push({ start: 0, end: Infinity });
    return this.openedFile(file, path, {
      image,
      isSynchronous: typeof flags === 'number' && (flags & constants.O_DSYNC) !== 0,
    });
  }

  private openedDirectory(file: fs.FileHandle, path: string): DiskFile {
    const refuse = (): never => {
      throw new Error(`${path} is a directory`);
    };
    return {
      read: refuse,
      write: refuse,
      writev: refuse,
      writevNow: refuse,
      truncate: refuse,
      stat: () => file.stat(),
      close: () => file.close(),
      sync: () => {
        const image = this.directoryAt(path);
        const { isDirty } = image;
        image.isDirty = false;
        return this.attempt('syncDirectory', path, () => {
          if (isDirty) image.durable = this.namesIn(path);
          return Promise.resolve();
        });
      },
    };
  }

  private openedFile(
    file: fs.FileHandle,
    path: string,
    { image, isSynchronous }: { image: FileImage; isSynchronous: boolean },
  ): DiskFile {
    const write = (bytes: Buffer, position: number): number => {
      const error = this.faultAt('write', path);
      writeSync(file.fd, bytes, 0, bytes.length, position);
      const range = { start: position, end: position + (error === undefined ? bytes.length : bytes.length >> 1) };
      if (isSynchronous) flushRange(file.fd, image, range);
      else image.dirty.push(range);
      if (error !== undefined) throw error;
      return bytes.length;
    };
    return {
      read: async (buffer, offset, length, position) => {
        this.step('read', path);
        const result = await file.read(buffer, offset, length, position);
        this.readBytes += result.bytesRead;
        return result;
      },
      write: async (buffer, offset, length, position) => {
        await this.stalled?.({ operation: 'write', path });
        return { bytesWritten: write(Buffer.from(buffer.subarray(offset, offset + length)), position) };
      },
      writev: async (buffers, position) => {
        await this.stalled?.({ operation: 'write', path });
        return { bytesWritten: write(Buffer.concat(buffers), position) };
      },
      writevNow: (buffers, position) => write(Buffer.concat(buffers), position),
      truncate: async (size) => {
        await this.stalled?.({ operation: 'truncate', path });
        this.step('truncate', path);
        await file.truncate(size);
        image.dirty.push({ start: size, end: Infinity });
      },
      sync: () => {
        const { dirty } = image;
        image.dirty = [];
        return this.attempt('sync', path, () => {
          for (const range of dirty) flushRange(file.fd, image, range);
          return Promise.resolve();
        });
      },
      stat: () => file.stat(),
      close: () => file.close(),
    };
  }

  async readFile(path: string): Promise<Uint8Array> {
    this.step('readFile', path);
    return fs.readFile(path);
  }

  async readdir(path: string): Promise<string[]> {
    await this.stalled?.({ operation: 'readdir', path });
    this.step('readdir', path);
    return fs.readdir(path);
  }

  async mkdir(path: string): Promise<string | undefined> {
    this.step('mkdir', path);
    const made = await nodeDisk.mkdir(path);
    if (made !== undefined) {
      this.touch(path);
      this.nodes.delete(statSync(path).ino);
      this.directoryAt(path);
    }
    return made;
  }

  async rename(from: string, to: string): Promise<void> {
    this.step('rename', to);
    await fs.rename(from, to);
    this.touch(from);
    this.touch(to);
  }

  async remove(path: string): Promise<void> {
    this.step('remove', path);
    await nodeDisk.remove(path);
    this.touch(path);
  }

  exists(path: string): Promise<boolean> {
    return nodeDisk.exists(path);
  }

  /** What a power cut at this moment leaves, in a directory of its own. */
  crash(target: string, names: 'synced' | 'latest'): void {
    const build = (from: string, image: DirectoryImage, to: string): void => {
      mkdirSync(to, { recursive: true });
      for (const [name, node] of names === 'synced' ? image.durable : this.namesIn(from)) {
        if (node.kind === 'file') writeFileSync(join(to, name), node.durable);
        else build(join(from, name), node, join(to, name));
      }
    };
    build(this.root, this.directoryAt(this.root), target);
  }

  private step(operation: DiskOperation, path: string): void {
    const error = this.faultAt(operation, path);
    if (error !== undefined) throw error;
  }

  private async attempt(operation: DiskOperation, path: string, run: () => Promise<void>): Promise<void> {
    this.step(operation, path);
    await run();
  }

  private faultAt(operation: DiskOperation, path: string): Error | undefined {
    return this.fault({ operation, path, index: this.operationCount++ });
  }

  private namesIn(path: string): Map<string, Node> {
    const names = readdirSync(path).flatMap((name) => {
      // One that is being removed meanwhile may be gone by now.
      const stat = statSync(join(path, name), { throwIfNoEntry: false });
      const node = stat && this.nodes.get(stat.ino);
      return node === undefined ? [] : [[name, node] as const];
    });
    return new Map(names);
  }

  private touch(path: string): void {
    this.directoryAt(dirname(path)).isDirty = true;
  }

  private directoryAt(path: string): DirectoryImage {
    const { ino } = statSync(path);
    const known = this.nodes.get(ino);
    if (known?.kind === 'directory') return known;
    const made: DirectoryImage = { kind: 'directory', durable: new Map(), isDirty: true };
    this.nodes.set(ino, made);
    return made;
  }

  private fileOf(inode: number): FileImage {
    const known = this.nodes.get(inode);
    if (known?.kind === 'file') return known;
    const made: FileImage = { kind: 'file', durable: Buffer.alloc(0), dirty: [] };
    this.nodes.set(inode, made);
    return made;
  }
}

/** Brings a range, and the file's size, to the image. */
function flushRange(file: number, image: FileImage, range: { readonly start: number; readonly end: number }): void {
  const { size } = fstatSync(file);
  if (image.durable.length !== size) {
    const resized = Buffer.alloc(size);
    image.durable.copy(resized);
    image.durable = resized;
  }
  const end = Math.min(range.end, size);
  if (end > range.start) readSync(file, image.durable, range.start, end - range.start, range.start);
}

/** The files of a timeline in a directory of their own. */
import { type FileHandle, open, readFile, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Corrupt, Unavailable } from '@neon/kernel';
import { LayerWriter, TimelineFiles } from '@neon/pageserver-core';
import { TEMPORARY, renameDurably, replaceFile, writeFully } from './durable';
import type { OpenFiles } from './open-files';

/** Bytes gathered before they are written, about eight blocks: whoever else waits for the event loop has a turn meanwhile. */
const WRITE_SIZE = 256 * 1024;

export class DirectoryTimelineFiles extends TimelineFiles {
  private temporaries = 0;

  constructor(
    private readonly directory: string,
    private readonly openFiles: OpenFiles,
  ) {
    super();
  }

  async create(): Promise<LayerWriter> {
    const path = join(this.directory, `layer-${this.temporaries++}${TEMPORARY}`);
    return new FileLayerWriter(await translated(path, () => open(path, 'w', 0o600)), path, this.directory);
  }

  read(name: string, { offset, length }: { offset: number; length: number }): Promise<Uint8Array> {
    const path = join(this.directory, name);
    return translated(path, () =>
      this.openFiles.use(path, async (handle) => {
        const bytes = Buffer.allocUnsafeSlow(length);
        for (let at = 0; at < length;) {
          const { bytesRead } = await handle.read(bytes, at, length - at, offset + at);
          if (bytesRead === 0) throw new Corrupt(`${path} ends before ${offset + length}`);
          at += bytesRead;
        }
        return bytes;
      }),
    );
  }

  async readWhole(name: string): Promise<Uint8Array | null> {
    const path = join(this.directory, name);
    return translated(path, async () => {
      try {
        return await readFile(path);
      } catch (error) {
        if (isMissing(error)) return null;
        throw error;
      }
    });
  }

  replace(name: string, content: Uint8Array): Promise<void> {
    const path = join(this.directory, name);
    return translated(path, () => replaceFile(path, content));
  }

  async list(): Promise<string[]> {
    const names = await translated(this.directory, () => readdir(this.directory));
    return names.filter((name) => !name.endsWith(TEMPORARY));
  }

  async remove(name: string): Promise<void> {
    const path = join(this.directory, name);
    await this.openFiles.close(path);
    await translated(path, () => rm(path, { force: true }));
  }
}

class FileLayerWriter extends LayerWriter {
  private pending: Uint8Array[] = [];
  private pendingSize = 0;

  constructor(
    private readonly handle: FileHandle,
    private readonly path: string,
    private readonly directory: string,
  ) {
    super();
  }

  async append(bytes: Uint8Array): Promise<void> {
    this.pending.push(bytes);
    this.pendingSize += bytes.length;
    if (this.pendingSize >= WRITE_SIZE) await this.write();
  }

  async finish(name: string): Promise<void> {
    await this.write();
    await translated(this.path, async () => {
      await this.handle.sync();
      await this.handle.close();
      await renameDurably(this.path, join(this.directory, name));
    });
  }

  async abandon(): Promise<void> {
    await this.handle.close().catch(() => undefined);
    await rm(this.path, { force: true });
  }

  private async write(): Promise<void> {
    const bytes = Buffer.concat(this.pending);
    this.pending = [];
    this.pendingSize = 0;
    await translated(this.path, () => writeFully(this.handle, bytes));
  }
}

const isMissing = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === 'ENOENT';

async function translated<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Corrupt) throw error;
    if (isMissing(error)) throw new Corrupt(`${path} is missing`, { cause: error });
    throw new Unavailable(`${path}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

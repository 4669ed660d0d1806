/**
 * File handles kept open for reading, least recently used out first.
 *
 *   O1  At most `countMax` are open; one in use is never closed.
 */
import { type FileHandle, open } from 'node:fs/promises';

interface OpenFile {
  readonly handle: Promise<FileHandle>;
  users: number;
}

export class OpenFiles {
  private readonly files = new Map<string, OpenFile>();

  constructor(private readonly countMax: number) {}

  async use<T>(path: string, work: (handle: FileHandle) => Promise<T>): Promise<T> {
    const known = this.files.get(path);
    const file = known ?? { handle: open(path, 'r'), users: 0 };
    this.files.delete(path);
    this.files.set(path, file);
    file.users++;
    try {
      return await work(await file.handle);
    } catch (error) {
      // A file that could not be opened must be tried again next time.
      await file.handle.catch(() => this.files.delete(path));
      throw error;
    } finally {
      file.users--;
      if (known === undefined) await this.closeBeyond();
    }
  }

  /** Forgets a path, so that its file can go. */
  async close(path: string): Promise<void> {
    const file = this.files.get(path);
    if (file === undefined || file.users > 0) return;
    this.files.delete(path);
    await file.handle.then((handle) => handle.close()).catch(() => undefined);
  }

  async closeAll(): Promise<void> {
    for (const path of [...this.files.keys()]) await this.close(path);
  }

  private async closeBeyond(): Promise<void> {
    for (const [path, file] of this.files) {
      if (this.files.size <= this.countMax) return;
      if (file.users === 0) await this.close(path);
    }
  }
}

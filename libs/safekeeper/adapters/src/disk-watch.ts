/**
 * Watches the room on a safekeeper's disk: before it is full, WAL is no longer taken, so that votes and positions can still
 * be saved and what is acknowledged never meets the end of the disk.
 *
 *   DW1  At `freeBytesMin` the space counts as full, for all timelines, and stays so until there is ROOM_AGAIN_BYTES more: what a
 *        failed write gives back, or a single trim, is used up at once.
 *   DW2  That it became full is said once, and so is its end.
 *   DW3  A disk that cannot be looked at changes nothing: its timelines meet the error themselves.
 */
import { statfs } from 'node:fs/promises';
import { FULL } from '@neon/consensus';
import { type WalSpace, diskFullness } from '@neon/safekeeper-core';

export interface DiskRoom {
  readonly freeBytes: number;
  readonly sizeBytes: number;
}

export interface DiskWatchOptions {
  readonly space: WalSpace;
  readonly freeBytesMin: number;
  look(): Promise<DiskRoom>;
  onFull(room: DiskRoom): void;
  onRoom(room: DiskRoom): void;
}

const INTERVAL_MS = 1_000;
/** Two segments of the usual size. */
export const ROOM_AGAIN_BYTES = 32 * 1024 * 1024;

export class DiskWatch {
  private readonly timer: NodeJS.Timeout;
  private isFull = false;
  room: DiskRoom = { freeBytes: 0, sizeBytes: 0 };

  private constructor(private readonly options: DiskWatchOptions) {
    this.timer = setInterval(() => void this.check(), INTERVAL_MS).unref();
  }

  static async start(options: DiskWatchOptions): Promise<DiskWatch> {
    const watch = new DiskWatch(options);
    await watch.check();
    return watch;
  }

  stop(): void {
    clearInterval(this.timer);
  }

  /** Also when a write has just met the end of the disk. */
  async check(): Promise<void> {
    const { space, freeBytesMin, look, onFull, onRoom } = this.options;
    try {
      this.room = await look();
    } catch {
      return;
    }
    const { freeBytes } = this.room;
    const isFull = freeBytes <= freeBytesMin + (this.isFull ? ROOM_AGAIN_BYTES : 0);
    if (isFull !== this.isFull) (isFull ? onFull : onRoom)(this.room);
    this.isFull = isFull;
    space.setDiskFullness(isFull ? FULL : diskFullness(freeBytes, freeBytesMin));
  }
}

/** Of the file system that holds `path`, for a process without privileges. */
export async function lookAtDisk(path: string): Promise<DiskRoom> {
  const { bavail, blocks, bsize } = await statfs(path);
  return { freeBytes: bavail * bsize, sizeBytes: blocks * bsize };
}

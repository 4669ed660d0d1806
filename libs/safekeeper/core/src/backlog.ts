/**
 * WAL that arrived while there was no room: kept as it came, neither written nor acknowledged.
 *
 *   BL1  It is taken in the order in which it came, and once there is room.
 *   BL2  What arrives behind it waits too, until all of it has been taken.
 *   BL3  What a session left here is dropped with the session.
 */
import { type AppendRequest, FULL, type SessionId } from '@neon/consensus';
import type { WalAccount, WalSpace } from './wal-space';

export interface BacklogOptions {
  readonly space: WalSpace;
  readonly account: WalAccount;
  take(session: SessionId, message: AppendRequest): void;
}

export class Backlog {
  private entries: { readonly session: SessionId; readonly message: AppendRequest }[] = [];
  private bytes = 0;
  private stopWaiting: (() => void) | undefined;

  constructor(private readonly options: BacklogOptions) {}

  get isEmpty(): boolean {
    return this.entries.length === 0;
  }

  get queuedBytes(): number {
    return this.bytes;
  }

  /** BL2: whether WAL that arrives now belongs here. */
  get isNeeded(): boolean {
    return !this.isEmpty || !this.hasRoom;
  }

  add(session: SessionId, message: AppendRequest): void {
    this.entries.push({ session, message });
    this.bytes += message.bytes.length;
    this.stopWaiting ??= this.options.space.onRoom(() => this.release());
  }

  /** BL3. */
  drop(session: SessionId): void {
    if (this.isEmpty) return;
    this.entries = this.entries.filter((entry) => entry.session !== session);
    this.bytes = this.entries.reduce((sum, { message }) => sum + message.bytes.length, 0);
    this.release();
  }

  clear(): void {
    this.entries = [];
    this.bytes = 0;
    this.release();
  }

  private get hasRoom(): boolean {
    return this.options.account.fullness < FULL;
  }

  /** BL1. */
  private release(): void {
    while (this.hasRoom) {
      const next = this.entries.shift();
      if (next === undefined) break;
      this.bytes -= next.message.bytes.length;
      this.options.take(next.session, next.message);
    }
    if (!this.isEmpty) return;
    this.stopWaiting?.();
    this.stopWaiting = undefined;
  }
}

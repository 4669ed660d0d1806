/**
 * Carries operations out, in this process: every project that is named by `nudge` until nothing of it is open.
 *
 *   Q1  One attempt at a time per operation; independent operations run side by side.
 *   Q2  A crash of this program loses nothing: at start every project with an open operation is nudged.
 *   Q3  What goes wrong outside an operation (the database is away) is reported and tried again.
 */
import { type Operation, OperationQueue, type Operations } from '@neon/control-plane-core';
import { detached, secondsHistogram, withSpan } from '@neon/telemetry';
import { setTimeout as sleep } from 'node:timers/promises';

/** Pause after a fault that is not an operation's own. */
const FAULT_PAUSE_MS = 1_000;
/** Between looks at an operation that may end elsewhere. */
const CHECK_MS = 500;

const attempts = secondsHistogram({
  component: 'control-plane',
  name: 'neon_control_plane_operation_attempt_seconds',
  description: 'How long attempts at operations take, by action and outcome',
});

export class OperationRunner extends OperationQueue {
  private readonly waiting = new Map<string, (() => void)[]>();
  private readonly running = new Map<string, Promise<void>>();
  private readonly timers = new Map<string, { readonly timer: NodeJS.Timeout; readonly due: number }>();
  private stopped = false;

  /** @param operations late, because whoever schedules operations needs this queue, and operations need what they schedule with */
  constructor(
    private readonly operations: () => Operations,
    private readonly onFault: (error: unknown, projectId: string) => void,
  ) {
    super();
  }

  override nudge(projectId: string): void {
    if (this.stopped) return;
    void this.look(projectId).catch((error: unknown) => {
      this.onFault(error, projectId);
      this.later(projectId, FAULT_PAUSE_MS);
    });
  }

  override async ended(operationId: string): Promise<void> {
    const released = new Promise<true>((resolve) => {
      this.waiting.set(operationId, [...(this.waiting.get(operationId) ?? []), () => resolve(true)]);
    });
    // It may have ended before it was waited for, or end in another process.
    while (!this.stopped) {
      if (await this.operations().hasEnded(operationId)) break;
      if (await Promise.race([released, sleep(CHECK_MS, false, { ref: false })])) return;
    }
    this.release(operationId);
  }

  /** Lets attempts that run come to their end, and starts none. */
  async stop(): Promise<void> {
    this.stopped = true;
    for (const { timer } of this.timers.values()) clearTimeout(timer);
    await Promise.allSettled(this.running.values());
  }

  private async look(projectId: string): Promise<void> {
    for (const operation of await this.operations().runnable(projectId)) {
      const { operationId } = operation;
      if (this.running.has(operationId) || this.stopped) continue;
      const attempt = this.attempt(operation).finally(() => this.running.delete(operationId));
      this.running.set(operationId, attempt);
    }
  }

  private async attempt(operation: Operation): Promise<void> {
    const { operationId, projectId, action } = operation;
    const startedAt = performance.now();
    try {
      const retryInMs = await withSpan(`operation ${action}`, { operationId, projectId }, () =>
        this.operations().attempt(operation),
      );
      attempts.recordSince(startedAt, { action, outcome: retryInMs === null ? 'ended' : 'retry' });
      if (retryInMs !== null) return this.later(projectId, retryInMs);
      this.release(operationId);
      // Its end may have let others of the project go.
      detached(() => queueMicrotask(() => this.nudge(projectId)));
    } catch (error) {
      this.onFault(error, projectId);
      this.later(projectId, FAULT_PAUSE_MS);
    }
  }

  private release(operationId: string): void {
    for (const resolve of this.waiting.get(operationId) ?? []) resolve();
    this.waiting.delete(operationId);
  }

  /** The earliest of what was asked for counts. */
  private later(projectId: string, delayMs: number): void {
    const due = Date.now() + delayMs;
    const planned = this.timers.get(projectId);
    if (this.stopped || (planned !== undefined && planned.due <= due)) return;
    clearTimeout(planned?.timer);
    const timer = setTimeout(() => {
      this.timers.delete(projectId);
      this.nudge(projectId);
    }, delayMs);
    this.timers.set(projectId, { timer, due });
  }
}

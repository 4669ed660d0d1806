/** What every use case needs, and what it answers with. */
import type { CommandHandler, Origin } from '@neon/event-sourcing';
import type { Clock, Random } from '@neon/kernel';
import type { OperationQueue } from './operation-queue';

export interface Workshop {
  readonly handler: CommandHandler;
  readonly queue: OperationQueue;
  readonly clock: Clock;
  readonly random: Random;
}

/** A change that was recorded. */
export interface Change {
  /** Up to where the event store must be read to see it. */
  readonly position: number;
  /** The operations that carry it out, in order. */
  readonly operationIds: readonly string[];
}

export type By = Origin;

/** A commit that wrote nothing is visible everywhere already. */
export const positionOf = ({ position }: { position: number | null }): number => position ?? 0;

/**
 * Given what happened, when a command comes, then these events follow, or the refusal.
 *
 * @example given(branchDecider, created, ready).when({ type: 'DeleteBranch' }).then({ type: 'BranchDeleted' })
 * @example given(branchDecider).when(rename).refused('BranchNotFound')
 */
import { Refusal } from '@neon/kernel';
import type { Decider, DomainEvent } from './decider';

export interface Outcome<E extends DomainEvent> {
  then(...events: readonly E[]): void;
  refused(code: string): void;
}

export function given<S, C, E extends DomainEvent>(decider: Decider<S, C, E>, ...past: readonly E[]) {
  // Events that could not be read back would be lost on the first restart, so given ones go through the schema too.
  const state = past.map((event) => decider.event.parse(event)).reduce(decider.evolve, decider.initial);
  return {
    state,
    when(command: C): Outcome<E> {
      const outcome = attempt(() => decider.decide(command, state).map((event) => decider.event.parse(event)));
      return {
        then(...events) {
          if ('refusal' in outcome) throw new Error(`refused ${outcome.refusal.code}: ${outcome.refusal.message}`);
          assertSame(outcome.value, events);
        },
        refused(code) {
          if (!('refusal' in outcome)) throw new Error(`not refused, but decided ${show(outcome.value)}`);
          assertSame(outcome.refusal.code, code);
        },
      };
    },
  };
}

function attempt<T>(work: () => T): { value: T } | { refusal: Refusal } {
  try {
    return { value: work() };
  } catch (error) {
    if (error instanceof Refusal) return { refusal: error };
    throw error;
  }
}

function assertSame(actual: unknown, expected: unknown): void {
  if (show(actual) !== show(expected)) throw new Error(`expected ${show(expected)}\nbut got ${show(actual)}`);
}

/** JSON with keys in order, so that equal values read equal. */
const show = (value: unknown): string => JSON.stringify(value, sorted, 2);

function sorted(_key: string, value: unknown): unknown {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}

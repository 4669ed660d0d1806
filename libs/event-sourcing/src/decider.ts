/**
 * A decider: the rules of one kind of thing as two pure functions.
 *
 *   D1  `decide` is a function of its arguments. It answers with events, with none when there is nothing to do, or refuses.
 *   D2  `evolve` never refuses: what happened, happened.
 *   D3  Time and ids arrive in the command.
 *
 * @example state = decider.decide(command, state).reduce(decider.evolve, state)
 */
import type { Schema } from '@neon/kernel';

export interface DomainEvent {
  readonly type: string;
}

export interface Decider<State, Command, Event extends DomainEvent> {
  /** The kind of thing, first word of its streams: `branch`. */
  readonly kind: string;
  readonly initial: State;
  readonly decide: (command: Command, state: State) => readonly Event[];
  readonly evolve: (state: State, event: Event) => State;
  /** Reads an event back from storage: one it does not know is an error, never skipped. */
  readonly event: Schema<Event>;
}

/** The stream that holds the events of one thing. */
export const streamOf = (decider: { readonly kind: string }, id: string): string => `${decider.kind}/${id}`;

/** The id within a stream's name. */
export const idOfStream = (stream: string): string => stream.slice(stream.indexOf('/') + 1);

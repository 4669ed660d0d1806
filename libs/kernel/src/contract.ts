/**
 * What crosses a process boundary on the bus: an event (a fact, JetStream) or a request (a command or a question,
 * answered once). Each has a subject, a version and a schema that both sides check.
 *
 * Subjects are `neon.<scope>.<noun>.<past-tense>` for events and `neon.<scope>.<noun>.<verb>` for requests. A request
 * to one particular process names it as the last word: `subjectOf(contract, hostId)`.
 */
export interface Schema<T> {
  parse(input: unknown): T;
}

export interface EventContract<T> {
  readonly kind: 'event';
  readonly subject: string;
  readonly version: number;
  readonly schema: Schema<T>;
}

export interface RequestContract<Q, A> {
  readonly kind: 'request';
  readonly subject: string;
  readonly version: number;
  readonly request: Schema<Q>;
  readonly reply: Schema<A>;
  /** How long the caller waits, in milliseconds, unless it says otherwise. */
  readonly timeoutMs: number;
  /**
   * Asked again that often while there is no answer, in milliseconds: whoever took the request may have died, and another be there
   * in its place. Only for requests that may be carried out twice, also at the same time.
   */
  readonly repeatMs?: number;
}

export const defineEvent = <T>(contract: Omit<EventContract<T>, 'kind'>): EventContract<T> => ({
  kind: 'event',
  ...contract,
});

export const defineRequest = <Q, A>(contract: Omit<RequestContract<Q, A>, 'kind'>): RequestContract<Q, A> => ({
  kind: 'request',
  ...contract,
});

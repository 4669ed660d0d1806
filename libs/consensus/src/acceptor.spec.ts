import { Lsn, SafekeeperId, SystemId, TenantId, Term, TimelineId } from '@neon/kernel';
import { Acceptor } from './acceptor';
import { type AcceptorEffect, type AcceptorInput, AcceptorState } from './acceptor-state';
import { Membership } from './membership';
import type { ProposerMessage } from './message';
import { TermHistory } from './term-history';

const IDENTITY = {
  tenantId: TenantId.parse('aa'.repeat(16)),
  timelineId: TimelineId.parse('bb'.repeat(16)),
  pgMajor: 17,
  systemId: SystemId.parse('1'),
  walSegmentSize: 1000,
};
const membershipGeneration = 3;
const INCARNATION = 'first life';
const LEADER = 1;

const history = (...entries: readonly (readonly [term: number, startLsn: number])[]) =>
  TermHistory.of(entries.map(([term, startLsn]) => ({ term: Term.of(term), startLsn: Lsn.of(startLsn) })));

/** An acceptor whose log is `[100, end)`, written in `term`. */
function acceptor(change: Partial<AcceptorState> & { end?: number } = {}): AcceptorState {
  const created = AcceptorState.create({
    safekeeperId: SafekeeperId.of(1),
    identity: IDENTITY,
    membership: Membership.founding(membershipGeneration),
    startLsn: Lsn.of(100),
    term: Term.ZERO,
  });
  const { end = 100, ...rest } = change;
  return { ...AcceptorState.recover(created, { flushLsn: Lsn.of(end), incarnation: INCARNATION }), ...rest };
}

const LED = acceptor({ end: 200, term: Term.of(5), termHistory: history([0, 100], [5, 100]), leader: LEADER });

function run(state: AcceptorState, ...inputs: readonly AcceptorInput[]) {
  const effects: AcceptorEffect[] = [];
  let current = state;
  for (const input of inputs) {
    const step = Acceptor.step(current, input);
    current = step.state;
    effects.push(...step.effects);
  }
  return { state: current, effects, kinds: effects.map(({ kind }) => kind) };
}

const received = (message: ProposerMessage, session = LEADER): AcceptorInput => ({
  kind: 'received',
  session,
  message,
});
const vote = (term: number, session = 2) =>
  received({ kind: 'voteRequest', membershipGeneration, term: Term.of(term) }, session);
const elected = (startLsn: number, termHistory: TermHistory) =>
  received({
    kind: 'electedRequest',
    membershipGeneration,
    term: TermHistory.last(termHistory).term,
    startLsn: Lsn.of(startLsn),
    termHistory,
  });
const append = (term: number, startLsn: number, { size = 0, commitLsn = 0 } = {}) =>
  received({
    kind: 'appendRequest',
    membershipGeneration,
    term: Term.of(term),
    startLsn: Lsn.of(startLsn),
    commitLsn: Lsn.of(commitLsn),
    truncateLsn: Lsn.ZERO,
    bytes: new Uint8Array(size),
  });
const written = (endLsn: number, recordEndLsn = endLsn): AcceptorInput => ({
  kind: 'written',
  endLsn: Lsn.of(endLsn),
  recordEndLsn: Lsn.of(recordEndLsn),
});
const flushed = (state: AcceptorState, endLsn: number, recordEndLsn = endLsn): AcceptorInput => ({
  kind: 'flushed',
  endLsn: Lsn.of(endLsn),
  recordEndLsn: Lsn.of(recordEndLsn),
  truncationCount: state.truncationCount,
});
const greeting = (change = {}) =>
  received({
    kind: 'greetingRequest',
    membership: Membership.founding(membershipGeneration),
    identity: { ...IDENTITY, ...change },
    token: '',
  });

const ME = { safekeeperId: SafekeeperId.of(1), incarnation: INCARNATION };
const OTHER = { safekeeperId: SafekeeperId.of(2), incarnation: 'of another safekeeper' };
const WITH_ME = Membership.joint(Membership.settled(membershipGeneration, [OTHER]), [ME]);
const greetingOf = (membership: Membership, session = LEADER) =>
  received({ kind: 'greetingRequest', membership, identity: IDENTITY, token: '' }, session);
const configure = (membership: Membership, minTerm: number): AcceptorInput => ({
  kind: 'configure',
  request: 77,
  membership,
  minTerm: Term.of(minTerm),
});
const VOTE_9 = { kind: 'voteRequest', membershipGeneration, term: Term.of(9) } as const;
const APPEND_5 = {
  kind: 'appendRequest',
  membershipGeneration,
  term: Term.of(5),
  startLsn: Lsn.of(200),
  commitLsn: Lsn.ZERO,
  truncateLsn: Lsn.ZERO,
  bytes: new Uint8Array(10),
} as const;

const TERM_6_ALONE = { kind: 'appendResponse', term: 6, flushLsn: 0, durableLsn: 0, commitLsn: 0 };

describe('an acceptor', () => {
  test('greets with its term', () => {
    expect(run(LED, greeting()).effects).toEqual([
      expect.objectContaining({ kind: 'send', message: expect.objectContaining({ term: 5 }) }),
    ]);
  });

  test.each([
    ['Postgres major', { pgMajor: 16 }],
    ['system id', { systemId: SystemId.parse('2') }],
    ['segment size', { walSegmentSize: 2000 }],
    ['timeline', { timelineId: TimelineId.parse('cc'.repeat(16)) }],
  ])('refuses a proposer of another %s', (_what, change) => {
    expect(run(LED, greeting(change)).effects).toMatchObject([{ kind: 'refuse', code: 'IdentityMismatch' }]);
  });

  test('persists a vote before it answers (A1)', () => {
    const { kinds, state, effects } = run(LED, vote(6));
    expect(kinds).toEqual(['persist', 'send', 'send']);
    expect(state.term).toBe(6);
    expect(effects[1]).toMatchObject({ session: 2, message: { granted: true, term: 6, flushLsn: 200 } });
  });

  test('votes for a term once (A1)', () => {
    const { effects } = run(LED, vote(6), vote(6, 3));
    expect(effects.at(-1)).toMatchObject({ kind: 'send', message: { kind: 'voteResponse', granted: false, term: 6 } });
  });

  test('makes what is written durable before a vote tells of it (A2)', () => {
    const { kinds, effects } = run(LED, append(5, 200, { size: 50 }), written(250, 240), vote(6));
    expect(kinds).toEqual(['write', 'flush', 'persist', 'send', 'send']);
    expect(effects[3]).toMatchObject({ message: { flushLsn: 240 } });
  });

  test('tells the former leader of a vote at once (A8)', () => {
    expect(run(LED, vote(6)).effects.at(-1)).toMatchObject({
      session: LEADER,
      message: TERM_6_ALONE,
    });
  });

  test('answers whatever belongs to a passed term with its own term and no position (A8)', () => {
    const late = run(LED, vote(6), elected(200, history([0, 100], [5, 100])), append(5, 200));
    expect(late.effects.slice(-2)).toMatchObject([{ message: TERM_6_ALONE }, { message: TERM_6_ALONE }]);
  });

  test('answers an append of a passed term with its own term, and keeps its log (A8)', () => {
    const { state, effects } = run(LED, vote(6), append(5, 200, { size: 10, commitLsn: 200 }));
    expect(effects.at(-1)).toMatchObject({ kind: 'send', message: { kind: 'appendResponse', term: 6 } });
    expect([state.writeLsn, state.commitLsn]).toEqual([200, 100]);
  });

  test('reports an append when it is durable, up to the last whole record (A2)', () => {
    const { kinds, state, effects } = run(LED, append(5, 200, { size: 50 }), written(250, 240), flushed(LED, 250, 240));
    expect(kinds).toEqual(['write', 'send']);
    expect(effects[1]).toMatchObject({ session: LEADER, message: { flushLsn: 240, durableLsn: 250 } });
    expect(state.flushLsn).toBe(240);
  });

  test.each([190, 210])('refuses an append that does not begin at its end, at %i (A6)', (startLsn) => {
    expect(run(LED, append(5, startLsn, { size: 10 })).effects).toMatchObject([{ kind: 'refuse', code: 'LogGap' }]);
  });

  test('refuses an append in a term whose leader it has not heard (A6)', () => {
    expect(run(LED, append(6, 200, { size: 10 })).effects).toMatchObject([{ kind: 'refuse', code: 'NotElected' }]);
    expect(run(LED, vote(6), append(6, 200, { size: 10 })).effects.at(-1)).toMatchObject({ code: 'NotElected' });
  });

  test('commits no more than it has flushed, and never less than before (A3)', () => {
    const ahead = run(LED, append(5, 200, { commitLsn: 900 }));
    expect(ahead.state.commitLsn).toBe(200);
    const later = run(
      ahead.state,
      append(5, 200, { commitLsn: 150 }),
      append(5, 200, { size: 50 }),
      written(250),
      flushed(LED, 250),
    );
    expect(later.state.commitLsn).toBe(250);
  });

  test('cuts its log before it adopts a history (A5)', () => {
    const { kinds, state } = run(LED, elected(150, history([0, 100], [5, 100], [7, 150])));
    expect(kinds).toEqual(['truncate', 'persist', 'send']);
    expect([state.writeLsn, state.flushLsn, state.term]).toEqual([150, 150, 7]);
  });

  test('never cuts below what is committed (A4)', () => {
    const committed = { ...LED, commitLsn: Lsn.of(180) };
    const { effects, state } = run(committed, elected(150, history([0, 100], [5, 100], [7, 150])));
    expect(effects).toMatchObject([{ kind: 'refuse', code: 'BelowCommit' }]);
    expect(state).toEqual(committed);
  });

  test('refuses an election that names another common point than it finds itself (A4)', () => {
    const { effects } = run(LED, elected(160, history([0, 100], [5, 100], [7, 150])));
    expect(effects).toMatchObject([{ kind: 'refuse', code: 'CommonPointMismatch' }]);
  });

  test('passes over a flush that began before its log was cut', () => {
    const cut = run(
      LED,
      append(5, 200, { size: 50 }),
      written(250),
      elected(150, history([0, 100], [5, 100], [7, 150])),
    );
    const { state, effects } = run(cut.state, flushed(LED, 250));
    expect([state.flushLsn, effects.length]).toEqual([150, 0]);
  });

  test('does not listen to another membership generation (A7)', () => {
    expect(run(LED, received({ ...VOTE_9, membershipGeneration: 2 })).effects).toMatchObject([
      { kind: 'refuse', code: 'MembershipMismatch' },
    ]);
    const message = { kind: 'voteRequest', membershipGeneration: 4, term: Term.of(9) } as const;
    const { effects, state } = run(LED, received(message));
    expect(effects).toMatchObject([{ kind: 'refuse', code: 'MembershipMismatch' }]);
    expect(state).toEqual(LED);
  });

  test('takes on a higher membership from a greeting, durably before it answers, and ends the session of its leader (A9)', () => {
    const { kinds, state, effects } = run(LED, greetingOf(WITH_ME, 2));
    expect(kinds).toEqual(['persist', 'refuse', 'send']);
    expect(effects[1]).toMatchObject({ session: LEADER, code: 'MembershipMismatch' });
    expect(effects[2]).toMatchObject({ session: 2, message: { membership: WITH_ME, incarnation: INCARNATION } });
    expect([state.membership, state.leader]).toEqual([WITH_ME, undefined]);
    expect(run(state, append(5, 200, { size: 10 })).effects).toMatchObject([{ code: 'MembershipMismatch' }]);
    expect(run(state, received({ ...VOTE_9, membershipGeneration: 4 })).kinds).toEqual(['persist', 'send']);
  });

  test('answers a greeting of a lower membership with its own, and keeps it (A9)', () => {
    const { state } = run(LED, greetingOf(WITH_ME));
    const lower = run(state, greetingOf(Membership.settled(3, [ME, OTHER])), greetingOf(Membership.founding(1)));
    expect(lower.state).toEqual(state);
    expect(lower.effects).toMatchObject([{ message: { membership: WITH_ME } }, { message: { membership: WITH_ME } }]);
  });

  test('learns from the first list of its own generation who the founding members are', () => {
    const listed = Membership.settled(membershipGeneration, [ME, OTHER]);
    expect(run(LED, greetingOf(listed)).state.membership).toEqual(listed);
  });

  test('refuses a higher generation without a list (A9)', () => {
    const { state, effects } = run(LED, greetingOf(Membership.founding(9)));
    expect([state, effects]).toMatchObject([LED, [{ kind: 'refuse', code: 'MembershipMismatch' }]]);
  });

  test('of another disk than the one that is meant is greeted, and neither votes nor takes WAL (A7)', () => {
    const { state, effects } = run(LED, greetingOf(Membership.settled(4, [{ ...ME, incarnation: 'a life before' }])));
    expect(effects.at(-1)).toMatchObject({ kind: 'send', message: { kind: 'greetingResponse' } });
    const asked = { ...VOTE_9, membershipGeneration: 4 } as const;
    expect(run(state, received(asked)).effects).toMatchObject([{ kind: 'refuse', code: 'MembershipMismatch' }]);
    expect(
      run(
        state,
        received({ ...asked, kind: 'electedRequest', startLsn: Lsn.of(100), termHistory: history([0, 100], [9, 100]) }),
      ).kinds,
    ).toEqual(['refuse']);
    expect(run(state, received({ ...APPEND_5, membershipGeneration: 4 })).kinds).toEqual(['refuse']);
  });

  test('is configured with a membership and a term, and answers what it then holds durably (A2, A9)', () => {
    const written200 = run(LED, append(5, 200, { size: 50 }), written(250, 240)).state;
    const { kinds, effects, state } = run(written200, configure(WITH_ME, 8));
    expect(kinds).toEqual(['flush', 'persist', 'refuse', 'answer']);
    const position = { membership: WITH_ME, term: 8, lastLogTerm: 5, flushLsn: 240 };
    expect(effects.at(-1)).toEqual({ kind: 'answer', request: 77, position });
    expect(run(state, configure(WITH_ME, 8)).kinds).toEqual(['answer']);
  });

  test('raises its term only in the generation that is meant, and tells its leader (A8, A9)', () => {
    const { state } = run(LED, configure(WITH_ME, 0));
    expect(run(state, configure(Membership.settled(3, [ME]), 9)).state).toEqual(state);
    const led = { ...state, leader: LEADER };
    expect(run(led, configure(WITH_ME, 9)).effects).toMatchObject([
      { kind: 'persist', state: { term: 9 } },
      { kind: 'send', session: LEADER, message: { term: 9, flushLsn: 0 } },
      { kind: 'answer', position: { term: 9 } },
    ]);
  });

  test('begins with what a donor holds, under its own name, and has voted for nothing of its own', () => {
    const donor = { ...LED, term: Term.of(7), termHistory: history([0, 100], [5, 100], [7, 300]) };
    const durable = AcceptorState.seed(AcceptorState.durable(donor), {
      safekeeperId: SafekeeperId.of(2),
      membership: WITH_ME,
      flushLsn: Lsn.of(200),
    });
    expect(durable).toMatchObject({
      safekeeperId: 2,
      term: 7,
      membership: WITH_ME,
      termHistory: history([0, 100], [5, 100]),
    });
  });

  test('takes what was chosen for committed, as far as it has it, and only of the term its log is of', () => {
    const chosen = (term: number, endLsn: number): AcceptorInput => ({
      kind: 'chosen',
      term: Term.of(term),
      endLsn: Lsn.of(endLsn),
    });
    expect(run(LED, chosen(5, 180)).state.commitLsn).toBe(180);
    expect(run(LED, chosen(5, 300)).state.commitLsn).toBe(200);
    expect(run(LED, chosen(4, 180)).state).toEqual(LED);
    const voted = run(LED, vote(7)).state;
    expect(run(voted, chosen(5, 180)).state.commitLsn).toBe(180);
    const overtaken = run(voted, elected(150, history([0, 100], [5, 100], [7, 150]))).state;
    expect(run(overtaken, chosen(5, 200)).state.commitLsn).toBe(100);
  });

  test('saves its commit LSN when WAL enters another segment, without making anyone wait', () => {
    const { effects } = run(
      LED,
      append(5, 200, { size: 900 }),
      written(1100),
      flushed(LED, 1100),
      append(5, 1100, { commitLsn: 1100 }),
    );
    expect(effects.filter(({ kind }) => kind === 'persist')).toMatchObject([
      { wait: false, state: { commitLsn: 1100 } },
    ]);
  });
});

describe('A10: what another safekeeper knows to be committed', () => {
  /** Saves that may lag are left out. */
  const runLearning = (...args: Parameters<typeof run>) => {
    const { state, effects } = run(...args);
    return {
      state,
      kinds: effects.filter((effect) => effect.kind !== 'persist' || effect.wait).map(({ kind }) => kind),
    };
  };
  const learned = (termHistory: TermHistory, endLsn: number, { startLsn = endLsn, size = 0 } = {}): AcceptorInput => ({
    kind: 'learned',
    termHistory,
    endLsn: Lsn.of(endLsn),
    startLsn: Lsn.of(startLsn),
    bytes: new Uint8Array(size),
  });
  /** Its log ends at 200; the last of it was written in term 5, from 150 on. */
  const alone = acceptor({ end: 200, term: Term.of(5), termHistory: history([0, 100], [5, 150]) });

  it('of the same log is appended at its end, and committed as far as it is durable', () => {
    const committed = history([0, 100], [5, 150]);
    const { state, kinds } = runLearning(alone, learned(committed, 260, { startLsn: 200, size: 60 }), written(260));
    expect(kinds).toEqual(['write']);
    expect(state).toMatchObject({ commitLsn: 200, writeLsn: 260, flushLsn: 200 });
    const { state: durable, kinds: after } = runLearning(state, flushed(state, 260));
    expect(durable).toMatchObject({ commitLsn: 260, flushLsn: 260 });
    // Nobody is told: it confirms nothing.
    expect(after).toEqual([]);
  });

  it('of a log that this one is not a prefix of cuts it first, then is adopted durably, and only then written', () => {
    const committed = history([0, 100], [6, 160]);
    const { state, effects } = run(alone, learned(committed, 300));
    expect(effects.map(({ kind }) => kind)).toEqual(['truncate', 'persist']);
    expect(effects[0]).toMatchObject({ endLsn: 150 });
    expect(effects[1]).toMatchObject({ wait: true, state: { term: 6, termHistory: committed } });
    expect(state).toMatchObject({ term: 6, writeLsn: 150, flushLsn: 150, commitLsn: 150, leader: undefined });
    expect(run(state, learned(committed, 300, { startLsn: 150, size: 150 })).kinds).toEqual(['write']);
  });

  it('keeps a vote for a later term, and the terms that wrote nothing of it are left out', () => {
    const voted = { ...alone, term: Term.of(9) };
    const { state } = run(voted, learned(history([0, 100], [5, 150], [7, 250], [8, 300]), 300));
    expect(state).toMatchObject({ term: 9, termHistory: history([0, 100], [5, 150], [7, 250]), commitLsn: 200 });
  });

  it('that is here already is committed here, and nothing else changes', () => {
    const { state, kinds } = runLearning(alone, learned(history([0, 100], [5, 150]), 180));
    expect([state.commitLsn, kinds]).toEqual([180, []]);
    const shorter = runLearning(alone, learned(history([0, 100]), 140));
    expect([shorter.state.commitLsn, shorter.state.termHistory, shorter.kinds]).toEqual([140, alone.termHistory, []]);
  });

  it('is passed over while somebody leads, by one that is no member, of another place, and beyond what is committed', () => {
    const committed = history([0, 100], [5, 150]);
    const led = { ...alone, leader: LEADER };
    expect(run(led, learned(committed, 260, { startLsn: 200, size: 60 }))).toMatchObject({ state: led, kinds: [] });
    const member = { safekeeperId: SafekeeperId.of(2), incarnation: 'other' };
    const stranger = { ...alone, membership: Membership.settled(4, [member]) };
    expect(run(stranger, learned(committed, 260)).state).toBe(stranger);
    expect(runLearning(alone, learned(committed, 260, { startLsn: 210, size: 50 })).kinds).toEqual([]);
    expect(runLearning(alone, learned(committed, 260, { startLsn: 200, size: 61 })).kinds).toEqual([]);
  });

  it('that contradicts what is committed here, or is behind this log, is not believed', () => {
    const committedHere = { ...alone, commitLsn: Lsn.of(180) };
    for (const claim of [learned(history([0, 100], [6, 160]), 300), learned(history([1, 90]), 300)]) {
      const { state, kinds } = run(committedHere, claim);
      expect([state.flushLsn, state.termHistory, kinds]).toEqual([200, alone.termHistory, []]);
    }
    // Term 5 has all that was committed before it: term 4 cannot go on behind its start.
    const { state } = run(alone, learned(history([0, 100], [4, 120]), 300));
    expect([state.flushLsn, state.termHistory]).toEqual([200, alone.termHistory]);
  });

  it('makes durable first what was written, since the common point counts from it', () => {
    const writing = { ...alone, writeLsn: Lsn.of(240), writeRecordLsn: Lsn.of(230) };
    const { state, kinds } = run(writing, learned(history([0, 100], [5, 150], [6, 230]), 300));
    expect(kinds).toEqual(['flush', 'truncate', 'persist']);
    expect(state).toMatchObject({ flushLsn: 230, writeLsn: 230, commitLsn: 230, term: 6 });
  });
});

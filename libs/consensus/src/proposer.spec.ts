import { Lsn, SafekeeperId, SystemId, TenantId, Term, TimelineId } from '@neon/kernel';
import { Membership } from './membership';
import { APPEND_SIZE_MAX, type AcceptorMessage, type AppendRequest } from './message';
import { Proposer } from './proposer';
import { DEFAULT_TIMING, type ProposerEffect, type ProposerInput, type ProposerState } from './proposer-state';
import { EAGER_SIZE_MIN, IN_FLIGHT_MAX, UNCOMMITTED_MAX } from './stream';
import { TermHistory } from './term-history';

const IDS = [1, 2, 3].map((id) => SafekeeperId.of(id));
const [A, B, C] = IDS as [SafekeeperId, SafekeeperId, SafekeeperId];
const membershipGeneration = 1;
const START = 1000;

const CREATED = Proposer.create({
  identity: {
    tenantId: TenantId.parse('aa'.repeat(16)),
    timelineId: TimelineId.parse('bb'.repeat(16)),
    pgMajor: 17,
    systemId: SystemId.parse('1'),
    walSegmentSize: 16 << 20,
  },
  membership: Membership.founding(membershipGeneration),
  safekeepers: IDS,
  token: 'token',
  timing: DEFAULT_TIMING,
});

const history = (...entries: readonly (readonly [term: number, startLsn: number])[]) =>
  TermHistory.of(entries.map(([term, startLsn]) => ({ term: Term.of(term), startLsn: Lsn.of(startLsn) })));

const tick: ProposerInput = { kind: 'tick', random: 0 };
const connected = (safekeeper: SafekeeperId): ProposerInput => ({ kind: 'connected', safekeeper });
const from = (safekeeper: SafekeeperId, message: AcceptorMessage): ProposerInput => ({
  kind: 'received',
  safekeeper,
  message,
});
const greetingOf = (safekeeperId: SafekeeperId) =>
  ({
    kind: 'greetingResponse',
    membership: Membership.founding(membershipGeneration),
    safekeeperId,
    incarnation: `disk of ${safekeeperId}`,
    term: Term.ZERO,
  }) as const;
const greeting = (id: SafekeeperId, term = 4) => from(id, { ...greetingOf(id), term: Term.of(term) });
const vote = (
  id: SafekeeperId,
  { term = 5, granted = true, flushLsn = START, termHistory = history([0, 100], [4, 500]) } = {},
) =>
  from(id, {
    kind: 'voteResponse',
    membershipGeneration,
    term: Term.of(term),
    granted,
    flushLsn: Lsn.of(flushLsn),
    truncateLsn: Lsn.of(100),
    termHistory,
  });
const progress = (id: SafekeeperId, flushLsn: number, { term = 5, durableLsn = flushLsn } = {}) =>
  from(id, {
    kind: 'appendResponse',
    membershipGeneration,
    term: Term.of(term),
    flushLsn: Lsn.of(flushLsn),
    durableLsn: Lsn.of(durableLsn),
    commitLsn: Lsn.ZERO,
  });
const wal = (startLsn: number, size: number): ProposerInput => ({
  kind: 'walAvailable',
  startLsn: Lsn.of(startLsn),
  bytes: new Uint8Array(size),
});

function run(state: ProposerState, ...inputs: readonly ProposerInput[]) {
  const effects: ProposerEffect[] = [];
  let current = state;
  for (const input of inputs) {
    const step = Proposer.step(current, input);
    current = step.state;
    effects.push(...step.effects);
  }
  return { state: current, effects };
}

const sent = (effects: readonly ProposerEffect[], id: SafekeeperId) =>
  effects.flatMap((effect) => (effect.kind === 'send' && effect.safekeeper === id ? [effect.message] : []));
const appends = (effects: readonly ProposerEffect[], id: SafekeeperId): AppendRequest[] =>
  sent(effects, id).flatMap((message) => (message.kind === 'appendRequest' ? [message] : []));
const kinds = (effects: readonly ProposerEffect[]) => effects.map(({ kind }) => kind);

const NOTHING = new Uint8Array(0);
const GREETED = run(CREATED, ...IDS.map(connected), ...IDS.map((id) => greeting(id))).state;
const ELECTED = run(GREETED, vote(A), vote(B), vote(C)).state;
const RECOVERED = run(ELECTED, ...IDS.map((id) => progress(id, START))).state;

describe('a proposer that campaigns', () => {
  test('goes above every term it has heard (P1)', () => {
    const { effects } = run(CREATED, ...IDS.map(connected), greeting(A, 4), greeting(B, 9), greeting(C, 2));
    expect(sent(effects, A).at(-1)).toMatchObject({ kind: 'voteRequest', term: 10 });
  });

  test('waits a little for stragglers when a quorum has greeted, and no longer (P1)', () => {
    const quorum = run(CREATED, connected(A), connected(B), greeting(A), greeting(B));
    expect(kinds(quorum.effects)).toEqual(['send', 'send']);
    const later = run(quorum.state, tick, tick);
    expect(sent(later.effects, A)).toMatchObject([{ kind: 'voteRequest', term: 5 }]);
  });

  test('greets those anew that have waited for a quorum to greet, and for as long as it does not (P1)', () => {
    const patience = Array.from({ length: DEFAULT_TIMING.campaign }, () => tick);
    const waited = run(CREATED, connected(A), greeting(A), ...patience.slice(1));
    expect(kinds(waited.effects)).toEqual(['send']);
    const outdated = run(waited.state, tick);
    expect(outdated.effects).toMatchObject([{ kind: 'disconnect', safekeeper: A }]);
    expect(
      kinds(run(outdated.state, connected(A), greeting(A), connected(B), greeting(B), tick, tick).effects),
    ).toEqual(['send', 'send', 'send', 'send']);
    expect(kinds(run(GREETED, ...patience.slice(1)).effects)).not.toContain('disconnect');
  });

  test('is not elected by a minority', () => {
    expect(kinds(run(GREETED, vote(A), vote(B, { granted: false, term: 5 })).effects)).toEqual([]);
  });

  test('starts its term at the end of the log with the highest last term, though another is longer (P2)', () => {
    const longer = vote(A, { flushLsn: 2000, termHistory: history([0, 100], [3, 500]) });
    const { effects } = run(GREETED, longer, vote(B, { flushLsn: 1500 }));
    expect(effects[0]).toEqual({ kind: 'elected', term: 5, startLsn: 1500 });
    expect(sent(effects, A)).toMatchObject([{ kind: 'electedRequest', startLsn: 500 }]);
    expect(sent(effects, B)).toMatchObject([{ kind: 'electedRequest', startLsn: 1500 }]);
  });

  test('campaigns again, higher, when it was refused', () => {
    const refused = run(GREETED, vote(A), vote(B, { granted: false, term: 8 }), vote(C, { granted: false, term: 8 }));
    const { effects } = run(refused.state, ...Array.from({ length: DEFAULT_TIMING.campaign }, () => tick));
    expect(sent(effects, A)).toMatchObject([{ kind: 'voteRequest', term: 9 }]);
  });

  test('passes over a vote of a campaign that is over', () => {
    const again = run(GREETED, ...Array.from({ length: DEFAULT_TIMING.campaign }, () => tick)).state;
    expect(kinds(run(again, vote(A), vote(B), vote(C)).effects)).toEqual([]);
  });

  test('disconnects a safekeeper that votes with a log that cannot be, and is elected by the others (P10)', () => {
    const lies = [vote(A, { termHistory: history([0, 100], [5, 500]) }), vote(A, { flushLsn: 99 })];
    for (const lie of lies) {
      const lied = run(GREETED, lie);
      expect(lied.effects).toMatchObject([{ kind: 'disconnect', safekeeper: A }]);
      expect(kinds(run(lied.state, vote(B), vote(C)).effects)).toContain('elected');
    }
  });

  test('disconnects a safekeeper that is another than it should be', () => {
    const { effects } = run(CREATED, connected(A), from(A, greetingOf(B)));
    expect(effects.at(-1)).toMatchObject({ kind: 'disconnect', safekeeper: A });
  });
});

describe('a proposer that leads', () => {
  test('commits nothing before a quorum has confirmed the start of its term (P5)', () => {
    expect(kinds(run(ELECTED, progress(A, START)).effects)).toEqual([]);
    expect(run(ELECTED, progress(A, START), progress(B, START)).effects).toEqual([{ kind: 'committed', lsn: START }]);
  });

  test('commits what a quorum has flushed, and each LSN once (P5)', () => {
    const written = run(RECOVERED, wal(START, 100)).state;
    expect(run(written, progress(A, 1100)).effects).toEqual([]);
    expect(run(written, progress(A, 1100), progress(B, 1060)).effects).toEqual([{ kind: 'committed', lsn: 1060 }]);
    expect(run(written, progress(A, 1100), progress(B, 1060), progress(C, 1060)).effects).toHaveLength(1);
  });

  test('does not count what was confirmed in another term (P5)', () => {
    expect(kinds(run(ELECTED, progress(A, START, { term: 4 }), progress(B, START, { term: 4 })).effects)).toEqual([]);
  });

  test('sends WAL at once, in pieces of the size of an append', () => {
    const { effects } = run(RECOVERED, wal(START, 300_000));
    const sizes = appends(effects, A).map(({ bytes }) => bytes.length);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(APPEND_SIZE_MAX);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(300_000);
  });

  describe('a little WAL behind what is not committed (P11)', () => {
    const first = run(RECOVERED, wal(START, 100));
    const second = run(first.state, wal(START + 100, 30), wal(START + 130, 20));
    const rest = [{ startLsn: START + 100, bytes: new Uint8Array(50) }];

    test('waits for the commit, and leaves as one, for those that are behind too', () => {
      expect(appends(first.effects, A)).toMatchObject([{ startLsn: START, bytes: new Uint8Array(100) }]);
      expect(second.effects).toEqual([]);
      expect([first, second].map(({ state }) => Proposer.holdsWal(state))).toEqual([false, true]);
      const answered = run(second.state, progress(A, START + 100));
      expect(answered.effects).toEqual([]);
      const committed = run(answered.state, progress(B, START + 100));
      expect(IDS.map((id) => appends(committed.effects, id))).toMatchObject(IDS.map(() => rest));
      expect(run(committed.state, progress(C, START + 100)).effects).toEqual([]);
    });

    test.each([{ kind: 'idle' } as const, tick])('waits no longer than for the next moment: $kind', (moment) => {
      const { state, effects } = run(second.state, moment);
      expect(IDS.map((id) => appends(effects, id))).toMatchObject(IDS.map(() => rest));
      expect(Proposer.holdsWal(state)).toBe(false);
      expect(run(state, moment).effects).toEqual([]);
    });

    test('waits on while only a part of what was sent before is durable', () => {
      const durable = [A, B].map((id) => progress(id, START, { durableLsn: START + 60 }));
      expect(run(second.state, ...durable).effects).toEqual([]);
    });

    test('leaves at once with much of it', () => {
      const { effects } = run(second.state, wal(START + 150, EAGER_SIZE_MIN - 50));
      expect(appends(effects, A).reduce((sum, { bytes }) => sum + bytes.length, 0)).toBe(EAGER_SIZE_MIN);
    });
  });

  test('tells the commit LSN to idle safekeepers at the next tick, and then is silent', () => {
    const committed = run(RECOVERED, tick, wal(START, 100), ...IDS.map((id) => progress(id, 1100))).state;
    const { state, effects } = run(committed, tick);
    expect(appends(effects, B)).toMatchObject([{ commitLsn: 1100, startLsn: 1100 }]);
    expect(run(state, tick).effects).toEqual([]);
  });

  test('tells it at once to those that have not heard it with WAL, when there is nothing to append', () => {
    const committed = run(
      RECOVERED,
      { kind: 'idle' },
      wal(START, 100),
      progress(A, START + 100),
      progress(B, START + 100),
    );
    const told = run(committed.state, { kind: 'idle' }).effects;
    expect(IDS.map((id) => appends(told, id))).toMatchObject(
      IDS.map(() => [{ bytes: NOTHING, commitLsn: START + 100 }]),
    );
    const { state } = run(committed.state, { kind: 'idle' });
    expect(run(state, { kind: 'idle' }).effects).toEqual([]);
    expect(run(committed.state, wal(START + 100, 50), { kind: 'idle' }).effects).toHaveLength(IDS.length);
    expect(state.tick).toBe(committed.state.tick);
  });

  test('takes the term alone for no position (P5)', () => {
    const { state, effects } = run(ELECTED, progress(A, START), progress(B, 0), progress(C, 0));
    expect(kinds(effects)).not.toContain('committed');
    expect(state.peers.get(B)).toMatchObject({ kind: 'streaming', flushLsn: undefined });
  });

  test('keeps what is in flight to one safekeeper bounded (P6)', () => {
    const { state, effects } = run(
      RECOVERED,
      ...Array.from({ length: 10 }, (_, i) => wal(START + i * 1_000_000, 1_000_000)),
    );
    const bytesInFlight = appends(effects, A).reduce((sum, { bytes }) => sum + bytes.length, 0);
    expect(bytesInFlight).toBeGreaterThanOrEqual(IN_FLIGHT_MAX);
    expect(bytesInFlight).toBeLessThan(IN_FLIGHT_MAX + APPEND_SIZE_MAX);
    expect(appends(run(state, progress(A, START + 500_000)).effects, A).length).toBeGreaterThan(0);
  });

  test('wants no more WAL while too much is uncommitted (P6)', () => {
    expect(Proposer.wantsWal(ELECTED)).toBe(false);
    expect(Proposer.wantsWal(RECOVERED)).toBe(true);
    const full = run(RECOVERED, wal(START, UNCOMMITTED_MAX)).state;
    expect(Proposer.wantsWal(full)).toBe(false);
    expect(Proposer.wantsWal(run(full, progress(A, START + 1_000_000), progress(B, START + 1_000_000)).state)).toBe(
      true,
    );
  });

  test('holds no WAL in memory that every safekeeper has (P6)', () => {
    const { state } = run(RECOVERED, wal(START, 1_000_000), ...IDS.map((id) => progress(id, START + 1_000_000)));
    expect(state.window.blocks.length).toBeLessThanOrEqual(1);
  });

  test('fetches from the donor what a lagging safekeeper lacks, and sends it on (P4, P7)', () => {
    const lagging = vote(C, { flushLsn: 600 });
    const { state, effects } = run(GREETED, vote(A), vote(B), lagging);
    expect(effects.at(-1)).toEqual({ kind: 'fetchWal', startLsn: 600, endLsn: START, donor: A, term: 5 });
    const fetched = run(state, {
      kind: 'walFetched',
      term: Term.of(5),
      startLsn: Lsn.of(600),
      bytes: new Uint8Array(400),
    });
    expect(appends(fetched.effects, C).map(({ startLsn, bytes }) => [startLsn, bytes.length])).toEqual([[600, 400]]);
  });

  test('asks again when a fetch failed, and takes no answer to a question of another term (P7)', () => {
    const { state } = run(GREETED, vote(A), vote(B), vote(C, { flushLsn: 600 }));
    const stale = run(state, {
      kind: 'walFetched',
      term: Term.of(4),
      startLsn: Lsn.of(600),
      bytes: new Uint8Array(400),
    });
    expect(stale.effects).toEqual([]);
    expect(kinds(run(state, { kind: 'fetchFailed', term: Term.of(5) }, tick).effects)).toContain('fetchWal');
  });

  test('reads for another safekeeper when what the first one lacks cannot be had, and comes back to it (P7)', () => {
    const { state } = run(GREETED, vote(A), vote(B, { flushLsn: 800 }), vote(C, { flushLsn: 600 }));
    const failed = { kind: 'fetchFailed', term: Term.of(5) } as const;
    const starts: number[] = [];
    let at = state;
    for (let round = 0; round < 4; round++) {
      const next = run(at, failed, tick);
      at = next.state;
      for (const effect of next.effects) if (effect.kind === 'fetchWal') starts.push(effect.startLsn);
    }
    expect(starts).toEqual([600, 800, 600, 800]);
  });

  test('brings back a safekeeper that reconnects, from where it is (P4)', () => {
    const written = run(RECOVERED, wal(START, 100), progress(A, 1100), progress(B, 1100)).state;
    const terms = history([0, 100], [4, 500], [5, START]);
    const { effects } = run(
      written,
      { kind: 'disconnected', safekeeper: C },
      connected(C),
      greeting(C, 5),
      vote(C, { granted: false, flushLsn: 1040, termHistory: terms }),
    );
    expect(sent(effects, C).slice(-2)).toMatchObject([
      { kind: 'electedRequest', startLsn: 1040 },
      { kind: 'appendRequest', startLsn: 1040, commitLsn: 1100 },
    ]);
  });

  test('is deposed by a higher term, for good (P8)', () => {
    const { state, effects } = run(RECOVERED, progress(A, START, { term: 6 }));
    expect(effects).toEqual([{ kind: 'deposed', term: 6 }]);
    expect(run(state, progress(A, START), progress(B, START), tick, wal(START, 10)).effects).toEqual([]);
  });

  test('campaigns again above a higher term as long as it has committed nothing (P8)', () => {
    const { state, effects } = run(ELECTED, progress(C, START, { term: 9 }));
    expect(sent(effects, A)).toMatchObject([{ kind: 'voteRequest', term: 10 }]);
    expect(run(state, vote(A, { term: 10 }), vote(C, { term: 10 })).effects[0]).toMatchObject({
      kind: 'elected',
      term: 10,
    });
  });

  test('disconnects a safekeeper that confirms WAL which it was not sent, and counts none of it (P10)', () => {
    const { state } = run(RECOVERED, wal(START, 80), progress(A, START + 80));
    for (const lie of [progress(B, START + 81), progress(B, START, { durableLsn: START + 81 })]) {
      const lied = run(state, lie);
      expect(lied.effects).toMatchObject([{ kind: 'disconnect', safekeeper: B }]);
      expect(lied.state.commitLsn).toBe(START);
      expect(run(lied.state, progress(C, START + 80)).effects).toContainEqual({ kind: 'committed', lsn: START + 80 });
    }
  });

  test('disconnects a safekeeper that is silent too long', () => {
    const ticks = Array.from({ length: DEFAULT_TIMING.silence }, () => tick);
    expect(kinds(run(RECOVERED, ...ticks).effects)).toContain('disconnect');
  });

  test('disconnects a safekeeper whose log is of another timeline (P4)', () => {
    const { effects } = run(GREETED, vote(A), vote(B), vote(C, { termHistory: history([0, 200]) }));
    expect(effects.at(-1)).toMatchObject({ kind: 'disconnect', safekeeper: C });
  });
});

describe('a proposer in a changing membership', () => {
  const D = SafekeeperId.of(4);
  const member = (safekeeperId: SafekeeperId, incarnation = `disk of ${safekeeperId}`) => ({
    safekeeperId,
    incarnation,
  });
  const SETTLED = Membership.settled(
    membershipGeneration,
    IDS.map((id) => member(id)),
  );
  /** C is dead; D takes its place. */
  const JOINT = Membership.joint(SETTLED, [member(A), member(B), member(D)]);
  const told = (id: SafekeeperId, membership: Membership, { term = 5, incarnation = `disk of ${id}` } = {}) =>
    from(id, { ...greetingOf(id), membership, incarnation, term: Term.of(term) });
  const inGeneration = (generation: number, input: ProposerInput): ProposerInput =>
    input.kind === 'received' && input.message.kind !== 'sessionRefused' && input.message.kind !== 'greetingResponse'
      ? { ...input, message: { ...input.message, membershipGeneration: generation } }
      : input;
  const JOINT_VOTE = (id: SafekeeperId, term = 6) => inGeneration(2, vote(id, { term }));
  /** Greeted one after the other: what the first one tells ends the sessions that began before. */
  const greetedIn = (membership: Membership, ...ids: readonly SafekeeperId[]) =>
    run(CREATED, ...ids.flatMap((id) => [connected(id), told(id, membership)]), tick, tick, tick);
  const JOINT_GREETED = greetedIn(JOINT, A, B, D);

  test('takes on the membership that a greeting tells, ends all other sessions, and says so (P9)', () => {
    const { state, effects } = run(RECOVERED, { kind: 'disconnected', safekeeper: A }, connected(A), told(A, JOINT));
    expect(kinds(effects)).toEqual(['send', 'membershipChanged', 'disconnect', 'disconnect', 'send']);
    expect(sent(effects, A).at(-1)).toMatchObject({ kind: 'voteRequest', membershipGeneration: 2, term: 5 });
    expect([state.membership, state.phase.kind, state.commitLsn]).toEqual([JOINT, 'leading', START]);
  });

  test('begins its campaign again in a membership that it learns of (P9)', () => {
    const { state, effects } = run(
      GREETED,
      vote(A),
      { kind: 'disconnected', safekeeper: B },
      connected(B),
      told(B, JOINT),
    );
    expect(state.phase).toEqual({ kind: 'collecting', campaignTick: undefined });
    expect(kinds(effects)).not.toContain('elected');
    expect(state.peers.get(A)).toEqual({ kind: 'disconnected' });
  });

  test('greets with what it has learned', () => {
    expect(sent(run(JOINT_GREETED.state, connected(C)).effects, C)).toMatchObject([{ membership: JOINT }]);
  });

  test('campaigns above the terms of a quorum of each set, and no sooner (P1, P9)', () => {
    expect(sent(greetedIn(JOINT, A, B).effects, A).at(-1)).toMatchObject({ kind: 'voteRequest' });
    const strangers = Membership.joint(SETTLED, [member(D), member(SafekeeperId.of(5)), member(SafekeeperId.of(6))]);
    expect(sent(greetedIn(strangers, A, B).effects, A).map(({ kind }) => kind)).toEqual(['greetingRequest']);
  });

  test('is elected by a quorum of each set (P2, P9)', () => {
    const asked = greetedIn(Membership.joint(SETTLED, [member(D)]), A, B, D);
    const old = run(asked.state, ...[A, B].map((id) => JOINT_VOTE(id)));
    expect(kinds(old.effects)).not.toContain('elected');
    expect(run(old.state, JOINT_VOTE(D)).effects[0]).toMatchObject({ kind: 'elected', term: 6 });
  });

  test('commits what a quorum of each set has flushed (P5, P9)', () => {
    const asked = greetedIn(Membership.joint(SETTLED, [member(D)]), A, B, D).state;
    const elected = run(asked, ...[A, B, D].map((id) => JOINT_VOTE(id))).state;
    const confirmed = (id: SafekeeperId) => inGeneration(2, progress(id, START, { term: 6 }));
    expect(run(elected, confirmed(A), confirmed(B)).effects).toEqual([]);
    expect(run(elected, confirmed(A), confirmed(D)).effects).toEqual([]);
    expect(run(elected, confirmed(A), confirmed(B), confirmed(D)).effects).toEqual([{ kind: 'committed', lsn: START }]);
  });

  test('neither asks nor counts a stranger, or a disk that is not the one that is meant (P9)', () => {
    const { state, effects } = run(JOINT_GREETED.state, connected(C), told(C, JOINT, { incarnation: 'another disk' }));
    expect(state.peers.get(C)).toEqual({ kind: 'stranger' });
    expect(sent(effects, C).map(({ kind }) => kind)).toEqual(['greetingRequest']);
    const voted = run(state, JOINT_VOTE(A), JOINT_VOTE(C), JOINT_VOTE(D));
    expect(kinds(voted.effects)).not.toContain('elected');
    expect(kinds(run(voted.state, JOINT_VOTE(B)).effects)).toContain('elected');
  });

  test('counts a disk that replaces another in its own set alone (P9)', () => {
    const replaced = Membership.joint(SETTLED, [member(A), member(B), member(C, 'its second disk')]);
    const second = told(C, replaced, { incarnation: 'its second disk' });
    const asked = run(CREATED, ...[A, C].map(connected), told(A, replaced), connected(C), second, tick, tick, tick);
    expect(sent(asked.effects, A).map(({ kind }) => kind)).toEqual(['greetingRequest']);
  });

  test('ends a session in another generation (P9)', () => {
    expect(kinds(run(RECOVERED, inGeneration(2, progress(A, START))).effects)).toEqual(['disconnect']);
    expect(kinds(run(JOINT_GREETED.state, vote(A, { term: 6 })).effects)).toEqual(['disconnect']);
  });
});

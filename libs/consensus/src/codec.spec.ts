import fc from 'fast-check';
import { ByteReadError, FrameDecoder, Lsn, SafekeeperId, SystemId, TenantId, Term, TimelineId } from '@neon/kernel';
import {
  FRAME_SIZE_MAX,
  VersionUnsupported,
  decodeAcceptorMessage,
  decodeProposerMessage,
  encodeAcceptorMessage,
  encodeProposerMessage,
} from './codec';
import { MEMBERS_MAX, Membership } from './membership';
import { APPEND_SIZE_MAX, type AcceptorMessage, type ProposerMessage, REFUSAL_CODES } from './message';
import { TermHistory } from './term-history';

const number = fc.nat(Number.MAX_SAFE_INTEGER);
const lsn = number.map(Lsn.of);
const term = fc.maxSafeNat().map((value) => Term.of(value % 2 ** 52));
const generation = fc.nat(0xffff_ffff);
const id = fc.uint8Array({ minLength: 16, maxLength: 16 });
const termHistory = fc.array(fc.tuple(fc.nat(1000), fc.nat(1e12)), { maxLength: 20 }).map((steps) =>
  steps.reduce<TermHistory>(
    (history, [termStep, lsnStep]) => {
      const last = TermHistory.last(history);
      return TermHistory.append(history, Term.of(last.term + 1 + termStep), Lsn.advance(last.startLsn, lsnStep));
    },
    TermHistory.start(Lsn.of(16)),
  ),
);

const safekeeperId = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }).map(SafekeeperId.of);
const members = fc.uniqueArray(fc.record({ safekeeperId, incarnation: fc.string() }), {
  minLength: 1,
  maxLength: MEMBERS_MAX,
  selector: (member) => member.safekeeperId,
});
const membership: fc.Arbitrary<Membership> = fc.oneof(
  generation.map(Membership.founding),
  fc.tuple(generation, members).map(([number, list]) => Membership.settled(number, list)),
  fc
    .tuple(fc.nat(0xffff_fffe), members, members)
    .map(([number, list, newMembers]) => Membership.joint(Membership.settled(number, list), newMembers)),
);

const greetingRequest = {
  kind: fc.constant('greetingRequest' as const),
  membership,
  identity: fc.record({
    tenantId: id.map(TenantId.fromBytes),
    timelineId: id.map(TimelineId.fromBytes),
    pgMajor: fc.nat(0xffff),
    systemId: fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn }).map(SystemId.fromBigInt),
    walSegmentSize: fc.nat(0xffff_ffff),
  }),
  token: fc.string(),
};
const proposerMessage: fc.Arbitrary<ProposerMessage> = fc.oneof(
  fc.record(greetingRequest),
  fc.record({ ...greetingRequest, traceparent: fc.string() }),
  fc.record({ kind: fc.constant('voteRequest' as const), membershipGeneration: generation, term }),
  fc.record({
    kind: fc.constant('electedRequest' as const),
    membershipGeneration: generation,
    term,
    startLsn: lsn,
    termHistory,
  }),
  fc.record({
    kind: fc.constant('appendRequest' as const),
    membershipGeneration: generation,
    term,
    startLsn: lsn,
    commitLsn: lsn,
    truncateLsn: lsn,
    bytes: fc.uint8Array(),
  }),
);

const acceptorMessage: fc.Arbitrary<AcceptorMessage> = fc.oneof(
  fc.record({
    kind: fc.constant('greetingResponse' as const),
    membership,
    safekeeperId,
    incarnation: fc.string(),
    term,
  }),
  fc.record({
    kind: fc.constant('voteResponse' as const),
    membershipGeneration: generation,
    term,
    granted: fc.boolean(),
    flushLsn: lsn,
    truncateLsn: lsn,
    termHistory,
  }),
  fc.record({
    kind: fc.constant('appendResponse' as const),
    membershipGeneration: generation,
    term,
    flushLsn: lsn,
    durableLsn: lsn,
    commitLsn: lsn,
  }),
  fc.record({
    kind: fc.constant('sessionRefused' as const),
    code: fc.constantFrom(...REFUSAL_CODES),
    reason: fc.string(),
  }),
);

/** What may stand behind a position; a message cut before it is one without. */
const feedback = fc.record(
  {
    fullness: fc.integer({ min: 0, max: 100 }),
    pageserver: fc.record({ receivedLsn: lsn, durableLsn: lsn }),
  },
  { requiredKeys: [] },
);

const frameOf = (bytes: Uint8Array) => [...new FrameDecoder(FRAME_SIZE_MAX).push(bytes)][0]!;

describe('consensus messages', () => {
  test('decode to what was encoded (C1)', () => {
    fc.assert(
      fc.property(proposerMessage, (message) => {
        expect(decodeProposerMessage(frameOf(encodeProposerMessage(message)))).toEqual(message);
      }),
    );
    fc.assert(
      fc.property(acceptorMessage, (message) => {
        expect(decodeAcceptorMessage(frameOf(encodeAcceptorMessage(message)))).toEqual(message);
      }),
    );
  });

  test('a position tells what slows a writer down, as far as it has to: fullness in percent (C1, C2)', () => {
    const position = { membershipGeneration: 1, term: Term.of(1), flushLsn: Lsn.of(8), commitLsn: Lsn.of(8) };
    const message = { kind: 'appendResponse' as const, ...position, durableLsn: Lsn.of(9) };
    fc.assert(
      fc.property(feedback, (told) => {
        const whole = { ...message, ...told };
        expect(decodeAcceptorMessage(frameOf(encodeAcceptorMessage(whole)))).toEqual(whole);
      }),
    );
    const frame = frameOf(encodeAcceptorMessage({ ...message, fullness: 73 }));
    frame.payload[frame.payload.length - 1] = 101;
    expect(() => decodeAcceptorMessage(frame)).toThrow(ByteReadError);
  });

  test('any other bytes are refused as such, whatever they are (C2)', () => {
    const tag = fc.constantFrom(0, 1, 2, 3, 4, 5, 0x81, 0x82, 0x83, 0x84, 0xff);
    fc.assert(
      fc.property(tag, fc.uint8Array({ maxLength: 200 }), (tagByte, payload) => {
        for (const decode of [decodeProposerMessage, decodeAcceptorMessage])
          try {
            decode({ tag: tagByte, payload });
          } catch (error) {
            expect(error).toBeInstanceOf(ByteReadError);
          }
      }),
      { numRuns: 2000 },
    );
  });

  test('a message that is cut anywhere is refused (C2)', () => {
    fc.assert(
      fc.property(acceptorMessage, fc.nat(), (message, cut) => {
        const { tag, payload } = frameOf(encodeAcceptorMessage(message));
        expect(() => decodeAcceptorMessage({ tag, payload: payload.subarray(0, cut % payload.length) })).toThrow(
          ByteReadError,
        );
      }),
    );
  });

  test('a term that leaves none above it is refused: whoever is told of it must find a higher one (C2)', () => {
    const { payload, tag } = frameOf(
      encodeProposerMessage({ kind: 'voteRequest', membershipGeneration: 1, term: Term.of(2 ** 52) }),
    );
    expect(decodeProposerMessage({ tag, payload })).toMatchObject({ term: 2 ** 52 });
    new DataView(payload.buffer, payload.byteOffset).setBigUint64(4, 2n ** 53n - 1n);
    expect(() => decodeProposerMessage({ tag, payload })).toThrow(ByteReadError);
  });

  test('a greeting of another version is refused as such, whatever follows its version (C3)', () => {
    const payload = Uint8Array.of(0, 0, 0, 1, 0, 1, 99);
    expect(() => decodeProposerMessage({ tag: 1, payload })).toThrow(new VersionUnsupported(1));
    expect(() => decodeProposerMessage({ tag: 1, payload: payload.subarray(0, 5) })).not.toThrow(VersionUnsupported);
  });

  test('a membership of too many, of none, or of an unknown kind is refused (C2)', () => {
    const { tag, payload } = frameOf(
      encodeAcceptorMessage({
        kind: 'greetingResponse',
        membership: Membership.settled(1, [{ safekeeperId: SafekeeperId.of(1), incarnation: '' }]),
        safekeeperId: SafekeeperId.of(1),
        incarnation: '',
        term: Term.ZERO,
      }),
    );
    const kindOffset = payload.length - (1 + 1 + 8 + 4);
    for (const [offset, value] of [
      [kindOffset, 3],
      [kindOffset + 1, 0],
      [kindOffset + 1, MEMBERS_MAX + 1],
    ] as const) {
      const changed = payload.slice();
      changed[offset] = value;
      expect(() => decodeAcceptorMessage({ tag, payload: changed })).toThrow(ByteReadError);
    }
  });

  test('a history of more entries than the message has room for is refused before it is read (C2)', () => {
    const message = {
      kind: 'electedRequest' as const,
      membershipGeneration: 1,
      term: Term.of(1),
      startLsn: Lsn.ZERO,
      termHistory: TermHistory.start(Lsn.ZERO),
    };
    const { tag, payload } = frameOf(encodeProposerMessage(message));
    new DataView(payload.buffer, payload.byteOffset).setUint32(4 + 8 + 8, 0xffff_ffff);
    expect(() => decodeProposerMessage({ tag, payload })).toThrow(ByteReadError);
  });

  test('the history of 100,000 terms that wrote WAL fits into an election, and ten times as many would', () => {
    const entries = Array.from({ length: 100_000 }, (_, term) => ({
      term: Term.of(term),
      startLsn: Lsn.of(8 * term),
    }));
    const termHistory = TermHistory.of(entries);
    const base = { membershipGeneration: 1, term: Term.of(100_000), termHistory };
    const elected = encodeProposerMessage({ ...base, kind: 'electedRequest', startLsn: Lsn.ZERO });
    expect(10 * frameOf(elected).payload.length).toBeLessThan(FRAME_SIZE_MAX);
    const position = { flushLsn: Lsn.of(800_000), truncateLsn: Lsn.ZERO };
    const voted = encodeAcceptorMessage({ ...base, ...position, kind: 'voteResponse', granted: true });
    expect(decodeAcceptorMessage(frameOf(voted))).toMatchObject({ kind: 'voteResponse', granted: true });
  });

  test('the largest append fits into a frame, a larger one is refused', () => {
    const append = (size: number) =>
      encodeProposerMessage({
        kind: 'appendRequest',
        membershipGeneration: 1,
        term: Term.of(1),
        startLsn: Lsn.ZERO,
        commitLsn: Lsn.ZERO,
        truncateLsn: Lsn.ZERO,
        bytes: new Uint8Array(size),
      });
    expect(decodeProposerMessage(frameOf(append(APPEND_SIZE_MAX))).kind).toBe('appendRequest');
    expect(() => decodeProposerMessage(frameOf(append(APPEND_SIZE_MAX + 1)))).toThrow(ByteReadError);
  });
});

/**
 * The wire fuzzer: what a proposer and a safekeeper say to each other, changed, against the code of either side.
 *
 *   WF1  However a stream of bytes is cut, it yields the same messages and the same end: `ByteReadError` or nothing.
 *   WF2  A message that is read is written again with the same bytes.
 *   WF3  Whatever a safekeeper is told, it only answers or refuses, its commit LSN and term never fall, and nothing that is
 *        committed is cut off.
 *   WF4  Whatever one of three safekeepers answers, the proposer commits only what another one holds, byte for byte.
 *   WF5  When it tells the truth again, a leader that had committed commits the rest; unless it was told of a higher term.
 *   WF6  A case is a function of its seed; a failure does not end the run, and its input can be kept and run again.
 *
 * What a safekeeper says of the membership is believed by design (`docs/protocols/safekeeper.md`), and not changed here.
 */
import {
  FRAME_SIZE_MAX,
  type ProposerMessage,
  decodeAcceptorMessage,
  decodeProposerMessage,
  encodeAcceptorMessage,
  encodeProposerMessage,
} from '@neon/consensus';
import { ByteReadError, type Frame, FrameDecoder, Lsn, SafekeeperId, assert } from '@neon/kernel';
import { SeededRandom } from '../seeded-random';
import { type Conversation, cut, mutate, mutateBytes, withLength } from './mutate';
import { type Lie, type ToyRun, runToyCompute } from './toy-compute';
import { ToySafekeeper } from './toy-safekeeper';

export interface WireInput {
  /** To a safekeeper: what it is sent. Of a liar: what it answers, an empty one for the truth. */
  readonly kind: 'to safekeeper' | 'of liar';
  readonly messages: readonly Uint8Array[];
  /** Of how the stream is cut, and of who is slow. */
  readonly seed: number;
}

export interface WireFailure {
  readonly seed: number;
  readonly violation: string;
  readonly input: WireInput;
}

export interface WireFuzzOptions {
  readonly seed: number;
  readonly more: (caseCount: number) => boolean;
  readonly failed: (failure: WireFailure) => void;
  readonly check?: (input: WireInput) => void;
}

const HONEST: Lie = (answer) => answer;
/** Of so many answers the liar changes some. */
const LIES_MAX = 40;

let recorded: ToyRun | undefined;
/** What a proposer says to one safekeeper from its greeting on, and what it hears. */
export const recordedConversation = (): ToyRun => (recorded ??= runToyCompute(HONEST));

export function runWireFuzz({ seed, more, failed, check = checkWireInput }: WireFuzzOptions) {
  let [caseCount, failureCount] = [0, 0];
  const kinds = new Set<string>();
  for (; more(caseCount); caseCount++) {
    const input = wireCase(seed + caseCount);
    try {
      check(input);
    } catch (error) {
      failureCount++;
      const violation = error instanceof Error ? error.message : String(error);
      const kind = violation.replaceAll(/\d+/g, '#');
      if (!kinds.has(kind)) failed({ seed: seed + caseCount, violation, input });
      kinds.add(kind);
    }
  }
  return { caseCount, failureCount };
}

/** WF6. */
export function wireCase(seed: number): WireInput {
  const random = new SeededRandom(seed);
  const { asked, answered } = recordedConversation();
  if (random.chance(0.7)) return { kind: 'to safekeeper', seed, messages: fitting(mutate(asked, random), random) };
  const lies = Array.from({ length: LIES_MAX }, (_, index) => {
    if (!random.chance(0.3)) return new Uint8Array(0);
    const answer = random.chance(0.7) ? answered[index] : answered[random.between(0, answered.length)];
    const changed = answer === undefined || random.chance(0.1) ? answer : mutateBytes(answer, random);
    return withLength(changed ?? random.bytes(20));
  });
  return { kind: 'of liar', seed, messages: lies };
}

/** Mostly frames are whole, so that what is in them is read. */
const fitting = (messages: Uint8Array[], random: SeededRandom): Uint8Array[] =>
  random.chance(0.8) ? messages.map(withLength) : messages;

/** @throws Error when a promise is broken */
export function checkWireInput(input: WireInput): void {
  if (input.kind === 'to safekeeper') return checkSafekeeper(input);
  const { messages, seed } = input;
  const lie: Lie = (answer, index) => ((messages[index]?.length ?? 0) > 0 ? (messages[index] ?? answer) : answer);
  const { commitLsn, endLsn, isDeposed } = runToyCompute(lie, seed);
  const hasLed = commitLsn !== Lsn.ZERO;
  assert(!hasLed || isDeposed || (commitLsn === endLsn && endLsn !== Lsn.ZERO), 'WF5: the rest is committed');
}

function checkSafekeeper({ messages, seed }: WireInput): void {
  const whole = read([Buffer.concat(messages)], decodeProposerMessage);
  const pieces = read(cut(messages, new SeededRandom(seed)), decodeProposerMessage);
  assert(whole.text === pieces.text, `WF1: ${whole.text} in one piece, ${pieces.text} in others`);
  const safekeeper = new ToySafekeeper(SafekeeperId.of(1));
  for (const message of whole.read) {
    for (const answer of safekeeper.receive(1, message)) {
      assert(sameMessage(encodeAcceptorMessage(answer), decodeAcceptorMessage, encodeAcceptorMessage), 'WF2');
      if (answer.kind === 'sessionRefused') return;
    }
  }
}

interface ReadStream {
  readonly read: readonly ProposerMessage[];
  readonly text: string;
}

function read(pieces: Conversation, decode: (frame: Frame) => ProposerMessage): ReadStream {
  const decoder = new FrameDecoder(FRAME_SIZE_MAX);
  const messages: ProposerMessage[] = [];
  let end = 'open';
  try {
    for (const piece of pieces)
      for (const frame of decoder.push(piece)) {
        const message = decode(frame);
        const written = encodeProposerMessage(message);
        const isSame = written[4] === frame.tag && Buffer.compare(written.subarray(5), frame.payload) === 0;
        assert(isSame, `WF2: ${message.kind} is written otherwise than it was read`);
        messages.push(message);
      }
  } catch (error) {
    if (!(error instanceof ByteReadError)) throw error;
    end = error.message;
  }
  return { read: messages, text: `${messages.map(({ kind }) => kind).join(' ')} ${end}` };
}

function sameMessage<T>(bytes: Uint8Array, decode: (frame: Frame) => T, encode: (message: T) => Uint8Array): boolean {
  const [frame] = new FrameDecoder(FRAME_SIZE_MAX).push(bytes);
  return frame !== undefined && Buffer.compare(encode(decode(frame)), bytes) === 0;
}

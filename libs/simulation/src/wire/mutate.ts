/**
 * Changes to one side of a conversation, which is a list of messages as they go over the wire: to the bytes of one, or to
 * which messages there are.
 *
 *   MU1  The result is a function of the conversation and the random source; the conversation is left as it is.
 */
import type { SeededRandom } from '../seeded-random';

export type Conversation = readonly Uint8Array[];

/** Lengths, terms, LSNs, generations and counts at which something changes its meaning. */
const EDGES: readonly [bigint, ...bigint[]] = [
  0n,
  1n,
  2n,
  0x7fn,
  0xffn,
  0xffffn,
  0x1_0000n,
  0x0100_0000n,
  0x0100_0001n,
  0x7fff_ffffn,
  0xffff_ffffn,
  0x1f_ffff_ffff_ffffn,
  0x20_0000_0000_0000n,
  0x7fff_ffff_ffff_ffffn,
  0xffff_ffff_ffff_ffffn,
];

/** MU1: a few changes. */
export function mutate(conversation: Conversation, random: SeededRandom): Uint8Array[] {
  let messages = [...conversation];
  for (let count = random.between(1, 4); count > 0; count--) messages = mutateOnce(messages, conversation, random);
  return messages;
}

function mutateOnce(messages: Conversation, original: Conversation, random: SeededRandom): Uint8Array[] {
  const at = random.between(0, messages.length);
  const message = messages[at];
  if (message === undefined) return [...original];
  const replaced = (...by: Uint8Array[]): Uint8Array[] => [...messages.slice(0, at), ...by, ...messages.slice(at + 1)];
  switch (random.between(0, 8)) {
    case 0:
      return replaced();
    case 1:
      return replaced(message, message);
    case 2:
      return replaced(message, original[random.between(0, original.length)] ?? message);
    case 3: {
      const other = random.between(0, messages.length);
      return messages.map((each, index) =>
        index === at ? (messages[other] ?? each) : index === other ? message : each,
      );
    }
    case 4:
      return messages.slice(0, at + 1);
    default:
      return replaced(mutateBytes(message, random));
  }
}

/** The first bytes, where lengths, tags and fields lie, more often than the rest. */
export function mutateBytes(message: Uint8Array, random: SeededRandom): Uint8Array {
  const reach = random.pick([8, 24, 64, message.length]);
  const at = random.between(0, Math.max(1, Math.min(reach, message.length)));
  const bytes = new Uint8Array(message);
  const view = new DataView(bytes.buffer);
  switch (random.between(0, 7)) {
    case 0:
      bytes[at] = (bytes[at] ?? 0) ^ (1 << random.between(0, 8));
      return bytes;
    case 1:
      bytes[at] = random.between(0, 256);
      return bytes;
    case 2:
      if (at + 4 <= bytes.length) view.setUint32(at, Number(random.pick(EDGES) & 0xffff_ffffn));
      return bytes;
    case 3:
      if (at + 8 <= bytes.length) view.setBigUint64(at, random.pick(EDGES));
      return bytes;
    case 4:
      if (at + 8 <= bytes.length)
        view.setBigUint64(at, view.getBigUint64(at) + random.pick([1n, 8n, 0x2000n, 1n << 24n]));
      return bytes;
    case 5:
      return bytes.slice(0, at);
    default: {
      const added = Uint8Array.from({ length: random.between(1, 40) }, () => random.between(0, 256));
      return Uint8Array.from([...bytes.subarray(0, at), ...added, ...bytes.subarray(at)]);
    }
  }
}

/** A frame of `u32 length | …` whose length fits again after its bytes were changed, so that what is in it is read. */
export function withLength(frame: Uint8Array): Uint8Array {
  if (frame.length < 5) return frame;
  const fitting = new Uint8Array(frame);
  new DataView(fitting.buffer).setUint32(0, frame.length - 4);
  return fitting;
}

/** All bytes of a conversation, cut anywhere. */
export function cut(conversation: Conversation, random: SeededRandom): Uint8Array[] {
  const whole = Buffer.concat(conversation);
  const pieces: Uint8Array[] = [];
  // Byte by byte takes its time.
  const sizeMax = random.pick([whole.length > 5_000 ? 5_000 : 1, 100, 5_000, whole.length + 1]);
  for (let at = 0; at < whole.length;) {
    const size = random.between(1, sizeMax + 1);
    pieces.push(whole.subarray(at, at + size));
    at += size;
  }
  return pieces;
}

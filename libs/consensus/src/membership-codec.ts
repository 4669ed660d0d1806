/**
 * Bytes of a membership, in greetings and in control files. Layout: `docs/protocols/safekeeper.md`.
 *
 * The generation goes first or lies elsewhere, where every message has it; the body is the rest.
 */
import { ByteReadError, type ByteReader, type ByteWriter, SafekeeperId, unreachable } from '@neon/kernel';
import { MEMBERS_MAX, type Member, Membership } from './membership';

const KIND = { founding: 0, settled: 1, joint: 2 } as const;

export function writeMembership(writer: ByteWriter, membership: Membership): void {
  writer.u32(membership.generation);
  writeMembershipBody(writer, membership);
}

/** @throws ByteReadError */
export const readMembership = (reader: ByteReader): Membership => readMembershipBody(reader, reader.u32());

export function writeMembershipBody(writer: ByteWriter, membership: Membership): void {
  writer.u8(KIND[membership.kind]);
  switch (membership.kind) {
    case 'founding':
      return;
    case 'settled':
      return writeMembers(writer, membership.members);
    case 'joint':
      writeMembers(writer, membership.members);
      return writeMembers(writer, membership.newMembers);
    default:
      return unreachable(membership);
  }
}

export function readMembershipBody(reader: ByteReader, generation: number): Membership {
  const kind = reader.u8();
  switch (kind) {
    case KIND.founding:
      return Membership.founding(generation);
    case KIND.settled:
      return Membership.settled(generation, readMembers(reader));
    case KIND.joint: {
      const from = Membership.settled(generation - 1, readMembers(reader));
      return Membership.joint(from, readMembers(reader));
    }
    default:
      throw new ByteReadError(`unknown kind of membership ${kind}`);
  }
}

function writeMembers(writer: ByteWriter, members: readonly Member[]): void {
  writer.u8(members.length);
  for (const { safekeeperId, incarnation } of members) writer.u64(safekeeperId).text(incarnation);
}

function readMembers(reader: ByteReader): readonly Member[] {
  const count = reader.u8();
  if (count > MEMBERS_MAX) throw new ByteReadError(`a membership of ${count} safekeepers`);
  return Array.from({ length: count }, () => ({
    safekeeperId: SafekeeperId.of(reader.safeU64()),
    incarnation: reader.text(),
  }));
}

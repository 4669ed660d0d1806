/**
 * Multixacts, pg_multixact (access/transam/multixact.c): where each one's members begin, and the members.
 *
 *   J1  Creating a multixact writes its own offset and that of the next one, which minor releases since February 2026 require to
 *       tell where a multixact's members end; for earlier ones the second is what they will write themselves.
 *   J2  Members lie in groups of four: a status byte each, then an xid each; 409 groups a page.
 */
import { Corrupt } from '@neon/kernel';
import { readU32, writeU16, writeU32 } from '../page/little-endian';
import { RMGR_INFO_MASK } from '../wal/layout';
import type { WalRecord } from '../wal/record';
import type { Change, Slru } from './change';
import { DeltaKind, readEntry } from './delta';
import {
  MultixactOperation,
  advanceMemberOffset,
  nextMultixactId,
  parseMultixactCreation,
  parseMultixactTruncation,
  type MultixactCreation,
} from './multixact-record';
import { SLRU_ENTRIES_PER_PAGE, readSlruPage, zeroPage } from './slru';

const OFFSETS_PER_PAGE = SLRU_ENTRIES_PER_PAGE['multixact-offsets'];
const MEMBERS_PER_PAGE = SLRU_ENTRIES_PER_PAGE['multixact-members'];
const OFFSET_ENTRY_SIZE = 6;
const MEMBERS_AT = 3;
const MEMBER_ENTRY_SIZE = 5;
const GROUP_SIZE = 20;
const MEMBERS_PER_GROUP = 4;

const offsetsPage = (id: number): number => Math.floor(id / OFFSETS_PER_PAGE);
const membersPage = (offset: number): number => Math.floor(offset / MEMBERS_PER_PAGE);

export function multixactChanges(record: WalRecord, changes: Change[]): void {
  const zero = (slru: Slru): Change => zeroPage(slru, readSlruPage(record, slru));
  switch (record.info & RMGR_INFO_MASK) {
    case MultixactOperation.ZERO_OFFSETS:
      changes.push(zero('multixact-offsets'));
      break;
    case MultixactOperation.ZERO_MEMBERS:
      changes.push(zero('multixact-members'));
      break;
    case MultixactOperation.CREATE: {
      const creation = parseMultixactCreation(record);
      changes.push(...offsetChanges(creation), ...memberChanges(creation));
      break;
    }
    default:
      changes.push(...truncations(record));
  }
}

const slruDelta = (slru: Slru, page: number, delta: Uint8Array): Change => ({
  kind: 'page-delta',
  page: { kind: 'slru', slru, page },
  willInit: false,
  delta,
});

function offsetChanges({ id, offset, xids }: MultixactCreation): Change[] {
  const entries = [
    { id, offset },
    { id: nextMultixactId(id), offset: advanceMemberOffset(offset, xids.length) },
  ];
  const pages = new Set(entries.map((entry) => offsetsPage(entry.id)));
  return [...pages].map((page) => {
    const own = entries.filter((entry) => offsetsPage(entry.id) === page);
    const delta = new Uint8Array(1 + own.length * OFFSET_ENTRY_SIZE);
    delta[0] = DeltaKind.MULTIXACT_OFFSETS;
    own.forEach((entry, i) => {
      writeU16(delta, 1 + i * OFFSET_ENTRY_SIZE, entry.id % OFFSETS_PER_PAGE);
      writeU32(delta, 3 + i * OFFSET_ENTRY_SIZE, entry.offset);
    });
    return slruDelta('multixact-offsets', page, delta);
  });
}

/** One change for each page that the members touch; they are consecutive, going round at 2^32. */
function memberChanges({ offset, xids, statuses }: MultixactCreation): Change[] {
  const changes: Change[] = [];
  for (let i = 0; i < xids.length;) {
    const first = (offset + i) >>> 0;
    const untilRound = 0x1_0000_0000 - first;
    const count = Math.min(xids.length - i, MEMBERS_PER_PAGE - (first % MEMBERS_PER_PAGE), untilRound);
    const delta = new Uint8Array(MEMBERS_AT + count * MEMBER_ENTRY_SIZE);
    delta[0] = DeltaKind.MULTIXACT_MEMBERS;
    writeU16(delta, 1, first % MEMBERS_PER_PAGE);
    for (let k = 0; k < count; k++) {
      const at = MEMBERS_AT + k * MEMBER_ENTRY_SIZE;
      writeU32(delta, at, xids[i + k] as number);
      delta[at + 4] = statuses[i + k] as number;
    }
    changes.push(slruDelta('multixact-members', membersPage(first), delta));
    i += count;
  }
  return changes;
}

/** Offsets are cut one multixact early, as Postgres does: the page of the very next one may not exist yet. */
function truncations(record: WalRecord): Change[] {
  const { endId, startMember, endMember } = parseMultixactTruncation(record);
  const lastGone = endId === 1 ? 0xffff_ffff : endId - 1;
  return [
    {
      kind: 'slru-truncate',
      slru: 'multixact-members',
      firstPage: membersPage(endMember),
      fromPage: membersPage(startMember),
    },
    { kind: 'slru-truncate', slru: 'multixact-offsets', firstPage: offsetsPage(lastGone) },
  ];
}

export function applyMultixactOffsets(page: Uint8Array, delta: Uint8Array): void {
  for (let at = 1; at < delta.length; at += OFFSET_ENTRY_SIZE)
    writeU32(page, readEntry(delta, at, OFFSETS_PER_PAGE) * 4, readU32(delta, at + 2));
}

export function applyMultixactMembers(page: Uint8Array, delta: Uint8Array): void {
  let member = readEntry(delta, 1, MEMBERS_PER_PAGE);
  const count = Math.floor((delta.length - MEMBERS_AT) / MEMBER_ENTRY_SIZE);
  if (member + count > MEMBERS_PER_PAGE) throw new Corrupt(`${count} multixact members from ${member} on one page`);
  for (let at = MEMBERS_AT; at + MEMBER_ENTRY_SIZE <= delta.length; at += MEMBER_ENTRY_SIZE, member++) {
    const group = Math.floor(member / MEMBERS_PER_GROUP) * GROUP_SIZE;
    const inGroup = member % MEMBERS_PER_GROUP;
    page[group + inGroup] = delta[at + 4] as number;
    writeU32(page, group + MEMBERS_PER_GROUP + inGroup * 4, readU32(delta, at));
  }
}

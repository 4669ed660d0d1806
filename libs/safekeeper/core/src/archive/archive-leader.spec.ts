import { Lsn, SafekeeperId, TimelineId } from '@neon/kernel';
import {
  type ArchiveCandidate,
  BEGIN_LAG_BYTES_MAX,
  CONTINUE_LAG_BYTES_MAX,
  SILENCE_MS_MAX,
  archiveLeader,
} from './archive-leader';

const TIMELINE = TimelineId.parse('ab'.repeat(16));
const IDS = [1, 2, 3].map(SafekeeperId.of);
const MOST = Lsn.parse('1/0');

const candidate = (id: number, change: Partial<ArchiveCandidate> = {}): ArchiveCandidate => ({
  safekeeperId: SafekeeperId.of(id),
  commitLsn: MOST,
  isArchiving: false,
  heardMs: 0,
  ...change,
});
const behind = (bytes: number): Lsn => Lsn.of(MOST - bytes);
const all = IDS.map((id) => candidate(id));

describe('who puts WAL into the archive', () => {
  test('is the same for all who have heard the same, in whatever order (LE2)', () => {
    const leaders = [all, [...all].reverse()].map((candidates) => archiveLeader(TIMELINE, candidates, 0));
    expect(new Set(leaders).size).toBe(1);
    expect(archiveLeader(TIMELINE, [], 0)).toBeUndefined();
  });

  test('is spread over the safekeepers', () => {
    const counts = new Map<number | undefined, number>();
    for (let index = 0; index < 300; index++) {
      const leader = archiveLeader(TimelineId.parse(index.toString(16).padStart(32, '0')), all, 0);
      counts.set(leader, (counts.get(leader) ?? 0) + 1);
    }
    for (const id of IDS) expect(counts.get(id)).toBeGreaterThan(60);
  });

  test('stays who it is as others go and come', () => {
    const leader = archiveLeader(TIMELINE, all, 0);
    const others = all.filter(({ safekeeperId }) => safekeeperId !== leader);
    expect(archiveLeader(TIMELINE, [...others.slice(1), candidate(leader ?? 0)], 0)).toBe(leader);
  });

  test('is nobody who is silent, or far behind', () => {
    const leader = archiveLeader(TIMELINE, all, 0);
    const changed = (change: Partial<ArchiveCandidate>): ArchiveCandidate[] =>
      all.map((each) => (each.safekeeperId === leader ? { ...each, ...change } : { ...each, heardMs: 100_000 }));
    expect(archiveLeader(TIMELINE, changed({ heardMs: 100_000 - SILENCE_MS_MAX }), 100_000)).toBe(leader);
    expect(archiveLeader(TIMELINE, changed({ heardMs: 99_999 - SILENCE_MS_MAX }), 100_000)).not.toBe(leader);
    const lagging = { heardMs: 100_000, commitLsn: behind(BEGIN_LAG_BYTES_MAX + 1) };
    expect(archiveLeader(TIMELINE, changed(lagging), 100_000)).not.toBe(leader);
  });

  test('goes on while it lags a little, and not when it lags much (LE3)', () => {
    for (const id of IDS) {
      const lagging = (bytes: number): ArchiveCandidate[] =>
        all.map((each) => (each.safekeeperId === id ? { ...each, isArchiving: true, commitLsn: behind(bytes) } : each));
      expect(archiveLeader(TIMELINE, lagging(CONTINUE_LAG_BYTES_MAX), 0)).toBe(id);
      expect(archiveLeader(TIMELINE, lagging(CONTINUE_LAG_BYTES_MAX + 1), 0)).not.toBe(id);
    }
  });

  test('is one of two who both say that they do, the same for both', () => {
    const both = [candidate(1, { isArchiving: true }), candidate(3, { isArchiving: true }), candidate(2)];
    const leader = archiveLeader(TIMELINE, both, 0);
    expect([1, 3]).toContain(leader);
    expect(archiveLeader(TIMELINE, [...both].reverse(), 0)).toBe(leader);
  });
});

/** Timelines that come, go, and cannot be read. */
import { Corrupt, Lsn, Unavailable } from '@neon/kernel';
import { Fork } from '@neon/postgres';
import { MemoryStore, openMemoryPageserver, timelineName } from '../memory-pageserver';
import { INDEX_FILE } from '../timeline/timeline-index';
import type { Pageserver, TimelineRequest } from './pageserver';

const ROOT = timelineName(1);
const BRANCH = timelineName(2);
const OTHER = timelineName(3);
const bootstrap: TimelineRequest = { mode: 'bootstrap', pgMajor: 17 };
const branch: TimelineRequest = { mode: 'branch', ancestorTimelineId: ROOT.timelineId, at: { kind: 'head' } };
const leave = () => Promise.resolve();
const open = (store: MemoryStore): Promise<Pageserver> => openMemoryPageserver({ store, applyDelta: () => undefined });

let store: MemoryStore;
let pageserver: Pageserver;
beforeEach(async () => {
  store = new MemoryStore();
  pageserver = await open(store);
  await pageserver.create(ROOT, bootstrap);
  await pageserver.create(BRANCH, branch);
  await pageserver.create(OTHER, bootstrap);
});

describe('a deletion whose files cannot be removed (S5)', () => {
  beforeEach(async () => {
    jest.spyOn(store, 'remove').mockRejectedValueOnce(new Unavailable('too many open files'));
    await expect(pageserver.delete(BRANCH, leave)).rejects.toThrow(Unavailable);
  });

  it('is not done: the timeline answers nothing, counts as a branch, and is not made again', async () => {
    expect(pageserver.find(BRANCH)).toBeUndefined();
    expect(store.timelines.has(BRANCH.timelineId)).toBe(true);
    await expect(pageserver.delete(ROOT, leave)).rejects.toMatchObject({ code: 'TimelineHasChildren' });
    await expect(pageserver.create(BRANCH, branch)).rejects.toMatchObject({ code: 'TimelineExists' });
  });

  it('is done when it is asked for again', async () => {
    const left: unknown[] = [];
    await pageserver.delete(BRANCH, async (timeline) => void left.push(timeline.index.timelineId));
    expect(left).toEqual([BRANCH.timelineId]);
    expect(store.timelines.has(BRANCH.timelineId)).toBe(false);
    await pageserver.delete(ROOT, leave);
    expect((await open(store)).all().map(({ index }) => index.timelineId)).toEqual([OTHER.timelineId]);
  });

  it('is answered after one that is under way', async () => {
    let goOn = (): void => undefined;
    const first = pageserver.delete(BRANCH, () => new Promise((resolve) => (goOn = resolve)));
    let isDone = false;
    const second = pageserver.delete(BRANCH, leave).then(() => (isDone = true));
    await new Promise(setImmediate);
    expect(isDone).toBe(false);
    goOn();
    await Promise.all([first, second]);
    expect(store.timelines.has(BRANCH.timelineId)).toBe(false);
  });
});

describe('a timeline whose index cannot be read (S6)', () => {
  const damage = (name: typeof ROOT): void => {
    const { contents } = store.filesOf(name);
    const index = Uint8Array.from(contents.get(INDEX_FILE) ?? []);
    index[40] = (index[40] ?? 0) ^ 1;
    contents.set(INDEX_FILE, index);
  };

  it('is not opened, nor is what was branched from it; the others are', async () => {
    damage(ROOT);
    const files = [...store.filesOf(ROOT).contents.keys()];
    const again = await open(store);
    expect(again.all().map(({ index }) => index.timelineId)).toEqual([OTHER.timelineId]);
    expect(again.damagedTimelines.map(({ name }) => name)).toEqual([ROOT, BRANCH]);
    for (const name of [ROOT, BRANCH]) expect(() => again.get(name)).toThrow(Corrupt);
    await expect(again.create(ROOT, bootstrap)).rejects.toThrow(Corrupt);
    expect([...store.filesOf(ROOT).contents.keys()]).toEqual(files);
  });

  it('may be a branch of any other, until it is deleted (S3)', async () => {
    damage(BRANCH);
    const again = await open(store);
    await expect(again.delete(ROOT, leave)).rejects.toMatchObject({ code: 'TimelineHasChildren' });
    await again.delete(BRANCH, leave);
    await again.delete(ROOT, leave);
    expect([...store.timelines.keys()]).toEqual([OTHER.timelineId]);
  });

  it('is one whose index is gone, when it has layers of its own; a creation that was interrupted leaves nothing', async () => {
    const root = pageserver.get(ROOT);
    const relation = { tablespaceOid: 1663, databaseOid: 5, relationNumber: 100 };
    const { lastRecordLsn: lsn } = root;
    const changes = [{ kind: 'relation-create', relation, fork: Fork.MAIN }] as const;
    await root.apply({ lsn, endLsn: Lsn.advance(lsn, 8), changes, tracked: [] });
    await root.writeOut();
    for (const name of [ROOT, OTHER]) store.filesOf(name).contents.delete(INDEX_FILE);
    const again = await open(store);
    expect(again.damagedTimelines.map(({ name }) => name)).toEqual([ROOT, BRANCH]);
    expect(store.timelines.has(OTHER.timelineId)).toBe(false);
  });
});

/** Records that have their checksum and do not fit: what a timeline does that meets one, and what it still answers. */
import { Corrupt, Lsn, SystemId, Unavailable } from '@neon/kernel';
import { Fork, type RecordDraft, type RelationId, WalEncoder, applyDelta } from '@neon/postgres';
import { basebackup } from '../basebackup/basebackup';
import { compact } from '../compaction/compact';
import { DEFAULT_COMPACTION, planCompaction } from '../compaction/plan-compaction';
import { relationPagePrefix } from '../key/key';
import { LayerMap } from '../layer/layer-map';
import { DELTA, IMAGE } from '../layer/value';
import { MemoryStore, TEMPLATE_LSN, TEMPLATE_PREV_LSN, openMemoryPageserver, timelineName } from '../memory-pageserver';
import { type ApplyDelta, PAGE_SIZE, RedoFailure } from '../read/page-content';
import type { Pageserver } from '../tenant/pageserver';
import { readPages } from './page-request';
import type { Timeline } from './timeline';
import { WalIngest } from './wal-ingest';

const never = new AbortController().signal;
const RELATION: RelationId = { tablespaceOid: 1663, databaseOid: 5, relationNumber: 16384 };
const INDEX: RelationId = { ...RELATION, relationNumber: 16385 };
const [HEAP, BTREE, TRANSACTION] = [10, 11, 1];
const COMPACTION = { ...DEFAULT_COMPACTION, level0Count: 1, deltasPerKey: 1 };

/** xl_heap_insert of a tuple of eight bytes; the first on a page builds it. */
const insert = (block: number, offsetNumber: number): RecordDraft => ({
  rmid: HEAP,
  info: offsetNumber === 1 ? 0x80 : 0,
  xid: 700,
  main: Uint8Array.of(offsetNumber, offsetNumber >> 8, 0),
  blocks: [
    {
      id: 0,
      relation: RELATION,
      block,
      willInit: offsetNumber === 1,
      data: Uint8Array.of(1, 0, 0, 8, 24, 0, 1, 2, 3, 4, 5, 6, 7, 8),
    },
  ],
});
const commit: RecordDraft = { rmid: TRANSACTION, info: 0, xid: 700, main: new Uint8Array(8) };
/** xl_btree_delete of one line pointer on a page that was never written. */
const deleteMissing: RecordDraft = {
  rmid: BTREE,
  info: 0x70,
  main: Uint8Array.of(0, 0, 0, 0, 1, 0, 0, 0),
  blocks: [{ id: 0, relation: INDEX, block: 0, data: Uint8Array.of(7, 0) }],
};

const brokenCommit: RecordDraft = { ...commit, main: new Uint8Array(3) };

/** A timeline's safekeeper: the WAL from the template on, by record. */
class Wal {
  private readonly encoder = new WalEncoder({
    major: 17,
    segmentSize: 16 << 20,
    startLsn: TEMPLATE_LSN,
    prevLsn: TEMPLATE_PREV_LSN,
    systemId: SystemId.parse('1'),
  });
  private bytes = new Uint8Array(0);

  /** @returns where the record begins and ends */
  append(draft: RecordDraft): { lsn: Lsn; endLsn: Lsn } {
    const { bytes, recordLsn, endLsn } = this.encoder.append(draft);
    this.bytes = Uint8Array.from([...this.bytes, ...bytes]);
    return { lsn: recordLsn, endLsn };
  }

  async feed(timeline: Timeline): Promise<void> {
    await timeline.recheck();
    const ingest = await WalIngest.resume(timeline, {});
    await ingest.push(this.bytes.subarray(timeline.lastRecordLsn - TEMPLATE_LSN));
  }
}

interface Opened {
  readonly pageserver: Pageserver;
  readonly timeline: Timeline;
  readonly stopped: string[];
}

async function open(store: MemoryStore, redo: ApplyDelta = applyDelta): Promise<Opened> {
  const stopped: string[] = [];
  const pageserver = await openMemoryPageserver({ store, applyDelta: redo, stopped });
  const timeline = await pageserver.create(timelineName(1), { mode: 'bootstrap', pgMajor: 17 });
  return { pageserver, timeline, stopped };
}

const pageAt = (timeline: Timeline, block: number, lsn: Lsn, relation = RELATION): Promise<Uint8Array[]> =>
  readPages(timeline, { relation, fork: Fork.MAIN, blocks: [block], lsn }, never);
const itemsOn = ([page = new Uint8Array(PAGE_SIZE)]: Uint8Array[]): number =>
  (new DataView(page.buffer, page.byteOffset).getUint16(12, true) - 24) / 4;

/** What a program does that knows the record: nothing, here. */
const fixed: ApplyDelta = (page, delta, context) => {
  try {
    applyDelta(page, delta, context);
  } catch {
    return;
  }
};

/** Two blocks, then an insert at an impossible place of the first, then more on the second. */
async function poisoned(store = new MemoryStore(), redo: ApplyDelta = applyDelta) {
  const opened = await open(store, redo);
  const wal = new Wal();
  wal.append(insert(0, 1));
  wal.append(insert(1, 1));
  const good = wal.append(commit).endLsn;
  const bad = wal.append(insert(0, 290));
  wal.append(insert(1, 2));
  const last = wal.append(commit).endLsn;
  await wal.feed(opened.timeline);
  return { ...opened, store, wal, good, bad, last };
}

const REASON =
  /^(timeline a{32}\/0{31}1: )?Heap\/INSERT at 0\/[0-9A-F]+ cannot be applied to relation 1663\/5\/16384 fork 0 block 0: cannot put item 290/;

describe('a page whose record does not fit it', () => {
  it('is an error each time it is read, and stops its timeline once', async () => {
    const { timeline, stopped, last, bad } = await poisoned();
    expect(timeline.stopped).toBeNull();
    for (const lsn of [last, bad.endLsn, last]) {
      const failure = await pageAt(timeline, 0, lsn).catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(RedoFailure);
      expect(failure).toBeInstanceOf(Corrupt);
      expect((failure as Error).message).toMatch(REASON);
      expect((failure as Error).message).toContain(
        `${timelineName(1).timelineId}: Heap/INSERT at ${Lsn.format(bad.lsn)}`,
      );
    }
    expect(stopped).toEqual([expect.stringMatching(REASON)]);
    expect(timeline.stopped).toBe(stopped[0]);
  });

  it('is as it was at every LSN before the record, and every other page at every LSN', async () => {
    const { timeline, good, bad, last } = await poisoned();
    await expect(pageAt(timeline, 0, last)).rejects.toThrow(REASON);
    expect(itemsOn(await pageAt(timeline, 0, good))).toBe(1);
    expect(itemsOn(await pageAt(timeline, 0, bad.lsn))).toBe(1);
    expect(itemsOn(await pageAt(timeline, 1, good))).toBe(1);
    expect(itemsOn(await pageAt(timeline, 1, last))).toBe(2);
    await expect(pageAt(timeline, 1, Lsn.advance(last, 8))).rejects.toThrow(/TimelineStopped|is stopped/);
  });

  it('ends ingest: nothing after it is applied, not even a record that is under way', async () => {
    const { timeline, wal, last } = await poisoned();
    wal.append(insert(1, 3));
    const ingest = await WalIngest.resume(timeline, {});
    const drop = { kind: 'relation-drop', relation: { ...RELATION, relationNumber: 1 } } as const;
    const endLsn = Lsn.advance(last, 8);
    const underway = timeline.apply({ lsn: last, endLsn, changes: [drop], tracked: [] });
    await expect(pageAt(timeline, 0, last)).rejects.toThrow(REASON);
    await expect(underway).rejects.toMatchObject({ code: 'TimelineStopped' });
    await ingest.push(new Uint8Array(0));
    expect(() => timeline.apply({ lsn: last, endLsn, changes: [], tracked: [] })).toThrow(/is stopped/);
    expect(timeline.lastRecordLsn).toBe(last);
  });

  it('leaves other timelines alone, and branches made before it', async () => {
    const { pageserver, timeline, good, last } = await poisoned();
    const other = await pageserver.create(timelineName(2), { mode: 'bootstrap', pgMajor: 17 });
    await expect(pageAt(timeline, 0, last)).rejects.toThrow(REASON);
    const branch = await pageserver.create(timelineName(3), {
      mode: 'branch',
      ancestorTimelineId: timelineName(1).timelineId,
      at: { kind: 'lsn', lsn: good },
    });
    for (const one of [other, branch]) {
      const lsn = one.lastRecordLsn;
      const page = { kind: 'relation', relation: RELATION, fork: Fork.MAIN, block: 0 } as const;
      const image = { kind: 'page-image', page, image: new Uint8Array(PAGE_SIZE).fill(1) } as const;
      if (one === branch) expect(itemsOn(await pageAt(branch, 0, lsn))).toBe(1);
      await one.apply({ lsn, endLsn: Lsn.advance(lsn, 8), changes: [image], tracked: [] });
      expect((await pageAt(one, 0, Lsn.advance(lsn, 8)))[0]?.[0]).toBe(1);
      expect(one.stopped).toBeNull();
    }
  });

  it('stops the branch that inherits it, when it is read there', async () => {
    const { pageserver, timeline, last } = await poisoned();
    const branch = await pageserver.create(timelineName(2), {
      mode: 'branch',
      ancestorTimelineId: timelineName(1).timelineId,
      at: { kind: 'lsn', lsn: last },
    });
    await expect(pageAt(branch, 0, last)).rejects.toThrow(/^timeline a{32}\/0{31}2: Heap\/INSERT/);
    expect([branch.stopped === null, timeline.stopped === null]).toEqual([false, true]);
  });

  it('costs compaction its image and nothing else', async () => {
    const { store, timeline, good, last, stopped } = await poisoned();
    await timeline.writeOut();
    for (const job of planCompaction(timeline.layerMap, COMPACTION, { force: true }))
      await compact(timeline, job, COMPACTION);
    expect(stopped).toHaveLength(1);
    expect(planCompaction(timeline.layerMap, COMPACTION, { force: true })).toEqual([]);
    const kinds = LayerMap.layers(timeline.layerMap).map(({ kind, level }) => `${kind} ${level}`);
    expect(kinds.sort()).toEqual(['delta 1', 'image 1', 'image 1']);
    expect(itemsOn(await pageAt(timeline, 1, last))).toBe(2);
    expect(itemsOn(await pageAt(timeline, 0, good))).toBe(1);
    await expect(pageAt(timeline, 0, last)).rejects.toThrow(REASON);
    // The deltas are all there for a program that knows the record.
    const { timeline: again } = await open(store, fixed);
    expect(itemsOn(await pageAt(again, 0, last))).toBe(1);
  });

  it('C4: leaves nothing behind of a compaction that failed', async () => {
    const { store, timeline } = await poisoned();
    await timeline.writeOut();
    const files = store.filesOf(timelineName(1));
    const [before, create] = [[...files.contents.keys()], files.create.bind(files)];
    let left = 2;
    files.create = () => (left-- > 0 ? create() : Promise.reject(new Unavailable('no space left')));
    const limits = { ...COMPACTION, layerSizeTarget: 1 };
    const [job] = planCompaction(timeline.layerMap, limits, { force: true });
    await expect(compact(timeline, job!, limits)).rejects.toThrow('no space left');
    expect([...files.contents.keys()]).toEqual(before);
    expect(left).toBeLessThan(0);
  });

  it('T7: stops its timeline again after a restart, before anything else is ingested, and nothing is lost', async () => {
    const { store, timeline, wal, last, good, bad } = await poisoned();
    await expect(pageAt(timeline, 0, bad.endLsn)).rejects.toThrow(REASON);
    await timeline.tick(0);
    expect(timeline.diskConsistentLsn).toBe(last);
    wal.append(insert(1, 3));
    const again = await open(store);
    await expect(wal.feed(again.timeline)).rejects.toThrow(REASON);
    expect(again.stopped).toEqual([timeline.stopped]);
    expect(again.timeline.lastRecordLsn).toBe(last);
    expect(itemsOn(await pageAt(again.timeline, 0, good))).toBe(1);
    expect(itemsOn(await pageAt(again.timeline, 1, last))).toBe(2);
    await again.timeline.tick(0);
    expect(again.timeline.index.unreadable).toEqual(timeline.index.unreadable);
  });

  it('T7: lets its timeline go on where it stopped under a program that can read it', async () => {
    const { store, timeline, wal, last } = await poisoned();
    await expect(pageAt(timeline, 0, last)).rejects.toThrow(REASON);
    await timeline.writeOut();
    const { endLsn } = wal.append(insert(1, 3));
    const again = await open(store, fixed);
    await wal.feed(again.timeline);
    expect(again.timeline.stopped).toBeNull();
    expect(again.timeline.index.unreadable).toBeNull();
    expect(itemsOn(await pageAt(again.timeline, 1, endLsn))).toBe(3);
  });

  it('is found after a crash that came before anything was written out', async () => {
    const { store, timeline, wal, last } = await poisoned();
    await expect(pageAt(timeline, 0, last)).rejects.toThrow(REASON);
    const again = await open(store);
    await wal.feed(again.timeline);
    expect(again.timeline.lastRecordLsn).toBe(last);
    await expect(pageAt(again.timeline, 0, last)).rejects.toThrow(REASON);
    expect(again.stopped).toEqual([timeline.stopped]);
  });

  it('T5: that is hot keeps its deltas, and the other hot pages get their images', async () => {
    const { timeline, stopped } = await open(new MemoryStore(), (page, _delta, context) => {
      if (context.page.kind === 'relation' && context.page.block === 0) throw new RangeError('a bug');
      page[0] = (page[0] ?? 0) + 1;
    });
    const deltas = [0, 1].map((block) => {
      const page = { kind: 'relation', relation: RELATION, fork: Fork.MAIN, block } as const;
      return { kind: 'page-delta', page, willInit: false, delta: Uint8Array.of(1) } as const;
    });
    const kindsOf = (block: number): number[] => {
      const kinds: number[] = [];
      const prefix = relationPagePrefix(RELATION, Fork.MAIN);
      timeline.memoryLayers[0]?.visit(prefix, block, timeline.lastRecordLsn, ({ kind }) => kinds.push(kind) > 0);
      return kinds;
    };
    for (let i = 0; i < 256; i++) {
      const lsn = timeline.lastRecordLsn;
      await timeline.apply({ lsn, endLsn: Lsn.advance(lsn, 8), changes: deltas, tracked: [] });
    }
    await timeline.ingested();
    expect(stopped).toEqual([expect.stringContaining('block 0: a bug')]);
    expect(kindsOf(0)[0]).toBe(DELTA);
    expect(kindsOf(1)[0]).toBe(IMAGE);
  });

  it('fails a basebackup when it is a page of an SLRU', async () => {
    const { timeline } = await open(new MemoryStore(), () => {
      throw new TypeError('a bug');
    });
    const wal = new Wal();
    const { endLsn } = wal.append(commit);
    await wal.feed(timeline);
    const asked = basebackup(timeline, { lsn: endLsn, head: true }, never);
    await expect(asked).rejects.toThrow(/delta CLOG_STATUS of the record that ends at .* xact page 0: a bug/);
    expect(timeline.stopped).toContain('a bug');
  });
});

describe('a record that cannot be applied at all', () => {
  it.each([
    ['a commit record that is cut short', brokenCommit, /^cannot apply Transaction\/COMMIT at 0\/[0-9A-F]+: /],
    [
      'a block that no relation reaches',
      insert(0xffff_fff0, 1),
      /^cannot apply Heap\/INSERT\+INIT at .* block 4294967280 is \d+ pages beyond the end/,
    ],
    ['a resource manager that is not known', { rmid: 200, info: 0 }, /^cannot apply custom200\/UNKNOWN \(0\) at /],
  ])('%s: I2 stops ingest before it, and again after a restart', async (_what, draft, reason) => {
    const store = new MemoryStore();
    const first = await open(store);
    const wal = new Wal();
    wal.append(insert(0, 1));
    const before = wal.append(commit).endLsn;
    wal.append(draft);
    wal.append(insert(0, 2));
    for (let times = 0; times < 2; times++) {
      const { timeline, stopped } = times === 0 ? first : await open(store);
      await wal.feed(timeline);
      expect(stopped).toEqual([expect.stringMatching(reason)]);
      expect(timeline.lastRecordLsn).toBe(before);
      expect(itemsOn(await pageAt(timeline, 0, before))).toBe(1);
      await timeline.tick(0);
      expect(timeline.diskConsistentLsn).toBe(before);
    }
  });

  it('an index page that lacks what is to be deleted is as wrong as any', async () => {
    const { timeline } = await open(new MemoryStore());
    const wal = new Wal();
    const { endLsn } = wal.append(deleteMissing);
    await wal.feed(timeline);
    await expect(pageAt(timeline, 0, endLsn, INDEX)).rejects.toThrow(/Btree\/DELETE at .* relation 1663\/5\/16385/);
  });
});

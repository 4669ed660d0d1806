/** Timelines against a model that keeps every version of everything in a map. */
import { Lsn, Refusal, Unavailable } from '@neon/kernel';
import { type Change, Fork, type RelationId } from '@neon/postgres';
import fc from 'fast-check';
import { compact } from '../compaction/compact';
import { DEFAULT_COMPACTION, planCompaction } from '../compaction/plan-compaction';
import { Kind, rangeOfKind, relationPagePrefix, relationSizePrefix } from '../key/key';
import { MemoryStore, TEMPLATE_LSN, openMemoryPageserver, timelineName } from '../memory-pageserver';
import { type ApplyDelta, PAGE_SIZE } from '../read/page-content';
import type { BranchAt, Pageserver, TimelineRequest } from '../tenant/pageserver';
import type { IngestedRecord } from './change-writer';
import { readPages, relationSize } from './page-request';
import type { Timeline } from './timeline';

const never = new AbortController().signal;
const COMPACTION = { ...DEFAULT_COMPACTION, level0Count: 1, deltasPerKey: 2, layerSizeTarget: 2000 };

/** Each delta appends its byte: any wrong order, loss or repetition shows. */
function appendByte(page: Uint8Array, delta: Uint8Array): void {
  page[0] = (page[0] ?? 0) + 1;
  page[page[0] ?? 0] = delta[0] ?? 0;
}

const DATABASES = [5, 6, 7];
const relationOf = (number: number, databaseOid = 5): RelationId => ({
  tablespaceOid: 1663,
  databaseOid,
  relationNumber: 100 + number,
});

// ------------------------------------------------------------------ the model

type Pages = ReadonlyMap<number, readonly number[]>;
interface ModelRelation {
  readonly size: number;
  /** Bytes appended to each page since it was zeros; an absent page is zeros. */
  readonly pages: Pages;
}
type Model = ReadonlyMap<string, ModelRelation>;
const nameOf = (id: RelationId): string => `${id.databaseOid}/${id.relationNumber}`;

function evolve(model: Model, change: Change): Model {
  const next = new Map(model);
  const edit = (id: RelationId, relation: ModelRelation | null): Model => {
    if (relation === null) next.delete(nameOf(id));
    else next.set(nameOf(id), relation);
    return next;
  };
  switch (change.kind) {
    case 'page-delta': {
      if (change.page.kind !== 'relation') return model;
      const { relation: id, block } = change.page;
      const old = model.get(nameOf(id)) ?? { size: 0, pages: new Map() };
      if (change.ifPresent === true && block >= old.size) return model;
      const before = change.willInit ? [] : (old.pages.get(block) ?? []);
      const pages = new Map(old.pages).set(block, [...before, change.delta[0] ?? 0]);
      return edit(id, { size: Math.max(old.size, block + 1), pages });
    }
    case 'page-image': {
      if (change.page.kind !== 'relation') return model;
      const { relation: id, block } = change.page;
      const old = model.get(nameOf(id)) ?? { size: 0, pages: new Map() };
      const pages = new Map(old.pages).set(block, [...change.image.subarray(1, 1 + (change.image[0] ?? 0))]);
      return edit(id, { size: Math.max(old.size, block + 1), pages });
    }
    case 'relation-create':
      return model.has(nameOf(change.relation)) ? model : edit(change.relation, { size: 0, pages: new Map() });
    case 'relation-truncate': {
      const old = model.get(nameOf(change.relation));
      if (old === undefined || old.size <= change.blockCount) return model;
      const pages = new Map([...old.pages].filter(([block]) => block < change.blockCount));
      return edit(change.relation, { size: change.blockCount, pages });
    }
    case 'relation-drop':
      return edit(change.relation, null);
    case 'database-drop':
      return new Map([...model].filter(([key]) => !key.startsWith(`${change.databaseOid}/`)));
    case 'database-create': {
      const { copyOf, databaseOid } = change;
      for (const [key, relation] of model)
        if (copyOf !== null && key.startsWith(`${copyOf.databaseOid}/`))
          next.set(key.replace(/^\d+/, String(databaseOid)), relation);
      return next;
    }
    default:
      return model;
  }
}

// ------------------------------------------------------------------ random histories

const relation = fc
  .tuple(fc.integer({ min: 0, max: 2 }), fc.constantFrom(...DATABASES))
  .map(([n, d]) => relationOf(n, d));
const page = fc
  .tuple(relation, fc.integer({ min: 0, max: 6 }))
  .map(([id, block]) => ({ kind: 'relation' as const, relation: id, fork: Fork.MAIN, block }));
const byte = fc.integer({ min: 1, max: 255 });
const change: fc.Arbitrary<Change> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant('page-delta' as const),
      page,
      willInit: fc.boolean(),
      ifPresent: fc.boolean(),
      delta: byte.map((b) => Uint8Array.of(b)),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('page-image' as const), page, image: byte.map((b) => imageOf([b])) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('relation-create' as const), relation, fork: fc.constant(Fork.MAIN) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('relation-truncate' as const),
      relation,
      fork: fc.constant(Fork.MAIN),
      blockCount: fc.integer({ min: 0, max: 4 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('relation-drop' as const), relation }) },
);
type Step =
  | 'flush'
  | 'compact'
  | 'reopen'
  | 'branch'
  | { readonly changes: readonly Change[] }
  | { readonly drop: number }
  | { readonly copyTo: number; readonly from: number };
const stepOf = (changes: fc.Arbitrary<Change>): fc.Arbitrary<Step> =>
  fc.oneof(
    { weight: 14, arbitrary: fc.record({ changes: fc.array(changes, { minLength: 1, maxLength: 3 }) }) },
    { weight: 3, arbitrary: fc.constant<Step>('flush') },
    { weight: 1, arbitrary: fc.constant<Step>('compact') },
    { weight: 3, arbitrary: fc.constant<Step>('reopen') },
    { weight: 3, arbitrary: fc.constant<Step>('branch') },
    { weight: 1, arbitrary: fc.record({ drop: fc.constantFrom(6, 7) }) },
    { weight: 1, arbitrary: fc.record({ copyTo: fc.constantFrom(6, 7), from: fc.constantFrom(5, 6) }) },
  );
const step = stepOf(change);

/** Few pages that are changed again and again: what one change loses shows in the next. */
const hotStep = stepOf(
  fc.record({
    kind: fc.constant('page-delta' as const),
    page: fc.integer({ min: 0, max: 1 }).map((block) => ({
      kind: 'relation' as const,
      relation: relationOf(0),
      fork: Fork.MAIN,
      block,
    })),
    willInit: fc.constant(false),
    delta: byte.map((b) => Uint8Array.of(b)),
  }),
);

function imageOf(bytes: readonly number[]): Uint8Array {
  const image = new Uint8Array(PAGE_SIZE);
  image[0] = bytes.length;
  image.set(bytes, 1);
  return image;
}

interface Moment {
  readonly timelineId: number;
  readonly lsn: Lsn;
  readonly model: Model;
}

/** A history under way: which timeline is written, and every moment of the past with what it must show. */
class History {
  private pageserver!: Pageserver;
  private current = 1;
  private model: Model = new Map();
  private record = 0;
  /** What safekeepers would hold: all records of each timeline. */
  private readonly wal = new Map<number, { lsn: Lsn; endLsn: Lsn; changes: readonly Change[] }[]>();
  readonly moments: Moment[] = [];
  readonly store = new MemoryStore();
  readonly stopped: string[] = [];

  constructor(readonly applyDelta: ApplyDelta = appendByte) {}

  async begin(): Promise<void> {
    this.pageserver = await openMemoryPageserver(this);
    await this.pageserver.create(timelineName(1), { mode: 'bootstrap', pgMajor: 17 });
  }

  get timeline(): Timeline {
    return this.pageserver.get(timelineName(this.current));
  }

  async run(one: Step): Promise<void> {
    if (one === 'flush') {
      this.timeline.freeze();
      await this.timeline.flush();
    } else if (one === 'compact') await this.compact(this.timeline);
    else if (one === 'reopen') await this.reopen();
    else if (one === 'branch') await this.branch();
    else if ('changes' in one) await this.write(one.changes);
    else if ('drop' in one) await this.write([{ kind: 'database-drop', tablespaceOid: 1663, databaseOid: one.drop }]);
    else if (one.copyTo !== one.from) {
      const target = { tablespaceOid: 1663, databaseOid: one.copyTo };
      await this.write([{ kind: 'database-drop', ...target }]);
      await this.write([
        { kind: 'database-create', ...target, copyOf: { tablespaceOid: 1663, databaseOid: one.from } },
      ]);
    }
  }

  private async write(changes: readonly Change[]): Promise<void> {
    const { timeline } = this;
    const lsn = timeline.lastRecordLsn;
    const endLsn = Lsn.advance(lsn, 8);
    const all: Change[] = [...changes, { kind: 'commit', xid: 3, timestampUs: ++this.record }];
    this.wal.set(this.current, [...(this.wal.get(this.current) ?? []), { lsn, endLsn, changes: all }]);
    for (const one of changes) this.model = evolve(this.model, one);
    await timeline.apply({ lsn, endLsn, changes: all, tracked: [] });
    await timeline.ingested();
    this.moments.push({ timelineId: this.current, lsn: endLsn, model: this.model });
  }

  private async compact(timeline: Timeline): Promise<void> {
    for (const job of planCompaction(timeline.layerMap, COMPACTION, { force: true }))
      await compact(timeline, job, COMPACTION);
  }

  /** A crash: memory is gone, files stay; ingest goes on from what is on disk. Compaction does not wait for it. */
  private async reopen(): Promise<void> {
    this.pageserver = await openMemoryPageserver(this);
    for (const timeline of this.pageserver.all()) await this.compact(timeline);
    for (const [id, records] of [...this.wal].sort(([a], [b]) => a - b)) {
      const timeline = this.pageserver.get(timelineName(id));
      for (const record of records)
        if (record.endLsn > timeline.lastRecordLsn) await timeline.apply({ ...record, tracked: [] });
      await timeline.ingested();
    }
  }

  /** A branch of a random earlier moment, which is written from then on. */
  private async branch(): Promise<void> {
    const moment = this.moments[(this.record * 7) % Math.max(1, this.moments.length)];
    if (moment === undefined) return;
    const id = this.store.timelines.size + 1;
    await this.pageserver.create(timelineName(id), {
      mode: 'branch',
      ancestorTimelineId: timelineName(moment.timelineId).timelineId,
      at: { kind: 'lsn', lsn: moment.lsn },
    });
    this.current = id;
    this.model = moment.model;
    expect(this.timeline.lastRecordLsn).toBe(moment.lsn);
  }

  async check(moment: Moment): Promise<void> {
    const timeline = this.pageserver.get(timelineName(moment.timelineId));
    for (const databaseOid of DATABASES)
      for (const number of [0, 1, 2]) {
        const id = relationOf(number, databaseOid);
        const expected = moment.model.get(nameOf(id));
        const size = await relationSize(timeline, { relation: id, fork: Fork.MAIN }, moment.lsn);
        expect(size).toBe(expected?.size ?? null);
        if (expected === undefined) continue;
        const blocks = Array.from({ length: expected.size }, (_, block) => block);
        const wanted = { relation: id, fork: Fork.MAIN, blocks, lsn: moment.lsn };
        const pages = blocks.length === 0 ? [] : await readPages(timeline, wanted, never);
        pages.forEach((found, block) =>
          expect([block, ...found.subarray(0, 20)]).toEqual([
            block,
            ...imageOf(expected.pages.get(block) ?? []).subarray(0, 20),
          ]),
        );
        await expect(readPages(timeline, { ...wanted, blocks: [expected.size] }, never)).rejects.toThrow(Refusal);
      }
    const blocks = [...moment.model.values()].reduce((sum, { size }) => sum + size, 0);
    const boundary = await timeline.commits.boundaryAt(moment.lsn);
    expect(boundary).toMatchObject({ lsn: moment.lsn, logicalSizeBytes: blocks * PAGE_SIZE });
  }
}

it.each([
  { where: 'many pages', steps: step, numRuns: 100 },
  { where: 'few pages', steps: hotStep, numRuns: 300 },
])(
  'every page and size at every moment of every timeline is what the model says: $where',
  async ({ steps, numRuns }) => {
    await fc.assert(
      fc.asyncProperty(fc.array(steps, { minLength: 1, maxLength: 40 }), async (all) => {
        const history = new History();
        await history.begin();
        for (const one of all) {
          await history.run(one);
          const latest = history.moments.at(-1);
          if (latest !== undefined) await history.check(latest);
        }
        for (const moment of history.moments) await history.check(moment);
      }),
      { numRuns },
    );
  },
);

describe('a timeline', () => {
  it('T2: that stopped refuses what is not there yet and still answers what is', async () => {
    const history = new History();
    await history.begin();
    await history.run({ changes: [{ kind: 'relation-create', relation: relationOf(0), fork: Fork.MAIN }] });
    const { timeline } = history;
    const waiting = timeline.waitFor(Lsn.advance(timeline.lastRecordLsn, 8), never);
    timeline.stop({ reason: 'cannot apply Gin/SPLIT at 0/2000' });
    await expect(waiting).rejects.toMatchObject({ code: 'TimelineStopped' });
    await expect(timeline.waitFor(Lsn.advance(timeline.lastRecordLsn, 8), never)).rejects.toThrow('Gin/SPLIT');
    await history.check(history.moments[0]!);
  });

  it('T5: has an image of a page that is changed again and again', async () => {
    const history = new History();
    await history.begin();
    const page = { kind: 'relation' as const, relation: relationOf(0), fork: Fork.MAIN, block: 0 };
    for (let i = 0; i < 600; i++)
      await history.timeline.apply({
        lsn: history.timeline.lastRecordLsn,
        endLsn: Lsn.advance(history.timeline.lastRecordLsn, 8),
        changes: [{ kind: 'page-delta', page, willInit: i === 0, delta: Uint8Array.of(1) }],
        tracked: [],
      });
    await history.timeline.ingested();
    let deltas = 0;
    const prefix = relationPagePrefix(page.relation, page.fork);
    history.timeline.memoryLayers[0]!.visit(
      prefix,
      0,
      history.timeline.lastRecordLsn,
      ({ kind }) => kind !== 0 && ++deltas > 0,
    );
    expect(deltas).toBe(0);
  });

  const commit = (timeline: Timeline, changes: readonly Change[]) => ({
    lsn: timeline.lastRecordLsn,
    endLsn: Lsn.advance(timeline.lastRecordLsn, 8),
    changes,
    tracked: [],
  });

  it('G3: lists its relations without reading every size they ever had', async () => {
    const history = new History();
    await history.begin();
    const { timeline } = history;
    for (let block = 0; block < 20_000; block++)
      await timeline.apply(
        commit(
          timeline,
          [0, 1].map((number) => {
            const page = { kind: 'relation' as const, relation: relationOf(number), fork: Fork.MAIN, block };
            return { kind: 'page-delta', page, willInit: true, delta: Uint8Array.of(1) };
          }),
        ),
      );
    await timeline.writeOut();
    const { files } = history.store.timelines.get(timelineName(1).timelineId)!;
    const before = files.reads;
    const keys = await timeline.keysIn(rangeOfKind(Kind.RELATION_SIZE));
    expect(keys.map(({ prefix }) => prefix)).toEqual(
      [0, 1].map((number) => relationSizePrefix(relationOf(number), Fork.MAIN)),
    );
    expect(files.reads - before).toBeLessThan(15);
  });

  it('T6: applies one record at a time', async () => {
    const history = new History();
    await history.begin();
    const { timeline } = history;
    const first = timeline.apply(commit(timeline, [{ kind: 'relation-drop', relation: relationOf(0) }]));
    expect(() => timeline.apply(commit(timeline, []))).toThrow('T6');
    await first;
    await timeline.apply(commit(timeline, []));
  });

  it('T6: never ends a layer in the middle of a record, whenever it is asked to', async () => {
    const history = new History();
    await history.begin();
    const { timeline } = history;
    const page = { kind: 'relation' as const, relation: relationOf(0), fork: Fork.MAIN, block: 0 };
    const applied = timeline.apply(
      commit(timeline, [{ kind: 'page-delta', page, willInit: true, delta: Uint8Array.of(1) }]),
    );
    let done = false;
    void applied?.then(() => (done = true));
    while (!done) {
      timeline.freeze();
      await Promise.resolve();
    }
    timeline.freeze();
    await timeline.flush();
    const { layers } = timeline.index;
    expect(layers.at(-1)).toMatchObject({ startLsn: TEMPLATE_LSN, endLsn: timeline.lastRecordLsn });
    expect(timeline.diskConsistentLsn).toBe(timeline.lastRecordLsn);
    expect(timeline.memorySizeBytes).toBe(0);
  });

  it('T6: shows and writes nothing of a record that failed half-way, and everything before it', async () => {
    const history = new History();
    await history.begin();
    const { timeline } = history;
    const page = { kind: 'relation' as const, relation: relationOf(0), fork: Fork.MAIN, block: 0 };
    await timeline.apply(commit(timeline, [{ kind: 'relation-create', relation: page.relation, fork: Fork.MAIN }]));
    const before = timeline.lastRecordLsn;
    const broken = {
      kind: 'page-image',
      page,
      get image(): Uint8Array {
        throw new Error('unreadable');
      },
    } as const;
    const delta = { kind: 'page-delta', page, willInit: true, delta: Uint8Array.of(1) } as const;
    const copy = { kind: 'database-create', tablespaceOid: 1663, databaseOid: 7, copyOf: null } as const;
    expect(() => timeline.apply(commit(timeline, [delta, copy, broken]))).toThrow('unreadable');
    expect(() => timeline.apply(commit(timeline, []))).toThrow('T6');
    const check = async (shown: Timeline): Promise<void> => {
      expect(shown.lastRecordLsn).toBe(before);
      expect(shown.logicalSizeBytes).toBe(0);
      expect(await relationSize(shown, { relation: page.relation, fork: Fork.MAIN }, before)).toBe(0);
    };
    await check(timeline);
    await timeline.writeOut();
    expect(timeline.diskConsistentLsn).toBe(before);
    await check(timeline);
    await check((await openMemoryPageserver(history)).get(timelineName(1)));
  });

  const record =
    (changes: readonly Change[]) =>
    (timeline: Timeline): IngestedRecord =>
      commit(timeline, changes);

  describe('after a crash, before an ancestor has ingested again what was branched from it (T8)', () => {
    const page = { kind: 'relation' as const, relation: relationOf(0), fork: Fork.MAIN, block: 0 };
    const delta = (byte: number, willInit = false): Change => ({
      kind: 'page-delta',
      page,
      willInit,
      delta: Uint8Array.of(byte),
    });
    const at = (timestampUs: number): Change => ({ kind: 'commit', xid: 3, timestampUs });
    const branchOf = (id: number, where: BranchAt): TimelineRequest => ({
      mode: 'branch',
      ancestorTimelineId: timelineName(id).timelineId,
      at: where,
    });
    const lost = [record([delta(2), at(200)]), record([delta(3), at(300)])];

    /** A root that has written out its first record of three, and a branch of its head that has written out everything. */
    async function crashed(): Promise<{ pageserver: Pageserver; secondLsn: Lsn }> {
      const store = new MemoryStore();
      const before = await openMemoryPageserver({ store, applyDelta: appendByte });
      const root = await before.create(timelineName(1), { mode: 'bootstrap', pgMajor: 17 });
      await root.apply(commit(root, [delta(1, true), at(100)]));
      await root.writeOut();
      await root.apply(lost[0]!(root));
      const secondLsn = root.lastRecordLsn;
      await root.apply(lost[1]!(root));
      const branch = await before.create(timelineName(2), branchOf(1, { kind: 'head' }));
      for (const byte of [4, 5, 6]) {
        await branch.apply(commit(branch, [delta(byte), at(100 * byte)]));
        await branch.writeOut();
      }
      return { pageserver: await openMemoryPageserver({ store, applyDelta: appendByte }), secondLsn };
    }

    it('C6: compaction makes no image of a branch', async () => {
      const { pageserver } = await crashed();
      const [root, branch] = [pageserver.get(timelineName(1)), pageserver.get(timelineName(2))];
      const compactAll = async (): Promise<void> => {
        for (const job of planCompaction(branch.layerMap, COMPACTION, { force: true }))
          await compact(branch, job, COMPACTION);
      };
      await compactAll();
      expect(branch.index.layers.map(({ level }) => level)).toEqual([0, 0, 0]);
      for (const each of lost) await root.apply(each(root));
      await compactAll();
      expect(branch.index.layers.map(({ kind }) => kind)).toContain('image');
      const wanted = { relation: page.relation, fork: page.fork, blocks: [0], lsn: branch.lastRecordLsn };
      const [found] = await readPages(branch, wanted, never);
      expect([...found!.subarray(0, 7)]).toEqual([6, 1, 2, 3, 4, 5, 6]);
    });

    it('a branch of the branch is not made at an earlier point than was asked for', async () => {
      const { pageserver, secondLsn } = await crashed();
      const root = pageserver.get(timelineName(1));
      const requests = [branchOf(2, { kind: 'time', timestampUs: 250 }), branchOf(2, { kind: 'lsn', lsn: secondLsn })];
      for (const request of requests)
        await expect(pageserver.create(timelineName(3), request)).rejects.toThrow(Unavailable);
      await expect((async () => pageserver.get(timelineName(2)).lsnAt(250))()).rejects.toThrow(Unavailable);
      for (const each of lost) await root.apply(each(root));
      for (const [index, request] of requests.entries()) {
        const made = await pageserver.create(timelineName(3 + index), request);
        expect(made.index.startLsn).toBe(secondLsn);
      }
    });
  });

  it('Z2: takes one record that drops more relations than sizes are remembered, and thousands of relations after another', async () => {
    const history = new History();
    await history.begin();
    const { timeline } = history;
    const relations = Array.from({ length: 25_001 }, (_, number) => relationOf(number));
    await timeline.apply(
      commit(
        timeline,
        relations.map((relation) => ({ kind: 'relation-drop', relation })),
      ),
    );
    for (const relation of relations) {
      const page = { kind: 'relation' as const, relation, fork: Fork.MAIN, block: 0 };
      await timeline.apply(commit(timeline, [{ kind: 'page-delta', page, willInit: true, delta: Uint8Array.of(1) }]));
      await timeline.apply(commit(timeline, [{ kind: 'relation-drop', relation }]));
    }
    expect(timeline.logicalSizeBytes).toBe(0);
    expect(history.stopped).toEqual([]);
  });

  it('remembers that segments are gone that one record took from two SLRUs', async () => {
    const history = new History();
    await history.begin();
    const { timeline } = history;
    const slrus = ['multixact-members', 'multixact-offsets'] as const;
    for (const page of [0, 40])
      for (const slru of slrus)
        await timeline.apply(
          commit(timeline, [
            { kind: 'page-delta', page: { kind: 'slru', slru, page }, willInit: true, delta: Uint8Array.of(1) },
          ]),
        );
    await timeline.apply(
      commit(timeline, [
        { kind: 'slru-truncate', slru: 'multixact-members', firstPage: 40, fromPage: 0 },
        { kind: 'slru-truncate', slru: 'multixact-offsets', firstPage: 40 },
      ]),
    );
    expect(slrus.map((slru) => timeline.sizes.findSegment(slru, 0)?.size)).toEqual([null, null]);
  });

  it('holds little more in memory than it may while nothing can be written out', async () => {
    const store = new MemoryStore();
    const memorySizeBytes = 20_000;
    const pageserver = await openMemoryPageserver({ store, applyDelta: appendByte, memorySizeBytes });
    const timeline = await pageserver.create(timelineName(1), { mode: 'bootstrap', pgMajor: 17 });
    const { files } = store.timelines.get(timelineName(1).timelineId)!;
    const full = jest.spyOn(files, 'create').mockRejectedValue(new Unavailable('no space'));
    const ingest = async (): Promise<void> => {
      await timeline.ingested();
      const page = { kind: 'relation' as const, relation: relationOf(0), fork: Fork.MAIN, block: 0 };
      await timeline.apply(commit(timeline, [{ kind: 'page-image', page, image: imageOf([1]) }]));
      await timeline.ingested();
    };
    let refusals = 0;
    for (let attempt = 0; attempt < 200; attempt++)
      await ingest().catch((error: unknown) => (refusals++, expect(error).toBeInstanceOf(Unavailable)));
    expect(refusals).toBeGreaterThan(180);
    expect(timeline.memorySizeBytes).toBeLessThan(5 * memorySizeBytes);
    full.mockRestore();
    await ingest();
    expect(timeline.memorySizeBytes).toBeLessThan(2 * memorySizeBytes);
  });

  it('knows its commits to the microsecond: one at the time asked for is in, one a microsecond later is not', async () => {
    const history = new History();
    await history.begin();
    const { timeline } = history;
    const base = 1_709_208_000_123_456;
    for (const timestampUs of [base, base + 1])
      await timeline.apply(commit(timeline, [{ kind: 'commit', xid: 3, timestampUs }]));
    const [first, second] = [Lsn.advance(TEMPLATE_LSN, 8), Lsn.advance(TEMPLATE_LSN, 16)];
    const check = async (): Promise<void> => {
      expect(await timeline.commits.lsnAt(base)).toMatchObject({ kind: 'present', boundary: { lsn: first } });
      expect(await timeline.commits.lsnAt(base + 1)).toMatchObject({ kind: 'present', boundary: { lsn: second } });
      expect(await timeline.commits.lsnAt(base - 1)).toMatchObject({ kind: 'past' });
    };
    await check();
    timeline.freeze();
    await timeline.flush();
    await check();
  });
});

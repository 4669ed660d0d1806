/** A timeline copied from another safekeeper: whole or not at all, whatever fails meanwhile. */
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AcceptorState, Membership } from '@neon/consensus';
import { Lsn, SafekeeperId, Term, Unavailable } from '@neon/kernel';
import {
  Donor,
  type DonorLog,
  type LogRange,
  Pulls,
  type PullRequest,
  type SafekeeperSettings,
  type Timeline,
} from '@neon/safekeeper-core';
import { FileTimelineCopies } from './file-timeline-copies';
import { Peers } from './peers';
import { TenantDirectories } from './tenant-directories';
import { type DiskOperation, FaultyDisk, ioError } from './testing/faulty-disk';
import {
  IDENTITY,
  INCARNATION,
  KEY,
  SAFEKEEPER,
  SEGMENT_SIZE,
  START_LSN,
  type Started,
  createTimeline,
  directoryOf,
  lead,
  leadThrough,
  makeWal,
  readAll,
  startSafekeeper,
  until,
  voteFor,
} from './testing/one-acceptor';
import { walDigest, walPiece } from './wal-ranges';

const WAL = makeWal(START_LSN, 3.5 * SEGMENT_SIZE);
const LAST = WAL.ends.at(-1) ?? START_LSN;
const NEWCOMER = { id: SafekeeperId.of(8), incarnation: '5d5f5e0a-6f6c-4a39-8f05-6d2c4c4c8f11' };
const DONOR = { safekeeperId: SAFEKEEPER, incarnation: INCARNATION };
const MEMBERSHIP = Membership.settled(3, [DONOR, { safekeeperId: NEWCOMER.id, incarnation: NEWCOMER.incarnation }]);
const REQUEST: PullRequest = { incarnation: NEWCOMER.incarnation, membership: MEMBERSHIP, donor: DONOR };

/** Another safekeeper of this process. */
class LocalDonor extends Donor {
  readBytes = 0;
  /** Before each answer. */
  before: (what: 'describe' | 'read' | 'digest', range?: LogRange) => void | Promise<void> = () => undefined;

  constructor(private readonly timeline: () => Timeline) {
    super();
  }

  override async describe(): Promise<DonorLog> {
    await this.before('describe');
    const { state, firstLsn } = this.timeline();
    const { flushLsn } = state;
    return {
      member: AcceptorState.member(state),
      control: AcceptorState.durable(state),
      trimmedLsn: firstLsn,
      flushLsn,
    };
  }

  override async read(range: LogRange, term?: Term): Promise<Uint8Array> {
    await this.before('read', range);
    const bytes = await walPiece(this.timeline(), { ...range, term });
    this.readBytes += bytes.length;
    return bytes;
  }

  override async digest(range: LogRange, term: Term): Promise<string> {
    await this.before('digest', range);
    return walDigest(this.timeline(), { ...range, term });
  }
}

const READING: ReadonlySet<DiskOperation> = new Set(['open', 'read', 'readFile', 'readdir']);

describe('a timeline that is copied from another safekeeper', () => {
  const roots: string[] = [];
  const started: Started[] = [];
  let donorTimeline: Timeline;
  let donor: LocalDonor;

  const makeRoot = (): string => {
    const root = mkdtempSync(join(tmpdir(), 'pull-'));
    roots.push(root);
    return root;
  };
  async function start(root: string, options: Parameters<typeof startSafekeeper>[1] = {}): Promise<Started> {
    const run = await startSafekeeper(root, options);
    started.push(run);
    return run;
  }
  const newcomer = (root: string, disk?: FaultyDisk): Promise<Started> =>
    start(root, { identity: NEWCOMER, ...(disk === undefined ? {} : { disk }) });
  const pullsOf = (run: Started, root: string, disk?: FaultyDisk): Pulls =>
    new Pulls(run.safekeeper, new FileTimelineCopies(new TenantDirectories(root, disk)));
  const presence = (run: Started) => run.safekeeper.presence(KEY);

  async function startDonor(settings: SafekeeperSettings = {}): Promise<void> {
    const run = await start(makeRoot(), { settings });
    donorTimeline = await createTimeline(run.safekeeper);
    donor = new LocalDonor(() => donorTimeline);
    await leadThrough(donorTimeline, WAL);
  }

  async function requireWhole(timeline: Timeline, firstLsn = START_LSN): Promise<void> {
    const { state } = timeline;
    expect(state).toMatchObject({ membership: MEMBERSHIP, term: 1, flushLsn: LAST, commitLsn: LAST });
    expect(state.termHistory).toEqual(donorTimeline.state.termHistory);
    expect(timeline.firstLsn).toBe(firstLsn);
    const bytes = await readAll(timeline, firstLsn, LAST);
    expect(bytes.equals(WAL.bytes.subarray(firstLsn - START_LSN))).toBe(true);
  }

  beforeEach(() => startDonor());
  afterEach(async () => {
    for (const { safekeeper } of started.splice(0)) await safekeeper.close();
    for (const root of roots.splice(0)) rmSync(root, { recursive: true, force: true });
  });

  it('has WAL, history and term of the donor, and is a member; so it is after a restart', async () => {
    const root = makeRoot();
    const run = await newcomer(root);
    await requireWhole(await pullsOf(run, root).pull(KEY, REQUEST, donor));
    await started.pop()?.safekeeper.close();
    const again = await newcomer(root);
    await requireWhole(await again.working());
    expect(readdirSync(join(root, KEY.tenantId))).toEqual([KEY.timelineId]);
    // What is there is kept: asking again copies nothing.
    const before = donor.readBytes;
    await pullsOf(again, root).pull(KEY, REQUEST, donor);
    expect(donor.readBytes).toBe(before);
  });

  it('begins where the donor trimmed', async () => {
    await startDonor({ unarchived: 'trimmed' });
    donorTimeline.trimmer.remoteConsistent(LAST);
    const firstLsn = Lsn.of(LAST - (LAST % SEGMENT_SIZE));
    await until(() => donorTimeline.firstLsn === firstLsn);
    const root = makeRoot();
    await requireWhole(await pullsOf(await newcomer(root), root).pull(KEY, REQUEST, donor), firstLsn);
    await started.pop()?.safekeeper.close();
    await requireWhole(await (await newcomer(root)).working(), firstLsn);
  });

  it('PU1: is there as a whole or not at all, whenever the power goes; and the copy goes on from what is left', async () => {
    const root = makeRoot();
    const disk = new FaultyDisk(root);
    const run = await newcomer(root, disk);
    const lefts: string[] = [];
    disk.fault = ({ operation }) => {
      if (READING.has(operation)) return undefined;
      for (const names of ['synced', 'latest'] as const) {
        const left = makeRoot();
        disk.crash(left, names);
        lefts.push(left);
      }
      return undefined;
    };
    await pullsOf(run, root, disk).pull(KEY, REQUEST, donor);
    disk.fault = () => undefined;
    let wholeCount = 0;
    for (const left of lefts) {
      const after = await newcomer(left);
      const isPresent = (await presence(after)) === 'present';
      if (isPresent) wholeCount++;
      await requireWhole(isPresent ? await after.working() : await pullsOf(after, left).pull(KEY, REQUEST, donor));
      await started.pop()?.safekeeper.close();
    }
    expect(lefts.length).toBeGreaterThan(30);
    expect(wholeCount).toBeGreaterThan(0);
    expect(wholeCount).toBeLessThan(lefts.length);
  });

  it('PU1: is not there after an error of the disk, at whatever operation, and is when the disk works again', async () => {
    const counting = new FaultyDisk(makeRoot());
    const countingRoot = roots.at(-1) ?? '';
    const first = await newcomer(countingRoot, counting);
    const before = counting.operationCount;
    await pullsOf(first, countingRoot, counting).pull(KEY, REQUEST, donor);
    const operationCount = counting.operationCount - before;
    for (let failing = 0; failing < operationCount; failing++) {
      const root = makeRoot();
      const disk = new FaultyDisk(root);
      const run = await newcomer(root, disk);
      const base = disk.operationCount;
      disk.fault = ({ index }) => (index === base + failing ? ioError() : undefined);
      const pulls = pullsOf(run, root, disk);
      const outcome = await pulls.pull(KEY, REQUEST, donor).then(
        () => 'made',
        () => 'failed',
      );
      // After the rename it is a timeline, which opens when its disk lets it.
      if (outcome === 'failed' && (await presence(run)) === 'absent') await pulls.pull(KEY, REQUEST, donor);
      await requireWhole(await run.working());
      await started.pop()?.safekeeper.close();
    }
    expect(operationCount).toBeGreaterThan(30);
  });

  it('FC3: is durable, though what an attempt that failed has written was not', async () => {
    const root = makeRoot();
    const disk = new FaultyDisk(root);
    const run = await newcomer(root, disk);
    let failures = 0;
    disk.fault = ({ operation, path }) =>
      operation === 'write' && path.endsWith('.copying/000000010000000000000011') && failures++ === 0
        ? ioError()
        : undefined;
    await expect(pullsOf(run, root, disk).pull(KEY, REQUEST, donor)).rejects.toThrow();
    await requireWhole(await pullsOf(run, root, disk).pull(KEY, REQUEST, donor));
    const left = makeRoot();
    disk.crash(left, 'synced');
    await requireWhole(await (await newcomer(left)).working());
  });

  it('PU2: is copied on from where an attempt ended; what differs from the donor is copied again', async () => {
    const root = makeRoot();
    const run = await newcomer(root);
    const pulls = pullsOf(run, root);
    donor.before = (what, range) => {
      if (what === 'read' && (range?.startLsn ?? START_LSN) >= START_LSN + 2 * SEGMENT_SIZE)
        throw new Unavailable('the donor went away');
    };
    await expect(pulls.pull(KEY, REQUEST, donor)).rejects.toThrow('the donor went away');
    expect(await presence(run)).toBe('absent');
    const copied = donor.readBytes;
    expect(copied).toBe(2 * SEGMENT_SIZE);
    const broken = join(`${directoryOf(root)}.copying`, '000000010000000000000010');
    const content = readFileSync(broken);
    content[5_000] = (content[5_000] ?? 0) ^ 1;
    writeFileSync(broken, content);
    donor.before = () => undefined;
    await requireWhole(await pulls.pull(KEY, REQUEST, donor));
    expect(donor.readBytes).toBe(copied + SEGMENT_SIZE + (LAST - START_LSN - 2 * SEGMENT_SIZE));
  });

  it('PU3: is not made of a log that another leader may have cut meanwhile; nothing of that log is left in it (FC2)', async () => {
    const root = makeRoot();
    const run = await newcomer(root);
    const pulls = pullsOf(run, root);
    const extra = makeWal(LAST, 2 * SEGMENT_SIZE, { seed: 3, prevLsn: WAL.starts.at(-1) ?? START_LSN });
    const first = await lead(donorTimeline, 2, LAST);
    first.append(LAST, extra.bytes);
    await first.flushed(extra.ends.at(-1) ?? LAST);
    let describedCount = 0;
    donor.before = async (what) => {
      // After the last byte, and before the donor is asked again: a leader that cuts what was copied.
      if (what === 'describe' && ++describedCount === 2) await lead(donorTimeline, 3, LAST);
    };
    await expect(pulls.pull(KEY, REQUEST, donor)).rejects.toThrow('from term 2 to 3');
    expect(await presence(run)).toBe('absent');
    const pulled = await pulls.pull(KEY, REQUEST, donor);
    expect(pulled.state).toMatchObject({ term: 3, flushLsn: LAST });
    await started.pop()?.safekeeper.close();
    expect((await (await newcomer(root)).working()).state).toMatchObject({ term: 3, flushLsn: LAST });
  });

  it('PU3: is not made of a log that the leader cut whom the donor had voted for before', async () => {
    const root = makeRoot();
    const run = await newcomer(root);
    const pulls = pullsOf(run, root);
    const last = { prevLsn: WAL.starts.at(-1) ?? START_LSN };
    const former = makeWal(LAST, 10_000, { seed: 3, ...last });
    const first = await lead(donorTimeline, 2, LAST);
    first.append(LAST, former.bytes);
    await first.flushed(former.ends.at(-1) ?? LAST);
    await voteFor(donorTimeline, 3);
    const other = makeWal(LAST, 50_000, { seed: 5, ...last });
    let isFirst = true;
    donor.before = async (what) => {
      if (what !== 'digest' || !isFirst) return;
      isFirst = false;
      // Elected from the log of another voter, which lacks what the donor has: the donor is in its term already.
      const second = await lead(donorTimeline, 3, LAST);
      second.append(LAST, other.bytes);
      await second.flushed(other.ends.at(-1) ?? LAST);
    };
    await expect(pulls.pull(KEY, REQUEST, donor)).rejects.toThrow('went on with another history');
    expect(await presence(run)).toBe('absent');
    const pulled = await pulls.pull(KEY, REQUEST, donor);
    expect(pulled.state.termHistory).toEqual(donorTimeline.state.termHistory);
    const end = other.ends.at(-1) ?? LAST;
    expect(pulled.state).toMatchObject({ term: 3, flushLsn: end });
  });

  it('PU3: a digest and WAL are only told in the term that was named', async () => {
    const { term } = donorTimeline.state;
    await lead(donorTimeline, 2, LAST);
    const range = { startLsn: START_LSN, endLsn: LAST };
    await expect(donor.digest(range, term)).rejects.toThrow(Unavailable);
    await expect(donor.read(range, term)).rejects.toThrow('term 1 is over');
    for (const [from, to] of [
      [START_LSN, START_LSN],
      [LAST, START_LSN],
      [START_LSN, LAST + 1],
    ] as const)
      await expect(donor.digest({ startLsn: from, endLsn: Lsn.of(to) }, Term.of(2))).rejects.toMatchObject({
        code: 'RangeNotHere',
      });
  });

  it('PU4: is copied once, however many ask for it', async () => {
    const root = makeRoot();
    const pulls = pullsOf(await newcomer(root), root);
    const [one, other] = await Promise.all([pulls.pull(KEY, REQUEST, donor), pulls.pull(KEY, REQUEST, donor)]);
    expect(one).toBe(other);
    expect(donor.readBytes).toBe(LAST - START_LSN);
  });

  it('PU5: waits for room, and goes on where it was', async () => {
    const root = makeRoot();
    const run = await newcomer(root);
    const pulls = pullsOf(run, root);
    donor.before = (what, range) => {
      if (what === 'read' && range?.startLsn === START_LSN) run.safekeeper.space.setDiskFullness(100);
    };
    await expect(pulls.pull(KEY, REQUEST, donor)).rejects.toThrow('no room for a copy');
    expect(donor.readBytes).toBe(SEGMENT_SIZE);
    expect(await presence(run)).toBe('absent');
    run.safekeeper.space.setDiskFullness(0);
    await requireWhole(await pulls.pull(KEY, REQUEST, donor));
    expect(donor.readBytes).toBe(LAST - START_LSN);
  });

  it('is refused by another disk, in a membership that it is not in, and from another donor', async () => {
    const root = makeRoot();
    const pulls = pullsOf(await newcomer(root), root);
    const refused = (change: Partial<PullRequest>) => pulls.pull(KEY, { ...REQUEST, ...change }, donor);
    await expect(refused({ incarnation: INCARNATION })).rejects.toMatchObject({ code: 'WrongIncarnation' });
    const others = Membership.settled(3, [DONOR]);
    await expect(refused({ membership: others })).rejects.toMatchObject({ code: 'NotAMember' });
    await expect(refused({ donor: { ...DONOR, incarnation: 'lost' } })).rejects.toMatchObject({
      code: 'DonorMismatch',
    });
    expect(existsSync(join(root, KEY.tenantId))).toBe(false);
  });

  /** Before the donor is read for the first time. */
  const meanwhile = (act: () => Promise<unknown>): void => {
    let isFirst = true;
    donor.before = async (what) => {
      if (what !== 'read' || !isFirst) return;
      isFirst = false;
      await act();
    };
  };

  it('is not made when it was deleted meanwhile, and leaves no copy', async () => {
    const root = makeRoot();
    const run = await newcomer(root);
    meanwhile(() => run.safekeeper.delete(KEY));
    const pull = pullsOf(run, root).pull(KEY, REQUEST, donor);
    await expect(pull).rejects.toThrow();
    await expect(pullsOf(run, root).pull(KEY, REQUEST, donor)).rejects.toMatchObject({ code: 'TimelineDeleted' });
    expect(readdirSync(join(root, KEY.tenantId))).toEqual([`${KEY.timelineId}.deleted`]);
  });

  it('is not taken, and leaves no copy, when the timeline was made in another way meanwhile', async () => {
    const root = makeRoot();
    const run = await newcomer(root);
    const { incarnation } = NEWCOMER;
    meanwhile(() =>
      run.safekeeper.create({ identity: IDENTITY, membershipGeneration: 1, startLsn: START_LSN, incarnation }),
    );
    const timeline = await pullsOf(run, root).pull(KEY, REQUEST, donor);
    expect(timeline.state.flushLsn).toBe(START_LSN);
    expect(readdirSync(join(root, KEY.tenantId))).toEqual([KEY.timelineId]);
  });

  it('PE1: is not asked for without a token of our own', async () => {
    const root = makeRoot();
    const peers = new Peers({
      safekeeper: (await newcomer(root)).safekeeper,
      tenants: new TenantDirectories(root),
      token: undefined,
    });
    const address = { safekeeperId: 7, host: '127.0.0.1', httpPort: 1 };
    expect(() => peers.pull(KEY, REQUEST, address)).toThrow(Unavailable);
  });
});

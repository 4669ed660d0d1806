/** A timeline that is removed where its safekeeper is no member any more, wherever that is interrupted; and comes back as a member's. */
import { cpSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AcceptorState, type ListedMembership, Membership, type RemovalRequest } from '@neon/consensus';
import { SafekeeperId, Term, Unavailable } from '@neon/kernel';
import { Donor, type DonorLog, type LogRange, Pulls, type Timeline } from '@neon/safekeeper-core';
import { FileTimelineCopies } from './file-timeline-copies';
import { TenantDirectories } from './tenant-directories';
import { FaultyDisk, type DiskOperation, ioError } from './testing/faulty-disk';
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
  leadThrough,
  makeWal,
  readAll,
  startSafekeeper,
} from './testing/one-acceptor';
import { walDigest, walPiece } from './wal-ranges';

const WAL = makeWal(START_LSN, 1.5 * SEGMENT_SIZE);
const LAST = WAL.ends.at(-1) ?? START_LSN;
const SELF = { safekeeperId: SAFEKEEPER, incarnation: INCARNATION };
const OTHER = { id: SafekeeperId.of(8), incarnation: '5d5f5e0a-6f6c-4a39-8f05-6d2c4c4c8f11' };
const OTHERS = [{ safekeeperId: OTHER.id, incarnation: OTHER.incarnation }];
/** Without it; then with it again. */
const AFTER = Membership.settled(3, OTHERS);
const AGAIN = Membership.joint(AFTER, [...OTHERS, SELF]);
const REMOVAL: RemovalRequest = { incarnation: INCARNATION, membership: AFTER };
const TOMBSTONE = `${KEY.timelineId}.removed`;
const READING: ReadonlySet<DiskOperation> = new Set(['open', 'read', 'readFile', 'readdir']);

class LocalDonor extends Donor {
  /** Before each answer with WAL. */
  before: () => Promise<void> = () => Promise.resolve();
  constructor(private readonly timeline: Timeline) {
    super();
  }
  override describe(): Promise<DonorLog> {
    const { state, firstLsn } = this.timeline;
    const control = AcceptorState.durable(state);
    return Promise.resolve({
      member: AcceptorState.member(state),
      control,
      trimmedLsn: firstLsn,
      flushLsn: state.flushLsn,
    });
  }
  override async read(range: LogRange, term?: Term): Promise<Uint8Array> {
    await this.before();
    return walPiece(this.timeline, { ...range, term });
  }
  override async digest(range: LogRange, term: Term): Promise<string> {
    return walDigest(this.timeline, { ...range, term });
  }
}

describe('a timeline that is removed', () => {
  const roots: string[] = [];
  const started: Started[] = [];
  let root: string;

  const makeRoot = (): string => {
    const made = mkdtempSync(join(tmpdir(), 'removal-'));
    roots.push(made);
    return made;
  };
  beforeEach(() => {
    root = makeRoot();
  });
  afterEach(async () => {
    for (const { safekeeper } of started.splice(0)) await safekeeper.close();
    for (const each of roots.splice(0)) rmSync(each, { recursive: true, force: true });
  });

  async function start(directory: string, disk?: FaultyDisk): Promise<Started> {
    const run = await startSafekeeper(directory, disk === undefined ? {} : { disk });
    started.push(run);
    return run;
  }
  const stop = async (): Promise<void> => started.pop()?.safekeeper.close();

  /** A member with WAL. */
  async function founded(directory: string, disk?: FaultyDisk): Promise<Started> {
    const run = await start(directory, disk);
    const timeline = await createTimeline(run.safekeeper);
    await leadThrough(timeline, WAL);
    // Nothing is on its way to the disk any more.
    await timeline.configure(timeline.state.membership, Term.of(5));
    return run;
  }
  async function makeDonor(membership: ListedMembership): Promise<LocalDonor> {
    const run = await startSafekeeper(makeRoot(), { identity: OTHER });
    started.unshift(run);
    const creation = { identity: IDENTITY, membershipGeneration: 1, startLsn: START_LSN };
    const timeline = await run.safekeeper.create({ ...creation, incarnation: OTHER.incarnation });
    await leadThrough(timeline, WAL);
    await timeline.configure(membership, Term.of(9));
    return new LocalDonor(timeline);
  }
  const namesIn = (directory: string): string[] => readdirSync(join(directory, KEY.tenantId)).sort();
  const pullsOf = (run: Started, directory: string, disk?: FaultyDisk): Pulls =>
    new Pulls(run.safekeeper, new FileTimelineCopies(new TenantDirectories(directory, disk)));
  const pulling = (membership: Membership) => ({
    incarnation: INCARNATION,
    membership,
    donor: { safekeeperId: OTHER.id, incarnation: OTHER.incarnation },
  });

  const configure = (run: Started, membership: Membership) =>
    run.safekeeper.configure(KEY, { incarnation: INCARNATION, membership, minTerm: Term.ZERO });

  /** L5: nobody makes it here again in a membership in which this disk may have voted. */
  async function requireNoWayBack(run: Started, directory: string): Promise<void> {
    const refused = { code: 'NotAMember' };
    await expect(createTimeline(run.safekeeper)).rejects.toMatchObject(refused);
    for (const membership of [Membership.settled(2, [SELF]), Membership.settled(3, [SELF])]) {
      const donor = new LocalDonor(undefined as never);
      await expect(pullsOf(run, directory).pull(KEY, pulling(membership), donor)).rejects.toMatchObject(refused);
      expect(await configure(run, membership)).toEqual({ membership: AFTER, term: 0, lastLogTerm: 0, flushLsn: 0 });
    }
    const unknown = { code: 'TimelineUnknown' };
    await expect(configure(run, AGAIN)).rejects.toMatchObject(unknown);
    const stranger = { incarnation: OTHER.incarnation, membership: AFTER, minTerm: Term.ZERO };
    await expect(run.safekeeper.configure(KEY, stranger)).rejects.toMatchObject({ code: 'WrongIncarnation' });
    expect(() => run.safekeeper.get(KEY)).toThrow('no timeline');
  }

  /** With the log of the donor, as a member. */
  async function requireBack(timeline: Timeline): Promise<void> {
    expect(timeline.state).toMatchObject({ membership: AGAIN, term: 9, flushLsn: LAST });
    expect((await readAll(timeline, START_LSN, LAST)).equals(WAL.bytes)).toBe(true);
  }

  test('leaves a tombstone with the membership, and no request of that one or of an earlier one makes it again', async () => {
    const run = await founded(root);
    await run.safekeeper.remove(KEY, REMOVAL);
    expect(await run.safekeeper.presence(KEY)).toEqual({ membership: AFTER });
    expect(namesIn(root)).toEqual([TOMBSTONE]);
    await requireNoWayBack(run, root);
    await run.safekeeper.remove(KEY, REMOVAL);
    await stop();
    const again = await start(root);
    expect(await again.safekeeper.presence(KEY)).toEqual({ membership: AFTER });
    await requireNoWayBack(again, root);
  });

  test('that never was here leaves a tombstone too, and a copy goes', async () => {
    const run = await start(root);
    const donor = await makeDonor(AFTER);
    donor.before = () => Promise.reject(new Unavailable('the donor went away'));
    const pulls = pullsOf(run, root);
    await expect(pulls.pull(KEY, pulling(Membership.settled(2, [SELF])), donor)).rejects.toThrow('went away');
    expect(namesIn(root)).toEqual([`${KEY.timelineId}.copying`]);
    await pulls.remove(KEY, REMOVAL);
    expect(namesIn(root)).toEqual([TOMBSTONE]);
    await requireNoWayBack(run, root);
  });

  test('keeps the tombstone of the latest membership that it was removed in', async () => {
    const run = await founded(root);
    const at = (generation: number) => ({ ...REMOVAL, membership: Membership.settled(generation, OTHERS) });
    await run.safekeeper.remove(KEY, at(5));
    await run.safekeeper.remove(KEY, at(3));
    expect(await run.safekeeper.presence(KEY)).toEqual({ membership: at(5).membership });
    await run.safekeeper.remove(KEY, at(9));
    expect(await run.safekeeper.presence(KEY)).toEqual({ membership: at(9).membership });
  });

  test('is not removed by a member, on another disk, or in a membership that was followed by another one', async () => {
    const run = await founded(root);
    const { safekeeper } = run;
    const member = { ...REMOVAL, membership: Membership.settled(3, [SELF]) };
    await expect(safekeeper.remove(KEY, member)).rejects.toMatchObject({ code: 'MalformedRequest' });
    const stranger = { ...REMOVAL, incarnation: OTHER.incarnation };
    await expect(safekeeper.remove(KEY, stranger)).rejects.toMatchObject({ code: 'WrongIncarnation' });
    await (await run.working()).configure(AGAIN, Term.ZERO);
    await expect(safekeeper.remove(KEY, REMOVAL)).rejects.toMatchObject({ code: 'MembershipSuperseded' });
    expect((await run.working()).state).toMatchObject({ membership: AGAIN, flushLsn: LAST });
    expect(run.failures).toEqual([]);
    expect(namesIn(root)).toEqual([KEY.timelineId]);
  });

  test('stays when it takes on a later membership at the last moment: it may be a member again', async () => {
    const disk = new FaultyDisk(root);
    const run = await founded(root, disk);
    const timeline = await run.working();
    const remove = disk.remove.bind(disk);
    disk.remove = async (path) => {
      // It has taken on the membership without it; its tombstone is next.
      if (path.endsWith('.copying')) await timeline.configure(AGAIN, Term.ZERO);
      return remove(path);
    };
    await expect(run.safekeeper.remove(KEY, REMOVAL)).rejects.toMatchObject({ code: 'MembershipSuperseded' });
    disk.remove = remove;
    expect(namesIn(root)).toEqual([KEY.timelineId, TOMBSTONE]);
    expect((await run.working()).state).toMatchObject({ membership: AGAIN, flushLsn: LAST });
    await stop();
    // The tombstone is of an earlier membership.
    expect((await (await start(root)).working()).state).toMatchObject({ membership: AGAIN, flushLsn: LAST });
  });

  test('is there as no member or is removed, whenever the process is killed or the power goes; and then goes (FD8)', async () => {
    const disk = new FaultyDisk(root);
    const run = await founded(root, disk);
    const lefts: string[] = [];
    disk.fault = ({ operation }) => {
      if (READING.has(operation)) return undefined;
      const [killed, synced, latest] = [makeRoot(), makeRoot(), makeRoot()];
      cpSync(root, killed, { recursive: true });
      disk.crash(synced, 'synced');
      disk.crash(latest, 'latest');
      lefts.push(killed, synced, latest);
      return undefined;
    };
    await run.safekeeper.remove(KEY, REMOVAL);
    disk.fault = () => undefined;
    const seen = new Set<string>();
    for (const left of lefts) {
      const isBuried = existsSync(join(left, KEY.tenantId, TOMBSTONE));
      const after = await start(left);
      const presence = await after.safekeeper.presence(KEY);
      expect(presence).toEqual(isBuried ? { membership: AFTER } : 'present');
      if (isBuried) expect(namesIn(left)).toEqual([TOMBSTONE]);
      else expect((await after.working()).state).toMatchObject({ flushLsn: LAST });
      seen.add(isBuried ? 'removed' : `in generation ${(await after.working()).state.membership.generation}`);
      await after.safekeeper.remove(KEY, REMOVAL);
      expect(namesIn(left)).toEqual([TOMBSTONE]);
      await requireNoWayBack(after, left);
      await stop();
    }
    expect(seen).toEqual(new Set(['in generation 1', 'in generation 3', 'removed']));
  });

  test('whose removal fails works on as no member, or is removed; and goes with the next attempt', async () => {
    const counting = new FaultyDisk(root);
    const { safekeeper } = await founded(root, counting);
    const before = counting.operationCount;
    await safekeeper.remove(KEY, REMOVAL);
    const operationCount = counting.operationCount - before;
    expect(operationCount).toBeGreaterThan(15);
    const seen = new Set<unknown>();
    for (let failing = 0; failing < operationCount; failing++) {
      const directory = makeRoot();
      const disk = new FaultyDisk(directory);
      const run = await founded(directory, disk);
      const base = disk.operationCount;
      disk.fault = ({ index }) => (index === base + failing ? ioError() : undefined);
      await expect(run.safekeeper.remove(KEY, REMOVAL)).rejects.toThrow('EIO');
      disk.fault = () => undefined;
      const presence = await run.safekeeper.presence(KEY);
      seen.add(typeof presence === 'string' ? presence : 'removed');
      if (presence === 'present') {
        const { state } = await run.working();
        expect(state.flushLsn).toBe(LAST);
        expect([1, 3]).toContain(state.membership.generation);
      }
      await run.safekeeper.remove(KEY, REMOVAL);
      expect(await run.safekeeper.presence(KEY)).toEqual({ membership: AFTER });
      expect(namesIn(directory)).toEqual([TOMBSTONE]);
      await stop();
    }
    expect(seen).toEqual(new Set(['present', 'removed']));
  });

  test('is made again for a later membership that it is a member of, and stays then, tombstone or not', async () => {
    const run = await founded(root);
    const donor = await makeDonor(AGAIN);
    await run.safekeeper.remove(KEY, REMOVAL);
    await requireBack(await pullsOf(run, root).pull(KEY, pulling(AGAIN), donor));
    await stop();
    const again = await start(root);
    await requireBack(await again.working());
    expect(namesIn(root)).toEqual([KEY.timelineId, TOMBSTONE]);
    // A request that comes late finds a member.
    await expect(again.safekeeper.remove(KEY, REMOVAL)).rejects.toMatchObject({ code: 'MembershipSuperseded' });
    await requireBack(await again.working());
    const later = { ...REMOVAL, membership: Membership.settled(9, OTHERS) };
    await again.safekeeper.remove(KEY, later);
    expect(await again.safekeeper.presence(KEY)).toEqual({ membership: later.membership });
    expect(namesIn(root)).toEqual([TOMBSTONE]);
  });

  test('is removed or back, and never as if it had not been here, whenever the power goes while it is made again (FD8)', async () => {
    const disk = new FaultyDisk(root);
    const run = await founded(root, disk);
    const donor = await makeDonor(AGAIN);
    await run.safekeeper.remove(KEY, REMOVAL);
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
    await pullsOf(run, root, disk).pull(KEY, pulling(AGAIN), donor);
    disk.fault = () => undefined;
    let backCount = 0;
    for (const left of lefts) {
      const after = await start(left);
      if ((await after.safekeeper.presence(KEY)) === 'present') backCount++;
      else await requireNoWayBack(after, left);
      await requireBack(await pullsOf(after, left).pull(KEY, pulling(AGAIN), donor));
      await stop();
    }
    expect(backCount).toBeGreaterThan(0);
    expect(backCount).toBeLessThan(lefts.length);
  });

  test('PU6: is not removed while it is copied, nor copied while it is removed', async () => {
    const disk = new FaultyDisk(root);
    const run = await founded(root, disk);
    const donor = await makeDonor(AGAIN);
    const pulls = pullsOf(run, root, disk);
    const outcomes: unknown[] = [];
    const attempt = async (what: Promise<unknown>): Promise<void> => {
      outcomes.push(await what.catch((error: unknown) => error));
    };
    const remove = disk.remove.bind(disk);
    disk.remove = async (path) => {
      if (path.endsWith('.removing')) await attempt(pulls.pull(KEY, pulling(AGAIN), donor));
      return remove(path);
    };
    await pulls.remove(KEY, REMOVAL);
    await pulls.remove(KEY, REMOVAL);
    disk.remove = remove;
    donor.before = () => attempt(pulls.remove(KEY, REMOVAL));
    await requireBack(await pulls.pull(KEY, pulling(AGAIN), donor));
    expect(outcomes.length).toBeGreaterThan(4);
    for (const outcome of outcomes) expect(outcome).toBeInstanceOf(Unavailable);
  });

  test('that does not work is not removed: what it goes by is not known', async () => {
    await founded(root);
    await stop();
    const control = join(directoryOf(root), 'safekeeper.control');
    const content = readFileSync(control);
    writeFileSync(control, Buffer.alloc(content.length));
    const run = await start(root);
    await expect(run.safekeeper.remove(KEY, REMOVAL)).rejects.toBeInstanceOf(Unavailable);
    expect(namesIn(root)).toEqual([KEY.timelineId]);
    writeFileSync(control, content);
    await run.working();
    await run.safekeeper.remove(KEY, REMOVAL);
    expect(namesIn(root)).toEqual([TOMBSTONE]);
  });

  test('whose tombstone is damaged is not taken for one that never was here', async () => {
    const run = await founded(root);
    await run.safekeeper.remove(KEY, REMOVAL);
    writeFileSync(join(root, KEY.tenantId, TOMBSTONE), 'damaged');
    await expect(createTimeline(run.safekeeper)).rejects.toThrow('tombstone');
    await expect(configure(run, AGAIN)).rejects.toThrow('tombstone');
  });

  test('leaves one tombstone when the timeline is deleted, which stays', async () => {
    const run = await founded(root);
    await run.safekeeper.remove(KEY, REMOVAL);
    await run.safekeeper.delete(KEY);
    expect(namesIn(root)).toEqual([`${KEY.timelineId}.deleted`]);
    await run.safekeeper.remove(KEY, REMOVAL);
    expect(namesIn(root)).toEqual([`${KEY.timelineId}.deleted`]);
    writeFileSync(join(root, KEY.tenantId, TOMBSTONE), 'left by an interruption');
    await stop();
    const again = await start(root);
    expect(namesIn(root)).toEqual([`${KEY.timelineId}.deleted`]);
    expect(await again.safekeeper.presence(KEY)).toBe('deleted');
  });
});

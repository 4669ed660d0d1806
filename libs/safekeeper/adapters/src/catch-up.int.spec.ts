/** Committed WAL taken from another safekeeper, on real files, when nobody leads. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AcceptorState, Membership } from '@neon/consensus';
import { SafekeeperId, Term } from '@neon/kernel';
import { Donor, type DonorLog, type LogRange, type Timeline, catchUp, mayLearn } from '@neon/safekeeper-core';
import {
  IDENTITY,
  GENERATION,
  INCARNATION,
  SAFEKEEPER,
  SEGMENT_SIZE,
  START_LSN,
  type Started,
  createTimeline,
  lead,
  makeWal,
  readAll,
  startSafekeeper,
  until,
} from './testing/one-acceptor';
import { walPiece } from './wal-ranges';

const LAGGING = { id: SafekeeperId.of(8), incarnation: '5d5f5e0a-6f6c-4a39-8f05-6d2c4c4c8f11' };
const WAL = makeWal(START_LSN, 2.5 * SEGMENT_SIZE);
const LAST = WAL.ends.at(-1) ?? START_LSN;
/** Of the last record. */
const COMMITTED = WAL.ends.at(-2) ?? START_LSN;

class LocalDonor extends Donor {
  readBytes = 0;
  before: (range: LogRange) => Promise<void> = () => Promise.resolve();
  constructor(
    private readonly timeline: Timeline,
    private readonly change: (bytes: Uint8Array) => Uint8Array = (bytes) => bytes,
  ) {
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
    await this.before(range);
    const bytes = this.change(await walPiece(this.timeline, { ...range, term }));
    this.readBytes += bytes.length;
    return bytes;
  }
  override digest(): Promise<string> {
    throw new Error('nobody asks for it');
  }
}

describe('a timeline that lags and that nobody leads', () => {
  const roots: string[] = [];
  const started: Started[] = [];
  let ahead: Timeline;
  let lagging: Timeline;

  async function start(identity?: typeof LAGGING): Promise<Started> {
    const root = mkdtempSync(join(tmpdir(), 'catch-up-'));
    roots.push(root);
    const run = await startSafekeeper(root, identity === undefined ? {} : { identity });
    started.push(run);
    return run;
  }

  beforeEach(async () => {
    ahead = await createTimeline((await start()).safekeeper);
    const creation = { identity: IDENTITY, membershipGeneration: GENERATION, startLsn: START_LSN };
    lagging = await (await start(LAGGING)).safekeeper.create({ ...creation, incarnation: LAGGING.incarnation });
    const leader = await lead(ahead, 2);
    leader.append(START_LSN, WAL.bytes);
    await leader.flushed(LAST);
    leader.commit(COMMITTED);
    await until(() => ahead.state.commitLsn === COMMITTED);
  });
  afterEach(async () => {
    for (const { safekeeper } of started.splice(0)) await safekeeper.close();
    for (const root of roots.splice(0)) rmSync(root, { recursive: true, force: true });
  });

  async function requireCaughtUp(): Promise<void> {
    await until(() => lagging.state.commitLsn === COMMITTED);
    expect(lagging.state).toMatchObject({ flushLsn: COMMITTED, writeLsn: COMMITTED });
    const bytes = await readAll(lagging, START_LSN, COMMITTED);
    expect(bytes.equals(WAL.bytes.subarray(0, COMMITTED - START_LSN))).toBe(true);
  }

  it('CU1: takes what is committed and no more, with its history and term', async () => {
    expect(await catchUp(lagging, new LocalDonor(ahead))).toBe(COMMITTED - START_LSN);
    await requireCaughtUp();
    expect(lagging.state).toMatchObject({ term: 2, termHistory: ahead.state.termHistory });
  });

  it('CU1: gives up a tail that was never committed, and goes on from where the logs part', async () => {
    const half = WAL.ends[20] ?? START_LSN;
    const leader = await lead(lagging, 1);
    const other = makeWal(START_LSN, SEGMENT_SIZE, { seed: 5 });
    leader.append(START_LSN, other.bytes);
    await leader.flushed(half);
    leader.leave();
    await until(() => lagging.state.leader === undefined);
    await catchUp(lagging, new LocalDonor(ahead));
    await requireCaughtUp();
  });

  it('CU1: takes no more once somebody leads', async () => {
    const donor = new LocalDonor(ahead);
    donor.before = async () => void (await lead(lagging, 7, START_LSN));
    expect(await catchUp(lagging, donor)).toBe(0);
    expect(lagging.state).toMatchObject({ term: 7, flushLsn: START_LSN });
  });

  it('takes nothing that is no WAL, and ends', async () => {
    const donor = new LocalDonor(ahead, (bytes) => new Uint8Array(bytes.length).fill(7));
    expect(await catchUp(lagging, donor)).toBe(0);
    expect(lagging.failed).toBeUndefined();
    await catchUp(lagging, new LocalDonor(ahead));
    await requireCaughtUp();
  });

  it('CU2: asks none but a member, as the disk that is listed', async () => {
    const self = { safekeeperId: LAGGING.id, incarnation: LAGGING.incarnation };
    const membership = Membership.settled(2, [self, { safekeeperId: SAFEKEEPER, incarnation: 'another' }]);
    await lagging.configure(membership, Term.ZERO);
    await expect(catchUp(lagging, new LocalDonor(ahead))).rejects.toMatchObject({ code: 'DonorMismatch' });
    const members = [self, { safekeeperId: SAFEKEEPER, incarnation: INCARNATION }];
    await lagging.configure(Membership.settled(3, members), Term.ZERO);
    await catchUp(lagging, new LocalDonor(ahead));
    await requireCaughtUp();
  });

  it('CU2: one that was replaced, and has not heard of it, is told so and takes nothing', async () => {
    const [self, other] = [
      { safekeeperId: LAGGING.id, incarnation: LAGGING.incarnation },
      { safekeeperId: SAFEKEEPER, incarnation: INCARNATION },
    ];
    await lagging.configure(Membership.settled(2, [self, other]), Term.ZERO);
    await ahead.configure(Membership.settled(4, [other]), Term.of(9));
    expect(await catchUp(lagging, new LocalDonor(ahead))).toBe(0);
    expect(mayLearn(lagging)).toBe(false);
    expect(lagging.state).toMatchObject({ membership: ahead.state.membership, term: 0, writeLsn: START_LSN });
  });

  it('CU2: takes on a higher membership that it is in, and goes on; a lower one changes nothing', async () => {
    const self = { safekeeperId: LAGGING.id, incarnation: LAGGING.incarnation };
    const members = [self, { safekeeperId: SAFEKEEPER, incarnation: INCARNATION }];
    await ahead.configure(Membership.settled(4, members), Term.ZERO);
    await catchUp(lagging, new LocalDonor(ahead));
    await requireCaughtUp();
    expect(lagging.state.membership).toEqual(ahead.state.membership);
    await lagging.configure(Membership.settled(6, members), Term.ZERO);
    await catchUp(lagging, new LocalDonor(ahead));
    expect(lagging.state.membership.generation).toBe(6);
  });

  it('fails with its disk, and says so', async () => {
    const [, run] = started;
    const donor = new LocalDonor(ahead);
    donor.before = async () => run?.safekeeper.close();
    await expect(catchUp(lagging, donor)).rejects.toMatchObject({ name: 'Unavailable' });
  });
});

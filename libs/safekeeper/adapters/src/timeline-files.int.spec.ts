import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { AcceptorState, Membership } from '@neon/consensus';
import { Lsn, SafekeeperId, Term } from '@neon/kernel';
import { Safekeeper } from '@neon/safekeeper-core';
import { FileTimelineDirectory } from './file-timeline-directory';
import { TenantDirectories } from './tenant-directories';
import {
  GENERATION,
  IDENTITY,
  INCARNATION,
  KEY,
  SAFEKEEPER,
  SEGMENT_SIZE,
  START_LSN,
  lead,
  makeWal,
  readAll,
} from './testing/one-acceptor';

describe('a timeline in files', () => {
  let root: string;
  let failures: string[];
  const opened: Safekeeper[] = [];

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'timeline-'));
    failures = [];
  });

  afterEach(async () => {
    for (const safekeeper of opened.splice(0)) await safekeeper.close();
    rmSync(root, { recursive: true, force: true });
  });

  async function start(directory = root): Promise<Safekeeper> {
    const safekeeper = new Safekeeper(
      { id: SAFEKEEPER, incarnation: INCARNATION },
      new FileTimelineDirectory(new TenantDirectories(directory), SAFEKEEPER),
      {
        timelineFailed: (_key, error) => void failures.push(error.message),
        timelineOpened: () => undefined,
        incarnationRefused: (_key, incarnation) => void failures.push(`asked for ${incarnation}`),
        timelineRemoved: () => undefined,
      },
      (_delayMs, run) => void setTimeout(run, 50),
    );
    opened.push(safekeeper);
    await safekeeper.start();
    return safekeeper;
  }

  const create = (safekeeper: Safekeeper, startLsn = START_LSN) =>
    safekeeper.create({ identity: IDENTITY, membershipGeneration: GENERATION, startLsn, incarnation: INCARNATION });

  const directoryOf = (base: string): string => join(base, KEY.tenantId, KEY.timelineId);

  test('is not created for another life of this safekeeper (SK4)', async () => {
    const safekeeper = await start();
    const lost = '99999999-58b5-4d0e-9f0e-3f1b8d3f7a11';
    const creation = { identity: IDENTITY, membershipGeneration: GENERATION, startLsn: START_LSN };
    const refused = { code: 'WrongIncarnation' };
    await expect(safekeeper.create({ ...creation, incarnation: lost })).rejects.toMatchObject(refused);
    expect(failures).toEqual([`asked for ${lost}`]);
    expect(readdirSync(root)).toEqual([]);
    await safekeeper.create({ ...creation, incarnation: INCARNATION });
    await expect(safekeeper.create({ ...creation, incarnation: lost })).rejects.toMatchObject(refused);
  });

  test('what can be of no use any more is removed at the start, and nothing else (FD7)', async () => {
    await create(await start());
    await opened.pop()?.close();
    const tenant = join(root, KEY.tenantId);
    const [deleted, wanted] = ['11'.repeat(16), '22'.repeat(16)];
    writeFileSync(join(tenant, `${deleted}.deleted`), '');
    for (const name of [
      `${KEY.timelineId}.copying`,
      `${deleted}.copying`,
      `${wanted}.copying`,
      `${wanted}.new`,
      `${deleted}.removing`,
      '33'.repeat(16) + '.elsewhere',
    ])
      mkdirSync(join(tenant, name));
    const [empty, emptied, strange] = ['44', '55', '66'].map((digits) => join(root, digits.repeat(16)));
    mkdirSync(empty!);
    mkdirSync(join(emptied!, `${wanted}.new`), { recursive: true });
    mkdirSync(join(strange!, 'strange'), { recursive: true });
    const safekeeper = await start();
    expect(safekeeper.find(KEY)).toBeDefined();
    const left = [`${deleted}.deleted`, `${wanted}.copying`, `${'33'.repeat(16)}.elsewhere`, KEY.timelineId];
    expect(readdirSync(tenant)).toEqual(left);
    expect(readdirSync(root)).toEqual(['66'.repeat(16), KEY.tenantId]);
    expect(readdirSync(strange!)).toEqual(['strange']);
  });

  test('what was reported as flushed is there after a kill at any moment', async () => {
    const { bytes, ends } = makeWal(START_LSN, 3 * SEGMENT_SIZE);
    const timeline = await create(await start());
    const leader = await lead(timeline);
    const copies: { directory: string; flushLsn: Lsn; term: Term }[] = [];
    let startLsn = START_LSN;
    for (const endLsn of ends) {
      leader.append(startLsn, bytes.subarray(startLsn - START_LSN, endLsn - START_LSN), timeline.state.flushLsn);
      startLsn = endLsn;
      if (copies.length * 40 * 1024 > endLsn - START_LSN) continue;
      await sleep(copies.length % 3);
      // What a killed process leaves is what the file system shows now; what was told is what was told before.
      const { flushLsn, term } = timeline.state;
      copies.push({ directory: asKilled(root), flushLsn, term });
    }
    expect(copies.length).toBeGreaterThan(60);
    for (const { directory, flushLsn, term } of copies) {
      const recovered = (await start(directory)).get(KEY);
      expect(recovered.state.flushLsn).toBeGreaterThanOrEqual(flushLsn);
      expect(ends.includes(recovered.state.flushLsn) || recovered.state.flushLsn === START_LSN).toBe(true);
      expect(recovered.state.term).toBe(term);
      const wal = await readAll(recovered, START_LSN, recovered.state.flushLsn);
      expect(wal.equals(bytes.subarray(0, wal.length))).toBe(true);
      await opened.pop()?.close();
      rmSync(directory, { recursive: true, force: true });
    }
  });

  test.each([
    ['a torn last record', (file: string, at: number) => overwrite(file, at - 8, Buffer.alloc(8, 0xee))],
    ['zeros in the middle', (file: string, at: number) => overwrite(file, at - 5000, Buffer.alloc(100))],
    ['a file that is too short', (file: string, at: number) => truncateSync(file, at - 1)],
  ])('the log ends before %s, and goes on from there', async (_name, damage) => {
    const { bytes, starts, ends } = makeWal(START_LSN, SEGMENT_SIZE / 2);
    const first = await start();
    const leader = await lead(await create(first));
    leader.append(START_LSN, bytes);
    await leader.flushed(ends.at(-1)!);
    await opened.pop()?.close();
    const [segment] = readdirSync(directoryOf(root)).filter((name) => /^[0-9A-F]{24}$/.test(name));
    damage(join(directoryOf(root), segment!), ends.at(-1)! - START_LSN);
    const timeline = (await start()).get(KEY);
    const endLsn = timeline.state.flushLsn;
    expect(endLsn).toBeLessThan(ends.at(-1)!);
    expect(ends).toContain(endLsn);
    const next = await lead(timeline, 2);
    const more = makeWal(endLsn, 20_000, { seed: 3, prevLsn: starts[ends.indexOf(endLsn)]! });
    next.append(endLsn, more.bytes);
    await next.flushed(more.ends.at(-1)!);
    await opened.pop()?.close();
    expect((await start()).get(KEY).state.flushLsn).toBe(more.ends.at(-1));
  });

  test('what was cut off never comes back, even where records would fit', async () => {
    const { bytes, ends } = makeWal(START_LSN, 2 * SEGMENT_SIZE);
    const timeline = await create(await start());
    const leader = await lead(timeline);
    leader.append(START_LSN, bytes);
    await leader.flushed(ends.at(-1)!);
    const cutLsn = ends[3]!;
    const second = await lead(timeline, 2, cutLsn);
    expect(timeline.state.flushLsn).toBe(cutLsn);
    // The very record that was there before, after which the former ones would follow without a seam.
    second.append(cutLsn, bytes.subarray(cutLsn - START_LSN, ends[4]! - START_LSN));
    await second.flushed(ends[4]!);
    await opened.pop()?.close();
    expect((await start()).get(KEY).state.flushLsn).toBe(ends[4]);
  });

  test.each(['at once', 'after a restart', 'after a cut'])(
    'a record that does not link to the one before it is refused %s',
    async (when) => {
      const { bytes, ends } = makeWal(START_LSN, 100_000);
      let timeline = await create(await start());
      const leader = await lead(timeline);
      leader.append(START_LSN, bytes);
      await leader.flushed(ends.at(-1)!);
      if (when === 'after a restart') {
        await opened.pop()?.close();
        timeline = (await start()).get(KEY);
      }
      const endLsn = when === 'after a cut' ? ends[5]! : ends.at(-1)!;
      const second = await lead(timeline, 2, endLsn);
      second.append(endLsn, makeWal(endLsn, 10_000).bytes);
      await second.until((answer) => answer.kind === 'sessionRefused' && answer.code === 'MalformedMessage');
      expect(timeline.state.flushLsn).toBe(endLsn);
    },
  );

  test('a vote survives a restart, and so does the history of terms', async () => {
    await lead(await create(await start()), 5);
    await opened.pop()?.close();
    const { term, termHistory } = (await start()).get(KEY).state;
    expect([term, termHistory.map((entry) => entry.term)]).toEqual([5, [0, 5]]);
  });

  test('what is read for a term that passes meanwhile is not handed out (TL2)', async () => {
    const { bytes } = makeWal(START_LSN, 50_000);
    const timeline = await create(await start());
    const leader = await lead(timeline);
    leader.append(START_LSN, bytes);
    await leader.until(() => timeline.state.durableLsn === START_LSN + bytes.length);
    const { term, flushLsn } = timeline.state;
    expect(await timeline.read(START_LSN, flushLsn, term)).toHaveLength(flushLsn - START_LSN);
    const reading = timeline.read(START_LSN, flushLsn, term);
    const next = lead(timeline, 2, START_LSN);
    await expect(reading).rejects.toThrow('term 1 is over');
    await next;
  });

  test('a damaged control file keeps the timeline closed with a clear reason, and nothing else', async () => {
    await create(await start());
    await opened.pop()?.close();
    const file = join(directoryOf(root), 'safekeeper.control');
    const content = readFileSync(file);
    content[40]! ^= 1;
    writeFileSync(file, content);
    const safekeeper = await start();
    expect(() => safekeeper.get(KEY)).toThrow('control file does not have its checksum');
  });

  test('a timeline whose committed WAL is missing stays closed', async () => {
    const { bytes, ends } = makeWal(START_LSN, SEGMENT_SIZE / 2);
    const leader = await lead(await create(await start()));
    leader.append(START_LSN, bytes);
    await leader.flushed(ends.at(-1)!);
    leader.append(ends.at(-1)!, new Uint8Array(0), ends.at(-1)!);
    await leader.until((answer) => answer.kind === 'appendResponse' && answer.commitLsn === ends.at(-1));
    await opened.pop()?.close();
    rmSync(join(directoryOf(root), '000000010000000000000010'));
    const safekeeper = await start();
    expect(() => safekeeper.get(KEY)).toThrow('is missing');
  });

  test('a timeline that begins in the middle of a segment has the headers that tools look for', async () => {
    const startLsn = Lsn.parse('0/1012340');
    const { bytes, ends } = makeWal(startLsn, 50_000);
    const leader = await lead(await create(await start(), startLsn));
    leader.append(startLsn, bytes);
    await leader.flushed(ends.at(-1)!);
    const segment = readFileSync(join(directoryOf(root), '000000010000000000000010'));
    expect(segment.length).toBe(SEGMENT_SIZE);
    expect(segment.readUInt16LE(0)).toBe(0xd116);
    expect(segment.readBigUInt64LE(24)).toBe(7000000000000000001n);
    expect(segment.readBigUInt64LE(0x12000 + 8)).toBe(BigInt(0x1012000));
    expect(segment.subarray(0x12340, 0x12340 + bytes.length).equals(bytes)).toBe(true);
  });

  test('a deleted timeline leaves a tombstone and no files', async () => {
    const safekeeper = await start();
    await create(safekeeper);
    await safekeeper.delete(KEY);
    expect(existsSync(directoryOf(root))).toBe(false);
    await expect(create(safekeeper)).rejects.toMatchObject({ code: 'TimelineDeleted' });
    await opened.pop()?.close();
    await expect(create(await start())).rejects.toMatchObject({ code: 'TimelineDeleted' });
  });

  test('a membership that was taken on is kept, answered with the position, and outlives a restart (A9)', async () => {
    const timeline = await create(await start());
    const leader = await lead(timeline, 3);
    const self = { safekeeperId: SAFEKEEPER, incarnation: INCARNATION };
    const membership = Membership.settled(GENERATION + 1, [self]);
    const position = { membership, term: 4, lastLogTerm: 3, flushLsn: START_LSN };
    expect(await timeline.configure(membership, Term.of(4))).toEqual(position);
    await leader.until((answer) => answer.kind === 'sessionRefused' && answer.code === 'MembershipMismatch');
    await opened.pop()?.close();
    const again = (await start()).get(KEY);
    expect(again.state).toMatchObject({ membership, term: 4 });
    await again.close();
    await expect(again.configure(membership, Term.ZERO)).rejects.toThrow('closed');
  });

  test('a control file of another safekeeper is refused', async () => {
    const { store } = await new FileTimelineDirectory(new TenantDirectories(root), SafekeeperId.of(8)).create(
      AcceptorState.create({
        safekeeperId: SafekeeperId.of(8),
        identity: IDENTITY,
        membership: Membership.founding(GENERATION),
        startLsn: START_LSN,
        term: Term.ZERO,
      }),
    );
    await store.close();
    const safekeeper = await start();
    expect(() => safekeeper.get(KEY)).toThrow('control file of safekeeper 8');
  });
});

/** A copy of a data directory in the middle of its work. A file that is just being renamed makes the copy start again. */
function asKilled(root: string): string {
  for (let attempt = 0; ; attempt++) {
    const directory = mkdtempSync(join(tmpdir(), 'killed-'));
    try {
      cpSync(root, directory, { recursive: true });
      return directory;
    } catch (error) {
      rmSync(directory, { recursive: true, force: true });
      if (attempt === 20) throw error;
    }
  }
}

function overwrite(file: string, at: number, bytes: Buffer): void {
  const content = readFileSync(file);
  bytes.copy(content, at);
  writeFileSync(file, content);
}

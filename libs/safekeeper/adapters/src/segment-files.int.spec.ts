import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AcceptorState, Membership } from '@neon/consensus';
import { Lsn, SafekeeperId, SystemId, TenantId, Term, TimelineId } from '@neon/kernel';
import { FileTimelineStore } from './file-timeline-store';
import { type Disk, nodeDisk } from './disk';
import { writeAll } from './durable-file';
import { SegmentFiles } from './segment-files';
import { InlineWrites } from './inline-writes';
import { SegmentMaker } from './segment-maker';
import { FaultyDisk, ioError } from './testing/faulty-disk';
import { until } from './testing/one-acceptor';

const SEGMENT_SIZE = 1024 * 1024;
const CONTROL = AcceptorState.create({
  safekeeperId: SafekeeperId.of(7),
  identity: {
    tenantId: TenantId.parse('ab'.repeat(16)),
    timelineId: TimelineId.parse('cd'.repeat(16)),
    pgMajor: 17,
    systemId: SystemId.parse('7000000000000000001'),
    walSegmentSize: SEGMENT_SIZE,
  },
  membership: Membership.founding(1),
  startLsn: Lsn.of(SEGMENT_SIZE),
  term: Term.ZERO,
});

describe('segment files', () => {
  let root: string;
  beforeEach(() => void (root = mkdtempSync(join(tmpdir(), 'segments-'))));
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  const storeOf = (disk: Disk, maker = new SegmentMaker()): { files: SegmentFiles; store: FileTimelineStore } => {
    const files = new SegmentFiles(disk, root, CONTROL);
    const store = new FileTimelineStore({
      files,
      maker,
      inline: new InlineWrites(),
      endLsn: Lsn.of(SEGMENT_SIZE),
      isTailClean: true,
    });
    return { files, store };
  };
  const write = async (store: FileTimelineStore, startLsn: number, size: number): Promise<void> => {
    const recordEndLsn = Lsn.of(startLsn + size);
    store.write({ startLsn: Lsn.of(startLsn), bytes: Buffer.alloc(size, 1), recordEndLsn, truncationCount: 0 });
    await store.flush();
  };

  test('whose names could not be made durable are not written to, though they are there (SF3)', async () => {
    const disk = new FaultyDisk(root);
    let syncs = 0;
    // The second sync of names fails, and every later one would pretend that nothing had happened.
    disk.fault = ({ operation }) => (operation === 'syncDirectory' && ++syncs === 2 ? ioError() : undefined);
    const { files, store } = storeOf(disk);
    const failures: unknown[] = [];
    const durable: number[] = [];
    store.listen({ durable: ({ endLsn }) => void durable.push(endLsn), failed: (error) => void failures.push(error) });
    // From the middle of the segment on, the next one is made ready.
    await write(store, SEGMENT_SIZE, 0.75 * SEGMENT_SIZE);
    await write(store, 1.75 * SEGMENT_SIZE, 1000);
    await expect(write(store, 1.75 * SEGMENT_SIZE + 1000, SEGMENT_SIZE / 2)).rejects.toThrow(/may not be durable/);
    expect(existsSync(files.pathOf(2))).toBe(true);
    expect(failures).toHaveLength(1);
    expect(durable.at(-1)).toBe(1.75 * SEGMENT_SIZE + 1000);
    await store.close();
  });

  test('have their blocks before small writes come to them, the first one in steps (FS2)', async () => {
    const { files, store } = storeOf(nodeDisk);
    const blocksOf = (number: number): number => statSync(files.pathOf(number)).blocks * 512;
    await write(store, SEGMENT_SIZE, 1000);
    expect(statSync(files.pathOf(1)).size).toBe(SEGMENT_SIZE);
    const before = blocksOf(1);
    expect(before).toBeGreaterThanOrEqual(256 * 1024);
    expect(before).toBeLessThan(SEGMENT_SIZE / 2);
    await write(store, SEGMENT_SIZE + 1000, 100_000);
    expect(blocksOf(1)).toBe(before);
    for (let at = 101_000; at < 0.75 * SEGMENT_SIZE; at += 50_000) await write(store, SEGMENT_SIZE + at, 50_000);
    await until(() => existsSync(files.pathOf(2)));
    expect(blocksOf(2)).toBeGreaterThanOrEqual(SEGMENT_SIZE);
    await store.close();
  });

  test('are not written twice in a bulk load (FS2)', async () => {
    const { files, store } = storeOf(nodeDisk);
    await write(store, SEGMENT_SIZE, 0.75 * SEGMENT_SIZE);
    await until(() => existsSync(files.pathOf(2)));
    expect(statSync(files.pathOf(2)).size).toBe(SEGMENT_SIZE);
    expect(statSync(files.pathOf(2)).blocks).toBeLessThan(100);
    await store.close();
  });

  test('that are needed before their turn are made at once, by the one that needs them (SM1, SM2)', async () => {
    const maker = new SegmentMaker();
    const made: string[] = [];
    let finish = (): void => undefined;
    const making = new Promise<void>((resolve) => (finish = resolve));
    const named = (name: string, done = Promise.resolve()) => ({
      create: (number: number) => {
        made.push(`${name}${number}`);
        return done;
      },
    });
    const [busy, waiting, third] = [named('busy', making), named('waiting'), named('third')];
    maker.makeAhead(busy, { number: 1, zeroFill: true });
    maker.makeAhead(waiting, { number: 2, zeroFill: true });
    maker.makeAhead(third, { number: 3, zeroFill: true });
    await maker.settle(waiting, 2);
    expect(made).toEqual(['busy1']);
    const settled = maker.settle(busy);
    finish();
    await settled;
    await maker.settle(third);
    expect(made).toEqual(['busy1', 'third3']);
  });

  test('are written in full when a write ends early (DF2)', async () => {
    const written = Buffer.alloc(30);
    const file = {
      write: (bytes: Uint8Array, offset: number, length: number, position: number) => {
        const bytesWritten = Math.min(7, length);
        written.set(bytes.subarray(offset, offset + bytesWritten), position);
        return Promise.resolve({ bytesWritten, buffer: bytes });
      },
    } as unknown as Parameters<typeof writeAll>[0];
    await writeAll(file, Buffer.from('twenty bytes of text'), 5);
    expect(written.subarray(5, 25).toString()).toBe('twenty bytes of text');
  });
});

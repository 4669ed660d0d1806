import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AcceptorState, Membership } from '@neon/consensus';
import { Lsn, SafekeeperId, SystemId, TenantId, Term, TimelineId } from '@neon/kernel';
import { FileTimelineStore } from './file-timeline-store';
import { writeAll } from './durable-file';
import { SegmentFiles } from './segment-files';

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

  test('whose names could not be made durable are not written to, though they are there (SF3)', async () => {
    let syncs = 0;
    // The second sync of names fails, and every later one would pretend that nothing had happened.
    const syncNames = () => (++syncs === 2 ? Promise.reject(new Error('EIO')) : Promise.resolve());
    const files = new SegmentFiles(root, CONTROL, syncNames);
    const store = new FileTimelineStore(files, Lsn.of(SEGMENT_SIZE));
    const failures: unknown[] = [];
    const durable: number[] = [];
    store.listen({ durable: ({ endLsn }) => void durable.push(endLsn), failed: (error) => void failures.push(error) });
    const write = async (startLsn: number, size: number): Promise<void> => {
      const recordEndLsn = Lsn.of(startLsn + size);
      store.write({ startLsn: Lsn.of(startLsn), bytes: new Uint8Array(size), recordEndLsn, truncationCount: 0 });
      await store.flush();
    };
    // From the middle of the segment on, the next one is made ready.
    await write(SEGMENT_SIZE, 0.75 * SEGMENT_SIZE);
    await write(1.75 * SEGMENT_SIZE, 1000);
    await expect(write(1.75 * SEGMENT_SIZE + 1000, SEGMENT_SIZE / 2)).rejects.toThrow(/may not be durable/);
    expect(existsSync(files.pathOf(2))).toBe(true);
    expect(failures).toHaveLength(1);
    expect(durable.at(-1)).toBe(1.75 * SEGMENT_SIZE + 1000);
    await store.close();
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

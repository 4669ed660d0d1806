import { Corrupt, Lsn, SystemId, crc32c } from '@neon/kernel';
import fc from 'fast-check';
import { writeU32 } from '../page/little-endian';
import { POSTGRES_MAJORS, versionOf } from '../versions';
import { WalDecoder } from '../wal/decoder';
import { encodeRecord, type RecordDraft } from '../wal/encoder';
import { WAL_PAGE_SIZE, writeU64 } from '../wal/layout';
import { parseRecord } from '../wal/parse-record';
import type { PostgresMajor, WalRecord } from '../wal/record';
import { Rmgr } from '../wal/rmgr';
import { Checkpoint } from './checkpoint';
import { trackCheckpoint } from './checkpoint-tracker';
import { CONTROL_FILE_SIZE, ClusterState, ControlFile } from './control-file';
import { parseRelationMap } from './relation-map';
import { encodeShutdownCheckpoint, nextRecordLsn } from './shutdown-checkpoint';
import { TwoPhaseFile } from './two-phase';
import { FullXid, precedes } from './xid';

const SYSTEM_ID = SystemId.parse('7300000000000000001');
const u32 = fc.nat(0xffff_ffff);
const major = fc.constantFrom(...POSTGRES_MAJORS);

const checkpointArbitrary: fc.Arbitrary<Checkpoint> = fc.record({
  redoLsn: fc.maxSafeNat().map((value) => Lsn.of(value)),
  timelineId: fc.constant(1),
  prevTimelineId: fc.constant(1),
  fullPageWrites: fc.boolean(),
  walLevel: fc.nat(2),
  nextXid: fc.maxSafeNat(),
  nextOid: u32,
  nextMulti: u32,
  nextMultiOffset: u32,
  oldestXid: u32,
  oldestXidDatabase: u32,
  oldestMulti: u32,
  oldestMultiDatabase: u32,
  timeS: fc.nat(2_000_000_000),
  oldestCommitTsXid: u32,
  newestCommitTsXid: u32,
  oldestActiveXid: u32,
});

const START: Checkpoint = {
  redoLsn: Lsn.of(0x1000028),
  timelineId: 1,
  prevTimelineId: 1,
  fullPageWrites: true,
  walLevel: 1,
  nextXid: 2048,
  nextOid: 16384,
  nextMulti: 1,
  nextMultiOffset: 1,
  oldestXid: 730,
  oldestXidDatabase: 1,
  oldestMulti: 1,
  oldestMultiDatabase: 1,
  timeS: 1_800_000_000,
  oldestCommitTsXid: 0,
  newestCommitTsXid: 0,
  oldestActiveXid: 0,
};

const recordOf = (draft: RecordDraft, of: PostgresMajor = 17): WalRecord =>
  parseRecord(encodeRecord(draft, { major: of, prevLsn: Lsn.of(8) }), {
    major: of,
    lsn: Lsn.of(0x2000000),
    endLsn: Lsn.of(0x2000100),
  });

const words = (...values: readonly number[]): Uint8Array => {
  const bytes = new Uint8Array(values.length * 4);
  values.forEach((value, i) => writeU32(bytes, i * 4, value));
  return bytes;
};

function controlFileOf(of: PostgresMajor): Uint8Array {
  const bytes = new Uint8Array(CONTROL_FILE_SIZE);
  const version = versionOf(of);
  bytes.set(words(1, 0, version.controlFileVersion, version.catalogVersion));
  bytes.set(words(8192), 216);
  bytes.set(words(16 * 1024 * 1024), 228);
  const crcAt = of === 18 ? 292 : 288;
  bytes.fill(0x5a, 256, crcAt);
  bytes.set(words(crc32c(bytes, 0, crcAt)), crcAt);
  return bytes;
}

describe('Checkpoint', () => {
  it('C1: survives the way to bytes and back, in every major', () => {
    fc.assert(
      fc.property(checkpointArbitrary, major, (checkpoint, of) => {
        const kept = versionOf(of).checkpointHasWalLevel ? checkpoint : { ...checkpoint, walLevel: 0 };
        expect(Checkpoint.parse(Checkpoint.encode(checkpoint, of), of)).toEqual(kept);
      }),
    );
  });
});

describe('ControlFile', () => {
  it('K1: changes what it is told to change, and the checksum', () => {
    fc.assert(
      fc.property(checkpointArbitrary, major, fc.boolean(), (checkpoint, of, walLogHints) => {
        const before = ControlFile.parse(controlFileOf(of));
        const parameters = {
          maxConnections: 200,
          maxWorkerProcesses: 9,
          maxWalSenders: 11,
          maxPreparedTransactions: 3,
          maxLocksPerTransaction: 64,
          walLevel: 2,
          walLogHints,
          trackCommitTimestamp: !walLogHints,
        };
        const change = {
          systemId: SYSTEM_ID,
          state: ClusterState.SHUT_DOWN,
          timeS: 1_700_000_000,
          checkpointLsn: Lsn.of(0x12345678),
          checkpoint,
          parameters,
        };
        const { bytes, ...after } = ControlFile.parse(ControlFile.encode(before, change));
        const { bytes: _bytes, ...unchanged } = before;
        expect(after).toEqual({
          ...unchanged,
          ...change,
          checkpoint: versionOf(of).checkpointHasWalLevel ? checkpoint : { ...checkpoint, walLevel: 0 },
        });
        expect(bytes.subarray(256, 288)).toEqual(before.bytes.subarray(256, 288));
      }),
    );
  });

  it('K1: leaves the bytes it started from as they are, also when they are a Buffer, whose slices are views', () => {
    const bytes = Buffer.from(controlFileOf(17));
    const changed = ControlFile.encode(ControlFile.parse(bytes), { state: ClusterState.IN_PRODUCTION });
    expect(ControlFile.parse(changed).state).toBe(ClusterState.IN_PRODUCTION);
    expect(bytes).toEqual(Buffer.from(controlFileOf(17)));
  });

  it('K2: refuses a flipped bit anywhere that counts, a wrong size, another block size', () => {
    const bytes = controlFileOf(17);
    for (let at = 0; at < 292; at++) {
      const broken = bytes.slice();
      broken[at]! ^= 4;
      expect(() => ControlFile.parse(broken)).toThrow(Corrupt);
    }
    expect(() => ControlFile.parse(bytes.subarray(1))).toThrow(Corrupt);
    const otherBlocks = bytes.slice();
    otherBlocks.set(words(4096), 216);
    otherBlocks.set(words(crc32c(otherBlocks, 0, 288)), 288);
    expect(() => ControlFile.parse(otherBlocks)).toThrow(/block size/);
  });
});

describe('FullXid', () => {
  it('X1: the full form of an xid is the nearest one at or before the next', () => {
    expect(FullXid.before(0x1_0000_0005, 0xffff_fff0)).toBe(0xffff_fff0);
    expect(FullXid.before(0x1_0000_0005, 3)).toBe(0x1_0000_0003);
    expect(precedes(0xffff_fff0, 5)).toBe(true);
    expect(precedes(5, 0xffff_fff0)).toBe(false);
  });

  it('goes past an xid in whole steps, over the special ids of a new epoch', () => {
    expect(FullXid.advancedPast(2048, 2047, 1024)).toBe(2048);
    expect(FullXid.advancedPast(2048, 2048, 1024)).toBe(3072);
    expect(FullXid.advancedPast(2048, 3071, 1024)).toBe(3072);
    expect(FullXid.advancedPast(0xffff_fc00, 0xffff_ffff, 1024)).toBe(0x1_0000_0003);
    expect(FullXid.advancedPast(0x1_0000_0003, 0xffff_ffff, 1024)).toBe(0x1_0000_0003);
    expect(FullXid.advancedPast(0xffff_fc00, 7, 1024)).toBe(0x1_0000_0400);
  });
});

describe('trackCheckpoint', () => {
  it('T1: a record that touches no counter gives the same object back', () => {
    for (const rmid of [Rmgr.HEAP, Rmgr.BTREE, Rmgr.STANDBY])
      expect(trackCheckpoint(START, recordOf({ rmid, info: 0x20, xid: 2000, main: new Uint8Array(20) }))).toBe(START);
  });

  it('T2: nextXid goes beyond xids and subxids in steps of 1024', () => {
    expect(trackCheckpoint(START, recordOf({ rmid: Rmgr.HEAP, info: 0, xid: 2048 })).nextXid).toBe(3072);
    // COMMIT with xinfo HAS_SUBXACTS: time, xinfo, count, subxids.
    const commit = recordOf({ rmid: Rmgr.TRANSACTION, info: 0x80, xid: 2049, main: words(0, 0, 2, 2, 2050, 5000) });
    expect(trackCheckpoint(START, commit).nextXid).toBe(5120);
    const running = recordOf({ rmid: Rmgr.STANDBY, info: 0x10, main: words(1, 0, 0, 3000, 2100, 2999) });
    expect(trackCheckpoint(START, running)).toMatchObject({ nextXid: 3072, oldestActiveXid: 2100 });
  });

  it('T3: a shutdown checkpoint sets every counter, an online one raises them and leaves nextOid alone', () => {
    const server: Checkpoint = { ...START, nextXid: 2040, nextOid: 9, nextMulti: 7, oldestXid: 800, walLevel: 2 };
    const of = (info: number) => recordOf({ rmid: Rmgr.XLOG, info, main: Checkpoint.encode(server, 17) });
    expect(trackCheckpoint(START, of(0x00))).toEqual(server);
    expect(trackCheckpoint(START, of(0x10))).toEqual({ ...server, nextXid: 2048, nextOid: 16384 });
  });

  it('T3: follows OIDs, full page writes, and parameters', () => {
    expect(trackCheckpoint(START, recordOf({ rmid: Rmgr.XLOG, info: 0x30, main: words(24576) })).nextOid).toBe(24576);
    const off = recordOf({ rmid: Rmgr.XLOG, info: 0x80, main: Uint8Array.of(0) });
    expect(trackCheckpoint(START, off).fullPageWrites).toBe(false);
    const parameters = (flags: number) =>
      recordOf({ rmid: Rmgr.XLOG, info: 0x60, main: words(100, 8, 10, 0, 64, 2, flags) });
    const on = trackCheckpoint(START, parameters(0x0100));
    expect(on).toMatchObject({ walLevel: 2, oldestCommitTsXid: 2048, newestCommitTsXid: 2048 });
    const committed = trackCheckpoint(on, recordOf({ rmid: Rmgr.TRANSACTION, info: 0, xid: 2060, main: words(0, 0) }));
    expect(committed).toMatchObject({ oldestCommitTsXid: 2048, newestCommitTsXid: 2060 });
    expect(trackCheckpoint(on, parameters(0))).toMatchObject({ oldestCommitTsXid: 0, newestCommitTsXid: 0 });
  });

  it('T3: follows multixacts and truncation', () => {
    const created = recordOf({ rmid: Rmgr.MULTIXACT, info: 0x20, main: words(7, 40, 2, 900, 1, 4000, 5) });
    expect(trackCheckpoint(START, created)).toMatchObject({ nextMulti: 8, nextMultiOffset: 42, nextXid: 4096 });
    const truncated = recordOf({ rmid: Rmgr.MULTIXACT, info: 0x30, main: words(5, 1, 6, 1, 30) });
    expect(trackCheckpoint(START, truncated)).toMatchObject({ oldestMulti: 6, oldestMultiDatabase: 5 });
    const clog17 = recordOf({ rmid: Rmgr.CLOG, info: 0x10, main: words(0, 0, 900, 5) });
    const clog16 = recordOf({ rmid: Rmgr.CLOG, info: 0x10, main: words(0, 900, 5) }, 16);
    for (const record of [clog17, clog16])
      expect(trackCheckpoint(START, record)).toMatchObject({ oldestXid: 900, oldestXidDatabase: 5 });
  });
});

describe('encodeShutdownCheckpoint', () => {
  const segmentSize = 4 * WAL_PAGE_SIZE;
  const position = fc
    .tuple(fc.nat(40), fc.integer({ min: 5, max: WAL_PAGE_SIZE / 8 - 1 }), fc.boolean())
    .map(([page, word, onBoundary]) => Lsn.of((page + 4) * WAL_PAGE_SIZE + (onBoundary ? 0 : word * 8)));

  it('S1–S3: read from lsn it is a shutdown checkpoint whose redo is itself, in every major', () => {
    fc.assert(
      fc.property(position, major, (lsn, of) => {
        const encoded = encodeShutdownCheckpoint({
          major: of,
          lsn,
          prevLsn: Lsn.of(lsn - 48),
          checkpoint: START,
          systemId: SYSTEM_ID,
          segmentSize,
        });
        expect(encoded.startLsn).toBe(lsn - (lsn % WAL_PAGE_SIZE));
        expect(encoded.recordLsn).toBe(nextRecordLsn(lsn, segmentSize));
        const decoder = new WalDecoder({ major: of, segmentSize, startLsn: lsn, prevLsn: Lsn.of(lsn - 48) });
        decoder.push(encoded.bytes.subarray(lsn - encoded.startLsn));
        const record = decoder.next();
        expect(record).toMatchObject({ lsn: encoded.recordLsn, endLsn: encoded.endLsn, rmid: 0, info: 0 });
        const tracked = record && trackCheckpoint(START, record);
        expect(tracked?.redoLsn).toBe(encoded.recordLsn);
        expect(tracked?.oldestActiveXid).toBe(0);
      }),
    );
  });

  it('S4: the files hold the bytes where they belong, and a long header each', () => {
    fc.assert(
      fc.property(position, (lsn) => {
        const { walFiles, bytes, startLsn } = encodeShutdownCheckpoint({
          major: 17,
          lsn,
          prevLsn: Lsn.of(lsn - 48),
          checkpoint: START,
          systemId: SYSTEM_ID,
          segmentSize,
        });
        const image = Buffer.alloc(walFiles.length * segmentSize);
        walFiles.forEach((file, i) =>
          file.pieces.forEach(({ offset, bytes: piece }) => image.set(piece, i * segmentSize + offset)),
        );
        const first = walFiles[0]!.startLsn;
        const at = startLsn - first;
        expect(Buffer.compare(image.subarray(at, at + bytes.length), Buffer.from(bytes))).toBe(0);
        expect(walFiles.map((_file, i) => image.readUInt16LE(i * segmentSize + 2) & 2)).toEqual(walFiles.map(() => 2));
      }),
    );
  });

  it('refuses a place where no record can end', () => {
    const at = (lsn: number) =>
      encodeShutdownCheckpoint({
        major: 17,
        lsn: Lsn.of(lsn),
        prevLsn: Lsn.of(8),
        checkpoint: START,
        systemId: SYSTEM_ID,
        segmentSize,
      });
    expect(() => at(segmentSize + 4)).toThrow(RangeError);
    expect(() => at(segmentSize + 16)).toThrow(RangeError);
  });
});

describe('parseRelationMap', () => {
  const mapOf = (of: PostgresMajor): Uint8Array => {
    const content = new Uint8Array(versionOf(of).relationMapSize);
    content.set(words(0x592717, 2, 1259, 16400, 1249, 16401));
    const crcAt = of <= 15 ? 504 : 520;
    content.set(words(crc32c(content, 0, crcAt)), crcAt);
    return content;
  };

  it.each([15, 17] as const)('reads the map of Postgres %i', (of) => {
    expect([...parseRelationMap(mapOf(of), of)]).toEqual([
      [1259, 16400],
      [1249, 16401],
    ]);
  });

  it('R1: refuses a flipped bit and a wrong size', () => {
    for (const at of [0, 4, 5, 12, 300, 521]) {
      const broken = mapOf(17);
      broken[at]! ^= 0x40;
      expect(() => parseRelationMap(broken, 17)).toThrow(Corrupt);
    }
    expect(() => parseRelationMap(mapOf(15), 17)).toThrow(Corrupt);
  });
});

describe('TwoPhaseFile', () => {
  it('is named by xid, from 17 on with the epoch in front', () => {
    expect(TwoPhaseFile.fileName({ major: 16, xid: 0x2ee, nextXid: 0x300 })).toBe('000002EE');
    expect(TwoPhaseFile.fileName({ major: 17, xid: 0x2ee, nextXid: 0x1_0000_0300 })).toBe('00000001000002EE');
    expect(TwoPhaseFile.fileName({ major: 17, xid: 0xffff_fff0, nextXid: 0x1_0000_0300 })).toBe('00000000FFFFFFF0');
  });

  it('ends with the checksum of the state', () => {
    const state = Uint8Array.of(1, 2, 3, 4);
    const content = TwoPhaseFile.encode(state);
    expect(content.subarray(0, 4)).toEqual(state);
    expect(new DataView(content.buffer).getUint32(4, true)).toBe(crc32c(state));
  });
});

describe('LSN fields', () => {
  it('a 64-bit field keeps its value on the way through bytes', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (value) => {
        const bytes = new Uint8Array(88);
        writeU64(bytes, 0, value);
        expect(Checkpoint.parse(bytes, 17).redoLsn).toBe(value);
      }),
    );
  });
});

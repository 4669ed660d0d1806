import { ByteReadError, Lsn, Refusal } from '@neon/kernel';
import * as fc from 'fast-check';
import { decodeStandbyStatus, parseCommand, parseTarget } from './replication-protocol';

const TENANT = 'aa'.repeat(16);
const TIMELINE = 'bb'.repeat(16);
const options = (text: string, replication = 'true') =>
  new Map([
    ['options', text],
    ['replication', replication],
  ]);

describe('the options of a reader', () => {
  test.each([
    `tenant_id=${TENANT} timeline_id=${TIMELINE} term=7`,
    `-c tenant_id=${TENANT} -c timeline_id=${TIMELINE} -c term=7`,
    `-ctenant_id=${TENANT} -c timeline_id=${TIMELINE} -c term=7 -c other.setting=1`,
  ])('are read from %s', (text) => {
    expect(parseTarget(options(text))).toEqual({ tenantId: TENANT, timelineId: TIMELINE, term: 7, name: 'unnamed' });
  });

  test.each([
    '',
    `tenant_id=${TENANT}`,
    `tenant_id=x timeline_id=${TIMELINE}`,
    `tenant_id=${TENANT} timeline_id=${TIMELINE} term=-1`,
  ])('are refused when they name no timeline: %j', (text) => {
    expect(() => parseTarget(options(text))).toThrow('options must name tenant_id and timeline_id');
  });
});

describe('a client', () => {
  const target = `tenant_id=${TENANT} timeline_id=${TIMELINE}`;

  test.each(['true', 'on', 'YES', '1'])('replicates when it says so: %s', (replication) => {
    expect(parseTarget(options(target, replication)).term).toBeUndefined();
  });

  test('that does not is told what this is', () => {
    expect(() => parseTarget(new Map([['options', target]]))).toThrow('connect with replication=true');
    expect(() => parseTarget(options(target, 'false'))).toThrow('connect with replication=true');
    expect(() => parseTarget(options(target, 'database'))).toThrow('for logical replication connect to the compute');
  });
});

describe('whatever comes', () => {
  const known = (error: unknown) => error instanceof Refusal || error instanceof ByteReadError;

  test('as options or a command is understood or refused (RP1)', () => {
    const words = fc.constantFrom(
      'START_REPLICATION',
      'PHYSICAL',
      'SLOT',
      'TIMELINE',
      'SHOW',
      '0/1',
      'x',
      ' ',
      '-c',
      '=',
    );
    const text = fc.oneof(
      fc.string(),
      fc.array(fc.oneof(words, fc.string())).map((parts) => parts.join(' ')),
    );
    fc.assert(
      fc.property(text, text, (first, second) => {
        for (const read of [() => parseCommand(first), () => parseTarget(options(first, second))])
          try {
            read();
          } catch (error) {
            expect(known(error)).toBe(true);
          }
      }),
      { numRuns: 5_000 },
    );
  });

  test('as a status is one, another message, or refused', () => {
    fc.assert(
      fc.property(fc.boolean(), fc.uint8Array({ maxLength: 40 }), (isStatus, bytes) => {
        try {
          decodeStandbyStatus(isStatus ? Uint8Array.of(0x72, ...bytes) : bytes);
        } catch (error) {
          expect(known(error)).toBe(true);
        }
      }),
      { numRuns: 5_000 },
    );
  });
});

describe('a replication command', () => {
  test.each([
    ['IDENTIFY_SYSTEM', { kind: 'identifySystem' }],
    ['identify_system;', { kind: 'identifySystem' }],
    ['SHOW wal_segment_size', { kind: 'show', parameter: 'wal_segment_size' }],
    ['START_REPLICATION 0/1000000', { kind: 'startReplication', startLsn: Lsn.parse('0/1000000') }],
    ['START_REPLICATION PHYSICAL 0/1000000 TIMELINE 1', { kind: 'startReplication', startLsn: Lsn.parse('0/1000000') }],
    ['START_REPLICATION SLOT "s" PHYSICAL 1A/F TIMELINE 1', { kind: 'startReplication', startLsn: Lsn.parse('1A/F') }],
  ])('%s is understood (RP1)', (text, command) => {
    expect(parseCommand(text)).toEqual(command);
  });

  test.each([
    ['', 'not understood'],
    ['SELECT 1', 'not understood: SELECT 1'],
    ['START_REPLICATION 0/1 TIMELINE 2', "timeline 2 is not in this server's history"],
    ['START_REPLICATION SLOT "s" LOGICAL 0/1', 'decode it at the compute'],
    ["BASE_BACKUP ( LABEL 'x' )", 'take the base backup from a Postgres of this timeline'],
    ['CREATE_REPLICATION_SLOT "s" PHYSICAL', 'a safekeeper has no replication slots'],
    ['READ_REPLICATION_SLOT s', 'a safekeeper has no replication slots'],
    ['TIMELINE_HISTORY 2', 'which has no history file'],
  ])('%j is refused, and says what it is about (RP1)', (text, message) => {
    expect(() => parseCommand(text)).toThrow(message);
  });
});

import { Lsn } from '@neon/kernel';
import { parseCommand, parseTarget } from './replication-protocol';

const TENANT = 'aa'.repeat(16);
const TIMELINE = 'bb'.repeat(16);
const options = (text: string) => new Map([['options', text]]);

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

  test.each(['', 'SELECT 1', 'START_REPLICATION LOGICAL 0/1', 'START_REPLICATION 0/1 TIMELINE 2', 'BASE_BACKUP'])(
    '%j is refused (RP1)',
    (text) => {
      expect(() => parseCommand(text)).toThrow();
    },
  );
});

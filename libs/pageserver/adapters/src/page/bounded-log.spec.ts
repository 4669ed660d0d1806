import type { Logger } from '@neon/telemetry';
import { BoundedLog } from './bounded-log';

it('B1: tells a few errors of many, and later how many there were', () => {
  const lines: unknown[] = [];
  const logger = { error: (fields: unknown) => lines.push(fields) } as unknown as Logger;
  let nowMs = 0;
  const log = new BoundedLog(logger, () => nowMs);
  for (let i = 0; i < 1000; i++) log.error({ i }, 'failed');
  expect(lines).toEqual(Array.from({ length: 10 }, (_, i) => ({ i })));
  nowMs = 9_999;
  log.error({ i: 'late' }, 'failed');
  nowMs = 10_000;
  log.error({ i: 'next' }, 'failed');
  log.error({ i: 'after' }, 'failed');
  expect(lines.slice(10)).toEqual([{ i: 'next', leftOut: 991 }, { i: 'after' }]);
});

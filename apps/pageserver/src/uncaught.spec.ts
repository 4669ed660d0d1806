import { spawnSync } from 'node:child_process';
import { EventEmitter } from 'node:events';
import type { Logger } from '@neon/telemetry';
import { endOnUncaught } from './uncaught';

it('an error that nothing handles ends the process, and is told first', () => {
  const told: unknown[] = [];
  const host = Object.assign(new EventEmitter(), { exit: (code: number) => void told.push(code) });
  endOnUncaught(host, { error: (...line: unknown[]) => told.push(...line) } as unknown as Logger);
  const error = new TypeError('a bug');
  host.emit('uncaughtException', error, 'unhandledRejection');
  expect(told).toEqual([
    { origin: 'unhandledRejection', error: error.stack },
    'the process ends on an error that nothing handles',
    1,
  ]);
});

it('a rejection that nothing handles is raised as such an error by Node.js', () => {
  const program = `process.on('uncaughtException', (error, origin) => { console.log(origin, error.message); process.exit(7); });
    Promise.reject(new Error('a bug'));`;
  const { status, stdout } = spawnSync(process.execPath, ['-e', program], { encoding: 'utf8' });
  expect([status, stdout]).toEqual([7, 'unhandledRejection a bug\n']);
});

import { spawnSync } from 'node:child_process';
import { EventEmitter } from 'node:events';
import type * as ServiceProcess from './service-process';
import type { Host, Service } from './service-process';

type Config = { otlpUrl: undefined; logLevel: string };

function hosted(): { host: Host & EventEmitter; exits: number[] } {
  const exits: number[] = [];
  const host = Object.assign(new EventEmitter(), { env: {}, exit: (code: number) => void exits.push(code) });
  return { host, exits };
}

/** Telemetry is of a process: each test loads the library as a process of its own would. */
async function run(host: Host, service: Service<Config>): Promise<void> {
  jest.resetModules();
  const { runService } = jest.requireActual<typeof ServiceProcess>('./service-process');
  await runService(host, service);
}

const service = (change: Partial<Service<Config>> = {}): Service<Config> => ({
  name: 'test',
  parseConfig: () => ({ otlpUrl: undefined, logLevel: 'silent' }),
  start: () => Promise.resolve({ ready: {}, close: () => Promise.resolve() }),
  ...change,
});

test('P2: the first signal closes the service, once', async () => {
  const { host, exits } = hosted();
  let closed = 0;
  const close = () => Promise.resolve(void closed++);
  await run(host, service({ start: () => Promise.resolve({ ready: {}, close }) }));
  host.emit('SIGTERM', 'SIGTERM');
  host.emit('SIGINT', 'SIGINT');
  while (exits.length === 0) await new Promise((resolve) => setImmediate(resolve));
  expect([closed, exits]).toEqual([1, [0]]);
});

test('P3: an error that nothing handles ends the process', async () => {
  const { host, exits } = hosted();
  await run(host, service());
  host.emit('uncaughtException', new TypeError('a bug'), 'unhandledRejection');
  expect(exits).toEqual([1]);
});

test('P3: a service that does not start ends the process', async () => {
  const { host, exits } = hosted();
  await run(host, service({ start: () => Promise.reject(new Error('the port is taken')) }));
  expect(exits).toEqual([1]);
});

test('P3: a configuration that is not usable ends the process before anything starts', async () => {
  const { host, exits } = hosted();
  const parseConfig = (): Config => {
    throw new Error('NEON_X is missing');
  };
  const start = () => Promise.reject(new Error('started'));
  await run(host, service({ parseConfig, start }));
  expect(exits).toEqual([1]);
});

test('P3: a rejection that nothing handles is raised as such an error by Node.js', () => {
  const program = `process.on('uncaughtException', (error, origin) => { console.log(origin, error.message); process.exit(7); });
    Promise.reject(new Error('a bug'));`;
  const { status, stdout } = spawnSync(process.execPath, ['-e', program], { encoding: 'utf8' });
  expect([status, stdout]).toEqual([7, 'unhandledRejection a bug\n']);
});

/** Real processes: what `stop` promises to whoever starts the next one in the same place. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '@neon/free-port';
import { THIS_MACHINE } from './place';
import { pidOf, start, stop } from './processes';

const directory = mkdtempSync(join(tmpdir(), 'neon-stack-'));
const home = { checkout: directory, directory, user: null };
afterAll(() => rmSync(directory, { recursive: true }));

/** Ends slowly, because it has much memory; says that it is ready in the file it is given. */
const SERVER = `const memory = Array.from({ length: 8 }, () => Buffer.alloc(40_000_000, 1));
  require('node:net').createServer(() => memory).listen(Number(process.argv[1]), '127.0.0.1',
    () => require('node:fs').writeFileSync(process.argv[2], ''));`;

it('P2: when a process has been stopped its port is free', async () => {
  const port = await freePort();
  const ready = join(directory, 'ready');
  start(home, {
    name: 'server',
    place: THIS_MACHINE,
    port,
    command: [process.execPath, '-e', SERVER, String(port), ready],
    env: {},
    health: { tcpPort: port },
    user: null,
    stopSignal: 'SIGKILL',
  });
  while (!existsSync(ready)) await sleep(10);
  expect(await stop(home, 'server', 'SIGKILL')).toBe(true);
  const next = createServer();
  await new Promise<void>((resolve, reject) => next.once('error', reject).listen(port, '127.0.0.1', resolve));
  next.close();
  expect(pidOf(home, 'server')).toBeNull();
  expect(await stop(home, 'server', 'SIGKILL')).toBe(false);
});

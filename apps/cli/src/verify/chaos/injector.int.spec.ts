/** Processes and directories as an installation has them, without what makes them services. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SeededRandom } from '@neon/simulation';
import { THIS_MACHINE } from '../../stack/place';
import { pidOf, start } from '../../stack/processes';
import type { Service } from '../../stack/service';
import type { Effect, Fault } from './fault';
import { Injector } from './injector';
import { signal } from './processes';

const NAME = 'safekeeper-1';
const directory = mkdtempSync(join(tmpdir(), 'neon-injector-'));
const home = { checkout: directory, directory, user: null };
const service: Service = {
  name: NAME,
  place: THIS_MACHINE,
  port: 0,
  command: [process.execPath, '-e', 'setInterval(() => undefined, 1_000)', directory],
  env: {},
  health: { tcpPort: 0 },
  user: null,
  stopSignal: 'SIGTERM',
};
const disk = join(directory, 'data', NAME);
const pid = (): number | null => pidOf(home, NAME);

const asked: (readonly string[])[] = [];
let mayLose = true;
let injector: Injector;

beforeEach(() => {
  mkdirSync(join(disk, 'tenant'), { recursive: true });
  writeFileSync(join(disk, 'tenant', 'segment'), 'WAL');
  writeFileSync(join(disk, 'identity'), 'disk 1');
  start(home, service);
  mayLose = true;
  const members = {
    lose: () => mayLose,
    ask: (wanted: readonly string[]) => Promise.resolve(void asked.push(wanted)),
  };
  const idle = (): Promise<void> => Promise.resolve();
  const installation = { home, services: [service] };
  const site = { installation, members, network: null, disk: null, writeMessages: idle, writePages: idle };
  injector = new Injector(site, new SeededRandom(1));
});
afterEach(() => {
  const left = pid();
  if (left !== null) signal(left, 'SIGKILL');
});
afterAll(() => rmSync(directory, { recursive: true }));

const fault = (effect: Effect): Fault => ({
  name: 'fault',
  effect,
  beginMs: 0,
  endMs: 0,
  endingMs: 0,
  downSafekeepers: [],
});
const wipe = fault({ kind: 'wipe', service: NAME });

it('F4: who loses its disk is there again when the fault begins, on a directory that is empty', async () => {
  const before = pid();
  await injector.begin(wipe);
  expect(readdirSync(disk)).toEqual([]);
  const after = pid();
  expect([after === null, after === before]).toEqual([false, false]);
  await injector.end(wipe);
  expect(pid()).toBe(after);
});

it('F4: nothing is done where the disk must not be lost', async () => {
  mayLose = false;
  const before = pid();
  await injector.begin(wipe);
  expect([readdirSync(disk), pid()]).toEqual([['identity', 'tenant'], before]);
});

it('F4: what is down for another fault stays so until that ends', async () => {
  const kill = fault({ kind: 'kill', services: [NAME] });
  await injector.begin(kill);
  await injector.begin(wipe);
  expect([readdirSync(disk), pid()]).toEqual([[], null]);
  await injector.end(wipe);
  expect(pid()).toBeNull();
  await injector.end(kill);
  expect(pid()).not.toBeNull();
});

it('F2: a change for afterwards is asked for when everything else is undone', async () => {
  const change: Effect = { kind: 'changeAfterwards', members: ['safekeeper-2'] };
  const both = fault({ kind: 'both', first: change, then: { kind: 'kill', services: [NAME] }, gapMs: 0 });
  await injector.begin(both);
  expect([asked, pid()]).toEqual([[], null]);
  await injector.end(both);
  expect([asked, pid() === null]).toEqual([[['safekeeper-2']], false]);
});

it('F3: what ends although nobody killed it is said, and started again; what was wiped is not that', async () => {
  await injector.begin(wipe);
  injector.watch();
  expect(injector.problems).toEqual([]);
  signal(pid() ?? 0, 'SIGKILL');
  while (pid() !== null) await new Promise((resolve) => setTimeout(resolve, 10));
  injector.watch();
  expect([injector.problems.length, pid() === null, existsSync(disk)]).toEqual([1, false, true]);
});

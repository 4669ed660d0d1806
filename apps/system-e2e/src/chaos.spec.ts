/** Everything fails and safekeepers are replaced, in an installation of its own: nothing that was acknowledged is lost, and nothing is left behind. */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { resolve } from 'node:path';
import { neon, until } from './support/system';

const NEON = resolve(__dirname, '../../../neon');
const INTERRUPTED = /was interrupted \(seed \d+\); its data is in (\S+)/;
const homes = (): string[] => readdirSync(tmpdir()).filter((name) => name.startsWith('neon-chaos-'));

it('a short chaos run loses nothing, contradicts nothing and leaves nothing behind', async () => {
  const before = homes();
  const output = await neon('verify', 'chaos', '--quick');
  expect(output).toMatch(/seed \d+: nothing was lost, nothing contradicts/);
  expect(Number(/ acknowledged +(\d+)/.exec(output)?.[1])).toBeGreaterThan(100);
  expect(Number(/changes of members\n.*\n +accepted\D+(\d+)/.exec(output)?.[1])).toBeGreaterThan(0);
  expect(output).toMatch(/ [1-9]\d* pages compared, 0 differences/);
  expect(homes()).toEqual(before);
});

it('a chaos run that is interrupted ends all it began, and says where its data is', async () => {
  const run = spawn(NEON, ['verify', 'chaos', '--quick'], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  run.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  run.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const ended = new Promise<number | null>((done) => run.once('close', done));
  await until('faults are under way', () => output.includes('acknowledged/s'), 300_000);
  run.kill('SIGINT');
  expect(await ended).toBe(1);
  expect(output).toMatch(INTERRUPTED);
  const home = INTERRUPTED.exec(output)?.[1] ?? '';
  expect(existsSync(home)).toBe(true);
  expect(execFileSync('ps', ['-eo', 'args='], { encoding: 'utf8' })).not.toContain(home);
  expect(readFileSync('/proc/self/mounts', 'utf8')).not.toContain(home);
  rmSync(home, { recursive: true, maxRetries: 5 });
});

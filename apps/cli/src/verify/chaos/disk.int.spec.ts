/** Needs root and a system that lets it mount a tmpfs. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Disk } from './disk';

const root = mkdtempSync(join(tmpdir(), 'neon-disk-'));
afterAll(() => rmSync(root, { recursive: true }));

function mounted(name: string): Disk | null {
  const disk = new Disk(join(root, name));
  return disk.mount() ? disk : null;
}

const probe = mounted('probe');
beforeAll(() => probe?.unmount({ keep: false }));
const onlyWhere = probe === null ? describe.skip : describe;

onlyWhere('a disk in memory', () => {
  it('D1: full, it takes no more than a little; freed, it takes much again', async () => {
    const disk = mounted('a')!;
    const file = (name: string): string => join(disk.directory, name);
    writeFileSync(file('before'), Buffer.alloc(1_000_000));
    disk.fill();
    writeFileSync(file('little'), 'x');
    expect(() => writeFileSync(file('much'), Buffer.alloc(2_000_000))).toThrow(/ENOSPC/);
    disk.free();
    writeFileSync(file('much'), Buffer.alloc(2_000_000));
    await disk.unmount({ keep: false });
    expect(existsSync(file('before'))).toBe(false);
  });

  it('what is to be kept stays in its place', async () => {
    const disk = mounted('b')!;
    writeFileSync(join(disk.directory, 'kept'), 'as it was');
    await disk.unmount({ keep: true });
    expect(readFileSync(join(disk.directory, 'kept'), 'utf8')).toBe('as it was');
  });

  it('unmounting twice does nothing', async () => {
    const disk = mounted('c')!;
    await disk.unmount({ keep: false });
    await expect(disk.unmount({ keep: false })).resolves.toBeUndefined();
  });

  it('D2: is unmounted although a process that was killed still holds a file of it', async () => {
    const disk = mounted('d')!;
    const holder = `const memory = Array.from({ length: 8 }, () => Buffer.alloc(40_000_000, 1));
      require('node:fs').openSync(process.argv[1], 'w');
      setInterval(() => memory, 1_000);
      console.log('open');`;
    const child = spawn(process.execPath, ['-e', holder, join(disk.directory, 'held')], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await new Promise((opened) => child.stdout.once('data', opened));
    child.kill('SIGKILL');
    while (readFileSync(`/proc/${child.pid}/cmdline`, 'utf8') !== '');
    await disk.unmount({ keep: false });
    expect(existsSync(join(disk.directory, 'held'))).toBe(false);
  });
});

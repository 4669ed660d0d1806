/** Needs root and a system that lets it mount a tmpfs. */
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
probe?.unmount({ keep: false });
const onlyWhere = probe === null ? describe.skip : describe;

onlyWhere('a disk in memory', () => {
  it('D1: full, it takes no more than a little; freed, it takes much again', () => {
    const disk = mounted('a')!;
    const file = (name: string): string => join(disk.directory, name);
    writeFileSync(file('before'), Buffer.alloc(1_000_000));
    disk.fill();
    writeFileSync(file('little'), 'x');
    expect(() => writeFileSync(file('much'), Buffer.alloc(2_000_000))).toThrow(/ENOSPC/);
    disk.free();
    writeFileSync(file('much'), Buffer.alloc(2_000_000));
    disk.unmount({ keep: false });
    expect(existsSync(file('before'))).toBe(false);
  });

  it('what is to be kept stays in its place', () => {
    const disk = mounted('b')!;
    writeFileSync(join(disk.directory, 'kept'), 'as it was');
    disk.unmount({ keep: true });
    expect(readFileSync(join(disk.directory, 'kept'), 'utf8')).toBe('as it was');
  });

  it('unmounting twice does nothing', () => {
    const disk = mounted('c')!;
    disk.unmount({ keep: false });
    expect(() => disk.unmount({ keep: false })).not.toThrow();
  });
});

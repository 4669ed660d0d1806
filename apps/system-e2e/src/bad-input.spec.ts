/** Bad input gets a clear error; nothing crashes, nothing is lost. */
import { connect as tcpConnect } from 'node:net';
import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { type Branch, createProject, deleteProject } from './support/project';
import { connect, query, status, until } from './support/system';

let project: Branch;
beforeAll(async () => {
  project = await createProject('bad-input');
  await query(project.uri, 'CREATE TABLE kept AS SELECT 42 AS answer');
});
afterAll(() => deleteProject(project));

const changed = (change: (url: URL) => void): string => {
  const url = new URL(project.uri);
  change(url);
  return url.toString();
};

describe('a connection', () => {
  it('with a wrong password is refused as Postgres does', async () => {
    const wrong = changed((url) => (url.password = 'wrong'));
    await expect(connect(wrong)).rejects.toMatchObject({
      code: '28P01',
      message: expect.stringContaining('password authentication failed for user'),
    });
  });

  it('with an unknown role is refused in the same words', async () => {
    const nobody = changed((url) => (url.username = 'nobody'));
    await expect(connect(nobody)).rejects.toMatchObject({
      message: "password authentication failed for user 'nobody'",
    });
  });

  it('to an unknown endpoint is told so', async () => {
    const nowhere = changed((url) => (url.hostname = 'ep-nowhere-at-all-00000000.db.localhost'));
    await expect(connect(nowhere)).rejects.toThrow(/endpoint/i);
  });

  it('to an unknown database gets the error of Postgres', async () => {
    await expect(connect(project.uri, { database: 'nothere' })).rejects.toMatchObject({ code: '3D000' });
  });

  it('without TLS is told how to use it', async () => {
    const { proxy } = await status();
    const client = new Client({
      host: proxy.host,
      port: proxy.port,
      user: 'neondb_owner',
      password: 'x',
      database: 'neondb',
      ssl: false,
    });
    client.on('error', () => undefined);
    await expect(client.connect()).rejects.toThrow(/sslmode=require/);
  });
});

describe('the API', () => {
  const call = async (method: string, path: string, body?: string, headers: Record<string, string> = {}) => {
    const { api, apiKey } = await status();
    const response = await fetch(`${api}${path}`, {
      method,
      headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json', ...headers },
      ...(body === undefined ? {} : { body }),
    });
    return { status: response.status, body: (await response.json()) as { code: string; message: string } };
  };

  it.each([
    ['not JSON', '{"project": '],
    ['a wrong type', '{"project": {"name": 7}}'],
    ['no project', '{}'],
    ['an unsupported version', '{"project": {"pg_version": 9}}'],
  ])('refuses %s with a message', async (_name, body) => {
    const answer = await call('POST', '/projects', body);
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.status).toBeLessThan(500);
    expect(answer.body).toMatchObject({ message: expect.stringMatching(/\w+/), code: expect.any(String) });
  });

  it('answers 404 for what is not there, 401 without a key, 501 for what it does not do', async () => {
    expect((await call('GET', '/projects/no-such-project-12345678')).status).toBe(404);
    expect((await call('GET', '/projects', undefined, { authorization: 'Bearer napi_wrong' })).status).toBe(401);
    expect((await call('GET', `/projects/${project.projectId}/advisors`)).status).toBe(501);
  });
});

it('random bytes on every TCP port crash nothing', async () => {
  const before = await status();
  const ports = new Set([...before.services.map((service) => service.port), before.proxy.port]);
  for (const service of before.services) for (let near = 1; near <= 2; near++) ports.add(service.port + near);
  for (const port of ports) {
    for (const bytes of [randomBytes(64), randomBytes(65_536), Buffer.alloc(16, 0xff), Buffer.alloc(9)]) {
      await new Promise<void>((resolve) => {
        const socket = tcpConnect({ host: '127.0.0.1', port }, () => socket.end(bytes));
        socket.setTimeout(1_000, () => socket.destroy());
        socket.on('error', () => undefined).on('close', () => resolve());
        socket.resume();
      });
    }
  }
  expect((await status()).services.map(({ pid }) => pid)).toEqual(before.services.map(({ pid }) => pid));
  await until('all are healthy', async () => (await status()).services.every(({ healthy }) => healthy));
  expect(await query(project.uri, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
});

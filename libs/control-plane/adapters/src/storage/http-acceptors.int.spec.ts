/** What a former member answers when it is told to remove a branch, over a real socket. */
import { type Server, createServer } from 'node:http';
import { Membership } from '@neon/consensus';
import { SafekeeperId } from '@neon/kernel';
import { HttpAcceptors } from './http-acceptors';
import { ManagementClient } from './management-client';
import { pathOf } from './storage-ids';

const ADDRESS = { projectId: 'quiet-river-1', branchId: 'br-quiet-river-1' };
const [FORMER, MEMBER] = [3, 4].map((id) => ({ safekeeperId: SafekeeperId.of(id), incarnation: `disk of ${id}` }));

describe('a former member that is told to remove a branch', () => {
  const asked: unknown[] = [];
  let answer: { status: number; body?: object };
  let server: Server;
  let acceptors: HttpAcceptors;

  beforeAll(async () => {
    server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const body: unknown = JSON.parse(Buffer.concat(chunks).toString());
        asked.push({ method: request.method, url: request.url, body });
        response.writeHead(answer.status).end(answer.body === undefined ? '' : JSON.stringify(answer.body));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('it listens');
    acceptors = new HttpAcceptors({
      nodes: { safekeeper: () => ({ host: '127.0.0.1', httpPort: address.port }) } as never,
      members: undefined as never,
      client: new ManagementClient(() => Promise.resolve('token')),
      announce: () => Promise.resolve(),
    });
  });
  afterAll(() => void server.close());

  const remove = () => acceptors.remove(ADDRESS, FORMER!, Membership.settled(5, [MEMBER!]));

  it('is told which disk is meant, and the membership that followed', async () => {
    answer = { status: 204 };
    await remove();
    const members = [{ safekeeperId: 4, incarnation: 'disk of 4' }];
    const body = { incarnation: 'disk of 3', membership: { generation: 5, members } };
    expect(asked).toEqual([{ method: 'POST', url: `${pathOf(ADDRESS)}/removal`, body }]);
  });

  it('has nothing left when another disk is in its place', async () => {
    answer = { status: 409, body: { code: 'WrongIncarnation', message: 'another disk' } };
    await expect(remove()).resolves.toBeUndefined();
  });

  it('has not confirmed anything when it refuses, fails or answers something else', async () => {
    answer = { status: 409, body: { code: 'MembershipSuperseded', message: 'it goes by a later one' } };
    await expect(remove()).rejects.toMatchObject({ code: 'MembershipSuperseded' });
    answer = { status: 503, body: { code: 'StorageUnavailable', message: 'the disk fails' } };
    await expect(remove()).rejects.toThrow('the disk fails');
    answer = { status: 404, body: { message: 'no such route' } };
    await expect(remove()).rejects.toThrow('no such route');
  });
});

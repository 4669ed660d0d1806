import { createServer } from 'node:net';
import { Lsn, Refusal, TenantId, TimelineId, Unavailable } from '@neon/kernel';
import { PAGE_SIZE, encodePageAnswer } from '@neon/pageserver-contract';
import { PageServiceClient } from './page-service-client';
import { StripedPageServer } from './striped-page-server';

const TABLE = { tablespaceOid: 1663, databaseOid: 5, relationNumber: 16384, fork: 0 };
const LSN = Lsn.parse('0/1000');

describe('the page service client', () => {
  const server = new StripedPageServer(300);
  const clients: PageServiceClient[] = [];
  let port = 0;

  beforeAll(async () => {
    port = await server.start();
  });
  afterEach(async () => {
    server.refusal = null;
    await Promise.all(clients.splice(0).map((client) => client.close()));
  });
  afterAll(() => server.stop());

  const pagesOf = (blocks: readonly number[]): Buffer =>
    Buffer.concat(blocks.map((block) => Buffer.alloc(PAGE_SIZE, block % 251)));
  function clientOf({ token = 'right', toPort = port, retryMsMax = 500 } = {}): PageServiceClient {
    const ids = { tenantId: TenantId.parse('a'.repeat(32)), timelineId: TimelineId.parse('b'.repeat(32)) };
    const client = new PageServiceClient({ address: { host: '127.0.0.1', port: toPort, token, ...ids }, retryMsMax });
    clients.push(client);
    return client;
  }

  test('many reads in flight each get their own pages', async () => {
    const client = clientOf();
    const reads = Array.from({ length: 200 }, (_, n) => [n, 299 - n, (n * 7) % 300]);
    const answers = await Promise.all(reads.map((blocks) => client.getPages({ lsn: LSN, ...TABLE, blocks })));
    answers.forEach((bytes, n) => expect(Buffer.from(bytes).equals(pagesOf(reads[n]!))).toBe(true));
  });

  test('R1: a connection that breaks is replaced without the caller seeing it', async () => {
    const client = clientOf();
    for (let n = 0; n < 10; n++) {
      const reads = Promise.all([1, 2, 3].map((block) => client.getPages({ lsn: LSN, ...TABLE, blocks: [block] })));
      server.dropConnections();
      expect((await reads).map((bytes) => bytes[0])).toEqual([1, 2, 3]);
    }
  });

  test('R1: an overloaded pageserver is asked again, until the limit', async () => {
    const client = clientOf();
    server.refusal = { code: 'Overloaded', message: 'too many reads' };
    await expect(client.getPages({ lsn: LSN, ...TABLE, blocks: [0] })).rejects.toThrow(
      new Unavailable('Overloaded: too many reads'),
    );
    const read = client.getPages({ lsn: LSN, ...TABLE, blocks: [9] });
    setTimeout(() => (server.refusal = null), 100);
    expect((await read)[0]).toBe(9);
  });

  test('R2: what will not get better is told at once, with the code', async () => {
    const client = clientOf();
    server.refusal = { code: 'TimelineStopped', message: 'at 0/1234' };
    const refused = client.getPages({ lsn: LSN, ...TABLE, blocks: [0] });
    await expect(refused).rejects.toThrow(new Refusal('TimelineStopped', 'TimelineStopped: at 0/1234'));
    await expect(clientOf({ token: 'wrong' }).connect()).rejects.toMatchObject({ code: 'Unauthorized' });
  });

  test('a pageserver that is not there, hangs up or talks nonsense is unavailable', async () => {
    await expect(clientOf({ toPort: 1 }).connect()).rejects.toThrow(Unavailable);
    for (const greeting of [
      '',
      'HTTP/1.1 400 Bad Request\r\n\r\n',
      encodePageAnswer({ type: 'pages', requestId: 5, count: 0, bytes: new Uint8Array(0) }),
    ]) {
      const peer = createServer((socket) =>
        socket
          .on('error', () => undefined)
          .resume()
          .end(greeting),
      );
      const toPort = await new Promise<number>((resolve) =>
        peer.listen(0, '127.0.0.1', () => resolve((peer.address() as { port: number }).port)),
      );
      await expect(clientOf({ toPort, retryMsMax: 50 }).connect()).rejects.toThrow(Unavailable);
      await new Promise((resolve) => peer.close(resolve));
    }
  });

  test('a basebackup is streamed, or refused with the code', async () => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of clientOf().basebackup({ lsn: LSN, head: true })) chunks.push(chunk);
    expect(Buffer.concat(chunks).toString()).toBe('basebackup at 4096');
    const refused = clientOf({ token: 'wrong' }).basebackup({ lsn: LSN, head: true })[Symbol.asyncIterator]();
    await expect(refused.next()).rejects.toMatchObject({ code: 'Unauthorized' });
    const away = clientOf({ toPort: 1 }).basebackup({ lsn: LSN, head: true })[Symbol.asyncIterator]();
    await expect(away.next()).rejects.toThrow(Unavailable);
  });
});

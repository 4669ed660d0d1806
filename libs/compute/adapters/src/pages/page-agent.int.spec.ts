import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Lsn, TenantId, TimelineId } from '@neon/kernel';
import { PageServiceClient } from '@neon/pageserver-client';
import { PAGE_SIZE } from '@neon/pageserver-contract';
import { FilePageServer } from './file-page-server';
import { PageAgent } from './page-agent';
import { encodeShimRequest } from './shim-protocol';

const TABLE = { tablespaceOid: 1663, databaseOid: 5, relationNumber: 16384, fork: 0 };
const LSN = Lsn.parse('0/1000');

describe('the page agent', () => {
  const directory = mkdtempSync(join(tmpdir(), 'page-agent-'));
  const server = new FilePageServer(directory);
  let pageService: PageServiceClient;

  beforeAll(async () => {
    mkdirSync(join(directory, 'base/5'), { recursive: true });
    writeFileSync(join(directory, 'base/5/16384'), pagesOf(Array.from({ length: 300 }, (_, block) => block)));
    const ids = { tenantId: TenantId.parse('a'.repeat(32)), timelineId: TimelineId.parse('b'.repeat(32)) };
    const address = { host: '127.0.0.1', port: await server.start(), token: 'right', ...ids };
    pageService = new PageServiceClient({ address, retryMsMax: 500 });
  });
  afterAll(async () => {
    await pageService.close();
    await server.stop();
    rmSync(directory, { recursive: true });
  });

  const pagesOf = (blocks: readonly number[]): Buffer =>
    Buffer.concat(blocks.map((block) => Buffer.alloc(PAGE_SIZE, block % 251)));

  test('closes a connection that sends garbage and goes on serving the others', async () => {
    const warnings: string[] = [];
    const agent = new PageAgent({
      computeId: 'c',
      socketPath: join(directory, 'agent.sock'),
      pageService,
      baseLsn: LSN,
      log: { warn: (_fields: object, message?: string) => void warnings.push(message ?? '') },
    });
    await agent.start();
    expect(statSync(join(directory, 'agent.sock')).mode & 0o777).toBe(0o600);
    const garbage = connect(join(directory, 'agent.sock'));
    garbage.write('x'.repeat(28));
    await new Promise((resolve) => garbage.once('close', resolve));
    expect(warnings).toEqual(['page shim sent garbage']);
    const shim = connect(join(directory, 'agent.sock'));
    shim.write(encodeShimRequest({ operation: 'read', id: 1, ...TABLE, firstBlock: 7, blockCount: 2 }));
    const received: Buffer[] = [];
    for await (const chunk of shim as AsyncIterable<Buffer>)
      if (received.push(chunk) > 0 && Buffer.concat(received).length === 12 + 2 * PAGE_SIZE) break;
    expect(
      Buffer.concat(received)
        .subarray(12)
        .equals(pagesOf([7, 8])),
    ).toBe(true);
    await agent.stop();
  });
});

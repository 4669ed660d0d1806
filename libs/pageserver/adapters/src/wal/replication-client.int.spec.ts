import { createServer } from 'node:net';
import { Lsn, TenantId, TimelineId, Unavailable } from '@neon/kernel';
import { encodeBackendMessage, encodeMessage } from '@neon/postgres';
import { streamWal } from './replication-client';

const zero = Lsn.of(0);
const ready = Buffer.concat([
  encodeBackendMessage({ kind: 'authenticationOk' }),
  encodeBackendMessage({ kind: 'readyForQuery', status: 'idle' }),
]);
/** 'w', then a start beyond any LSN. */
const beyond = encodeMessage('d', Buffer.concat([Buffer.from('w'), Buffer.alloc(24, 0xff)]));

it.each([
  ['a message of a wrong length', Buffer.concat([Buffer.from('R'), Buffer.from([0, 0, 0, 1])])],
  ['an authentication request without its kind', Buffer.from(encodeMessage('R', new Uint8Array(0)))],
  ['WAL at an LSN that cannot be', Buffer.concat([ready, beyond])],
])('C4: %s is a safekeeper that cannot be read from, no more', async (_what, bytes) => {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', () => undefined);
    socket.write(bytes);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const ids = { tenantId: TenantId.parse('a'.repeat(32)), timelineId: TimelineId.parse('b'.repeat(32)) };
  const { signal } = new AbortController();
  const stream = streamWal(
    { host: '127.0.0.1', port, token: '', name: 'spec', ...ids },
    { startLsn: zero, progress: () => ({ flushLsn: zero, applyLsn: zero }), signal },
  );
  await expect(stream.next()).rejects.toThrow(Unavailable);
  await new Promise((done) => server.close(done));
});

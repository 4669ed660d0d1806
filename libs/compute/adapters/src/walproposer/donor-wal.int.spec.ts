import { once } from 'node:events';
import { type AddressInfo, type Socket, createServer } from 'node:net';
import type { ComputeSpec } from '@neon/compute-contract';
import { Lsn, SafekeeperId, Term, Unavailable } from '@neon/kernel';
import { encodeBackendMessage, encodeMessage } from '@neon/postgres';
import { readDonorWal } from './donor-wal';
import { SafekeeperAddresses } from './safekeeper-addresses';

const DONOR = SafekeeperId.of(1);

it('of a donor that answers too late no stream stays open: it would keep WAL for it', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const addresses = new SafekeeperAddresses();
  addresses.heardOf({ id: DONOR, host: '127.0.0.1', proposerPort: 1, replicationPort: port });
  const spec = { tenantId: 'a'.repeat(32), timelineId: 'b'.repeat(32), token: 'let me in' } as ComputeSpec;
  const range = { startLsn: Lsn.of(8192), endLsn: Lsn.of(16384), donor: DONOR, term: Term.of(1) };
  const connected = once(server, 'connection') as Promise<[Socket]>;
  await expect(readDonorWal({ spec, addresses }, range)).rejects.toThrow(Unavailable);
  const [socket] = await connected;
  socket.on('error', () => undefined).resume();
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.write(encodeBackendMessage({ kind: 'authenticationOk' }));
  socket.write(encodeMessage('W', new Uint8Array(3)));
  await closed;
  server.close();
});

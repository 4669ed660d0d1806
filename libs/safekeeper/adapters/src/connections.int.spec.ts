/** Connections that should end by themselves, over real sockets. */
import { mkdtempSync, rmSync } from 'node:fs';
import { type Socket, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ByteWriter, Lsn } from '@neon/kernel';
import { encodeMessage, encodePasswordMessage, encodeStartupPacket } from '@neon/postgres';
import { TokenIssuer, TokenVerifier, generateKeyPair } from '@neon/service-token';
import { createLogger } from '@neon/telemetry';
import { ReaderRegistry } from './reader-registry';
import { serveReplication } from './replication-connection';
import { type TcpListener, listenTcp } from './tcp-listener';
import { KEY, START_LSN, type Started, createTimeline, startSafekeeper, until } from './testing/one-acceptor';

const READER_SILENCE_MS = 2_000;
const LOCAL = { host: '127.0.0.1', port: 0 };

const opened: Socket[] = [];
let listener: TcpListener | undefined;
afterEach(async () => {
  for (const socket of opened.splice(0)) socket.destroy();
  await listener?.close();
});

function dial(): Socket {
  const socket = connect({ host: '127.0.0.1', port: listener?.port ?? 0 });
  socket.on('error', () => undefined);
  opened.push(socket);
  return socket;
}

/** When it is closed, whether with an error or without. */
const closeOf = (socket: Socket): Promise<void> => new Promise((resolve) => socket.once('close', () => resolve()));

describe('a listener', () => {
  test('serves no more than its limit, refuses the rest at once, and serves again when there is room', async () => {
    let served = 0;
    const serve = (socket: Socket): void => {
      served++;
      socket.on('error', () => undefined);
      socket.resume();
    };
    listener = await listenTcp({ ...LOCAL, connectionCountMax: 3, serve });
    const kept = [dial(), dial(), dial()];
    await until(() => served === 3);
    const flood = Array.from({ length: 50 }, dial);
    await Promise.all(flood.map((socket) => closeOf(socket.resume())));
    expect([served, listener.connectionCount]).toEqual([3, 3]);
    kept[0]?.destroy();
    await until(() => listener?.connectionCount === 2);
    dial();
    await until(() => served === 4);
  });
});

describe('a reader (RC7)', () => {
  const root = mkdtempSync(join(tmpdir(), 'connections-'));
  const readers = new ReaderRegistry();
  let started: Started;
  let issuer: TokenIssuer;
  let tokens: TokenVerifier;

  beforeAll(async () => {
    const keys = await generateKeyPair();
    issuer = await TokenIssuer.fromPem(keys.privatePem);
    tokens = await TokenVerifier.fromPem(keys.publicPem);
    started = await startSafekeeper(root);
    await createTimeline(started.safekeeper);
  });
  afterAll(async () => {
    await started.safekeeper.close();
    rmSync(root, { recursive: true, force: true });
  });

  async function reading(): Promise<{ socket: Socket; heard: () => Buffer }> {
    const context = { safekeeper: started.safekeeper, tokens, readers, logger: createLogger('spec', 'silent') };
    const serve = (socket: Socket): void =>
      serveReplication(socket, { ...context, readerSilenceMs: READER_SILENCE_MS });
    listener = await listenTcp({ ...LOCAL, connectionCountMax: 10, serve });
    const socket = dial();
    const chunks: Buffer[] = [];
    socket.on('data', (chunk) => chunks.push(chunk));
    const parameters = [
      ['replication', 'true'],
      ['options', `tenant_id=${KEY.tenantId} timeline_id=${KEY.timelineId}`],
    ] as const;
    socket.write(encodeStartupPacket({ kind: 'startup', minor: 0, parameters }));
    socket.write(encodePasswordMessage(await issuer.issue({ scope: 'storage' })));
    socket.write(encodeMessage('Q', Buffer.from(`START_REPLICATION ${Lsn.format(START_LSN)}\0`)));
    await until(() => readers.of(started.safekeeper.get(KEY)).length === 1);
    return { socket, heard: () => Buffer.concat(chunks) };
  }

  test('that says nothing is asked for a word, and then ended: nothing is kept for it any more', async () => {
    const { socket, heard } = await reading();
    const startedAt = performance.now();
    await closeOf(socket);
    expect(performance.now() - startedAt).toBeGreaterThan(READER_SILENCE_MS / 2);
    expect(heard().toString('latin1')).toContain(`the reader said nothing for ${READER_SILENCE_MS} ms`);
    // A keepalive whose last byte asks for an answer.
    expect(heard().includes(Buffer.from([0x64, 0, 0, 0, 22, 0x6b]))).toBe(true);
    await until(() => readers.of(started.safekeeper.get(KEY)).length === 0);
  });

  test('that answers may stay idle for as long as it likes', async () => {
    const { socket } = await reading();
    const status = new ByteWriter().u8(0x72).u64(START_LSN).u64(START_LSN).u64(START_LSN).u64(0).u8(0).finish();
    socket.on('data', () => socket.write(encodeMessage('d', status)));
    await sleep(4 * READER_SILENCE_MS);
    expect(readers.of(started.safekeeper.get(KEY))).toHaveLength(1);
  });
});

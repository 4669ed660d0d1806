/**
 * The client side of Postgres' physical replication, as far as a pageserver needs it.
 *
 *   C1  `wal` yields stretches of WAL in order, each beginning where the one before ended.
 *   C2  Progress is told within STATUS_CHANGED_MS, without any once a second, and whenever the server asks.
 *   C3  A server that says nothing for SILENCE_MS is given up.
 *   C4  What a server sends is `Unavailable` at worst: another one may do better.
 */
import { type Socket, connect } from 'node:net';
import { ByteWriter, Lsn, type TenantId, type TimelineId, Unavailable } from '@neon/kernel';
import {
  MessageReader,
  type WireMessage,
  decodeBackendMessage,
  encodeMessage,
  encodePasswordMessage,
  encodeStartupPacket,
  tagOf,
} from '@neon/postgres';

export interface ReplicationTarget {
  readonly host: string;
  readonly port: number;
  readonly token: string;
  readonly tenantId: TenantId;
  readonly timelineId: TimelineId;
  readonly name: string;
}

export interface Progress {
  readonly flushLsn: Lsn;
  readonly applyLsn: Lsn;
}

const CONNECT_TIMEOUT_MS = 5_000;
const SILENCE_MS = 15_000;
/** Writers are slowed down by how far we are behind: what is told late looks like a lag. */
const STATUS_CHANGED_MS = 100;
const STATUS_UNCHANGED_MS = 1_000;
const MESSAGE_SIZE_MAX = 16 * 1024 * 1024;
/** 'w' | u64 start | u64 end | u64 time, before the WAL bytes. */
const XLOG_DATA_HEADER_SIZE = 25;
const POSTGRES_EPOCH_MS = Date.UTC(2000, 0, 1);

export interface WalStretch {
  readonly startLsn: Lsn;
  readonly bytes: Uint8Array;
}

/** @throws Unavailable when the connection cannot be made, is refused, or breaks */
export async function* streamWal(
  target: ReplicationTarget,
  { startLsn, progress, signal }: { startLsn: Lsn; progress: () => Progress; signal: AbortSignal },
): AsyncGenerator<WalStretch> {
  const socket = await open(target, signal);
  let told = { at: 0, ...progress() };
  const report = (): void => {
    told = { at: performance.now(), ...progress() };
    if (socket.writable) socket.write(standbyStatus(told));
  };
  const timer = setInterval(() => {
    const { flushLsn, applyLsn } = progress();
    const isChanged = flushLsn !== told.flushLsn || applyLsn !== told.applyLsn;
    if (isChanged || performance.now() - told.at >= STATUS_UNCHANGED_MS) report();
  }, STATUS_CHANGED_MS);
  try {
    const messages = incoming(socket);
    await authenticate(socket, messages, target);
    socket.write(query(`START_REPLICATION PHYSICAL ${Lsn.format(startLsn)} TIMELINE 1`));
    for await (const message of messages) {
      switch (message.tag) {
        case tagOf('W'):
          break;
        case tagOf('d'): {
          const stretch = copyData(message.payload, report);
          if (stretch !== null) yield stretch;
          break;
        }
        case tagOf('E'):
          throw refused(message);
        default:
          throw new Unavailable(`the safekeeper ended the stream (message type ${message.tag})`);
      }
    }
    throw new Unavailable('the safekeeper closed the connection');
  } catch (error) {
    if (error instanceof Unavailable) throw error;
    throw new Unavailable(`the safekeeper does not speak the protocol: ${String(error)}`, { cause: error });
  } finally {
    clearInterval(timer);
    socket.destroy();
  }
}

function open({ host, port }: ReplicationTarget, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, noDelay: true, signal });
    const timer = setTimeout(() => socket.destroy(new Error('timed out')), CONNECT_TIMEOUT_MS);
    const failed = (cause: Error): void => {
      clearTimeout(timer);
      reject(new Unavailable(`cannot reach safekeeper ${host}:${port}: ${cause.message}`, { cause }));
    };
    socket.once('error', failed);
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.off('error', failed);
      // Later errors end the iteration over the socket, which reports them.
      socket.on('error', () => undefined);
      socket.setTimeout(SILENCE_MS, () => socket.destroy(new Error(`silent for ${SILENCE_MS} ms`)));
      resolve(socket);
    });
  });
}

async function* incoming(socket: Socket): AsyncGenerator<WireMessage> {
  const reader = new MessageReader(MESSAGE_SIZE_MAX);
  try {
    for await (const chunk of socket) {
      reader.push(chunk as Buffer);
      for (let message = reader.next(); message !== undefined; message = reader.next()) yield message;
    }
  } catch (cause) {
    throw new Unavailable(`connection to the safekeeper: ${String(cause)}`, { cause });
  }
}

async function authenticate(
  socket: Socket,
  messages: AsyncGenerator<WireMessage>,
  target: ReplicationTarget,
): Promise<void> {
  const parameters = [
    ['user', 'pageserver'],
    ['replication', 'true'],
    ['application_name', target.name],
    ['options', `tenant_id=${target.tenantId} timeline_id=${target.timelineId}`],
  ] as const;
  socket.write(encodeStartupPacket({ kind: 'startup', minor: 0, parameters }));
  for (;;) {
    const next = await messages.next();
    if (next.done === true) throw new Unavailable('the safekeeper closed the connection');
    const message = decodeBackendMessage(next.value);
    switch (message.kind) {
      case 'authenticationCleartextPassword':
        socket.write(encodePasswordMessage(target.token));
        break;
      case 'readyForQuery':
        return;
      case 'errorResponse':
        throw refused(next.value);
      case 'authenticationMd5Password':
      case 'authenticationSasl':
        throw new Unavailable('the safekeeper asks for another authentication than a token');
      default:
        break;
    }
  }
}

function refused(message: WireMessage): Unavailable {
  const decoded = decodeBackendMessage(message);
  return new Unavailable(
    decoded.kind === 'errorResponse' ? `the safekeeper refused: ${decoded.error.message}` : 'the safekeeper refused',
  );
}

/** Null for a keepalive. */
function copyData(payload: Uint8Array, report: () => void): WalStretch | null {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  if (payload[0] === tagOf('w') && payload.length >= XLOG_DATA_HEADER_SIZE)
    return { startLsn: Lsn.fromBigInt(view.getBigUint64(1)), bytes: payload.subarray(XLOG_DATA_HEADER_SIZE) };
  if (payload[0] === tagOf('k') && payload.length >= 18) {
    if (payload[17] === 1) report();
    return null;
  }
  throw new Unavailable(`unknown replication message ${payload[0] ?? 'of no bytes'}`);
}

const query = (text: string): Uint8Array => encodeMessage('Q', Buffer.from(`${text}\0`));

function standbyStatus({ flushLsn, applyLsn }: Progress): Uint8Array {
  const timeMicros = BigInt(Date.now() - POSTGRES_EPOCH_MS) * 1000n;
  const body = new ByteWriter(34).u8(tagOf('r')).u64(applyLsn).u64(flushLsn).u64(applyLsn).u64(timeMicros).u8(0);
  return encodeMessage('d', body.finish());
}

/** Stands for a safekeeper in specs: serves WAL from memory by the physical replication protocol, up to where it is told. */
import { type Server, type Socket, createServer } from 'node:net';
import { ByteWriter, Lsn } from '@neon/kernel';
import {
  MessageReader,
  decodeStartupPacket,
  encodeBackendMessage,
  encodeMessage,
  startupPacketLength,
  tagOf,
} from '@neon/postgres';

const STRETCH = 128 * 1024;

export class ReplicationServer {
  private readonly sockets = new Set<Socket>();
  private readonly streams = new Set<() => void>();
  readonly reported: { flushLsn: Lsn; applyLsn: Lsn }[] = [];
  readonly requests: string[] = [];

  private constructor(
    private readonly server: Server,
    private readonly wal: { readonly startLsn: Lsn; readonly bytes: Uint8Array },
    private commitLsn: Lsn,
  ) {}

  static async listen(wal: { startLsn: Lsn; bytes: Uint8Array }, commitLsn: Lsn, port = 0): Promise<ReplicationServer> {
    const server = createServer();
    const made = new ReplicationServer(server, wal, commitLsn);
    server.on('connection', (socket) => {
      made.sockets.add(socket);
      socket.on('close', () => made.sockets.delete(socket));
      socket.on('error', () => undefined);
      void made.serve(socket).catch(() => socket.destroy());
    });
    await new Promise<void>((done) => server.listen(port, '127.0.0.1', done));
    return made;
  }

  get port(): number {
    const address = this.server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  commit(lsn: Lsn): void {
    this.commitLsn = lsn;
    for (const wake of this.streams) wake();
  }

  drop(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.drop();
    await new Promise((done) => this.server.close(done));
  }

  private async serve(socket: Socket): Promise<void> {
    const chunks = socket[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
    let startup = Buffer.alloc(0);
    let length: number | undefined;
    while (length === undefined || startup.length < length) {
      const next = await chunks.next();
      if (next.done === true) return;
      startup = Buffer.concat([startup, next.value]);
      length = startupPacketLength(startup);
    }
    const packet = decodeStartupPacket(startup.subarray(0, length));
    if (packet.kind === 'startup') this.requests.push(packet.parameters.map((pair) => pair.join('=')).join(' '));
    socket.write(encodeBackendMessage({ kind: 'authenticationCleartextPassword' }));
    const messages = new MessageReader(1 << 20);
    messages.push(startup.subarray(length));
    for (;;) {
      for (let message = messages.next(); message !== undefined; message = messages.next()) {
        const text = Buffer.from(message.payload).toString('latin1').replace(/\0$/, '');
        if (message.tag === tagOf('p')) {
          this.requests.push(`password ${text}`);
          socket.write(encodeBackendMessage({ kind: 'authenticationOk' }));
          socket.write(encodeBackendMessage({ kind: 'readyForQuery', status: 'idle' }));
        } else if (message.tag === tagOf('Q')) {
          this.requests.push(text);
          const from = /([0-9A-F]+\/[0-9A-F]+)/i.exec(text)?.[1] ?? '';
          socket.write(encodeMessage('W', new ByteWriter().u8(0).u16(0).finish()));
          void this.stream(socket, Lsn.parse(from));
        } else if (message.tag === tagOf('d') && message.payload[0] === tagOf('r')) {
          const view = new DataView(message.payload.buffer, message.payload.byteOffset);
          this.reported.push({
            flushLsn: Lsn.fromBigInt(view.getBigUint64(9)),
            applyLsn: Lsn.fromBigInt(view.getBigUint64(17)),
          });
        }
      }
      const next = await chunks.next();
      if (next.done === true) return;
      messages.push(next.value);
    }
  }

  private async stream(socket: Socket, from: Lsn): Promise<void> {
    for (let lsn = from; !socket.destroyed;) {
      const end = Math.min(this.commitLsn, lsn + STRETCH);
      if (end <= lsn) {
        await new Promise<void>((wake) => {
          this.streams.add(wake);
          socket.once('close', wake);
        });
        continue;
      }
      const at = lsn - this.wal.startLsn;
      const body = new ByteWriter(end - lsn + 25).u8(tagOf('w')).u64(lsn).u64(this.commitLsn).u64(0);
      const hasRoom = socket.write(
        encodeMessage('d', body.bytes(this.wal.bytes.subarray(at, at + end - lsn)).finish()),
      );
      if (!hasRoom) await new Promise<void>((done) => socket.once('drain', done).once('close', done));
      lsn = Lsn.of(end);
    }
  }
}

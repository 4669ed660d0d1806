/** A reader of WAL over the replication protocol, as a pageserver has one: for tests. */
import { type Socket, connect } from 'node:net';
import { ByteReader, ByteWriter, Lsn } from '@neon/kernel';
import {
  MessageReader,
  type WireMessage,
  decodeErrorResponse,
  encodeMessage,
  encodePasswordMessage,
  encodeStartupPacket,
  tagOf,
} from '@neon/postgres';

export class WalReader {
  private readonly messages = new MessageReader(1024 * 1024);
  private wake: () => void = () => undefined;
  private isOver = false;
  commitLsn = Lsn.ZERO;
  /** Where the messages with WAL ended. */
  readonly ends: number[] = [];
  /** Up to where, as they said, there was WAL to read. */
  readonly toldEnds: Lsn[] = [];
  /** What came beyond the last `read`. */
  private surplus = Buffer.alloc(0);

  private constructor(private readonly socket: Socket) {
    socket.on('data', (chunk) => {
      this.messages.push(chunk);
      this.wake();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.isOver = true;
      this.wake();
    });
  }

  static async open(options: { port: number; settings: string; token: string }): Promise<WalReader> {
    const socket = connect({ host: '127.0.0.1', port: options.port, noDelay: true });
    const reader = new WalReader(socket);
    const parameters = [
      ['user', 'pageserver'],
      ['replication', 'true'],
      ['application_name', 'test'],
      ['options', options.settings],
    ] as const;
    socket.write(encodeStartupPacket({ kind: 'startup', minor: 0, parameters }));
    await reader.expect('R');
    socket.write(encodePasswordMessage(options.token));
    for (;;) if ((await reader.next()).tag === tagOf('Z')) return reader;
  }

  async query(text: string): Promise<(string | null)[]> {
    this.send(text);
    const row = (await this.expect('T'), await this.expect('D'));
    const reader = new ByteReader(row.payload);
    const values = Array.from({ length: reader.u16() }, () => {
      const size = reader.u32();
      return size === 0xffff_ffff ? null : Buffer.from(reader.bytes(size)).toString();
    });
    await this.expect('C');
    await this.expect('Z');
    return values;
  }

  async start(startLsn: Lsn): Promise<void> {
    this.send(`START_REPLICATION PHYSICAL ${Lsn.format(startLsn)} TIMELINE 1`);
    await this.expect('W');
  }

  /** WAL of `[startLsn, endLsn)`, which must arrive without gap, and go on where the last one ended. */
  async read(startLsn: Lsn, endLsn: Lsn): Promise<Buffer> {
    const parts: Uint8Array[] = [this.surplus];
    let at = startLsn + this.surplus.length;
    while (at < endLsn) {
      const reader = new ByteReader((await this.expect('d')).payload);
      if (reader.u8() !== 0x77) continue;
      const lsn = reader.lsn();
      if (lsn !== at) throw new Error(`WAL at ${Lsn.format(lsn)}, expected ${Lsn.format(Lsn.of(at))}`);
      this.commitLsn = reader.lsn();
      this.toldEnds.push(this.commitLsn);
      reader.u64();
      const bytes = reader.rest();
      parts.push(bytes);
      at += bytes.length;
      this.ends.push(at);
    }
    const received = Buffer.concat(parts);
    this.surplus = received.subarray(endLsn - startLsn);
    return received.subarray(0, endLsn - startLsn);
  }

  report(flushLsn: Lsn): void {
    const status = new ByteWriter().u8(0x72).u64(flushLsn).u64(flushLsn).u64(flushLsn).u64(0).u8(1);
    this.socket.write(encodeMessage('d', status.finish()));
  }

  /** Reads nothing more from the connection. */
  pause(): void {
    this.socket.pause();
  }

  close(): void {
    this.socket.destroy();
  }

  private send(text: string): void {
    this.socket.write(encodeMessage('Q', Buffer.from(`${text}\0`)));
  }

  private async expect(letter: string): Promise<WireMessage> {
    const message = await this.next();
    if (message.tag !== tagOf(letter)) throw new Error(`expected ${letter}, got ${String.fromCharCode(message.tag)}`);
    return message;
  }

  private async next(): Promise<WireMessage> {
    for (;;) {
      const message = this.messages.next();
      if (message?.tag === tagOf('E')) throw new Error(decodeErrorResponse(message.payload).message);
      if (message !== undefined) return message;
      if (this.isOver) throw new Error('the server closed the connection');
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
  }
}

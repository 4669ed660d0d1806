/**
 * WAL as a stock Postgres sends it to a physical standby: the streaming replication protocol, from the client's side.
 *
 *   V1  `onWal` sees every byte of WAL from `startLsn`, once and in order.
 *   V2  `report` reaches Postgres in the same turn of the event loop: it is what a COMMIT waits for.
 *   V3  `pause` stops reading, so that Postgres' walsender blocks once the socket's buffers are full.
 *   V4  `onEnd` is called once, whoever ends it; nothing is called afterwards.
 *   V5  The sender is told of nothing but `durableLsn` and what `report` said, however much WAL was received, by this
 *       stream or by one before it.
 *   V6  What was said is said again every STATUS_INTERVAL_MS: a walsender that still catches up releases nobody.
 *
 * It connects to Postgres over its Unix socket; to a safekeeper, which speaks the same protocol, over TCP.
 */
import { type NetConnectOpts, type Socket, connect } from 'node:net';
import { Lsn, Unavailable } from '@neon/kernel';
import {
  MessageReader,
  type WireMessage,
  decodeErrorResponse,
  encodeMessage,
  encodePasswordMessage,
  encodeStartupPacket,
} from '@neon/postgres';

export interface WalsenderStreamOptions {
  readonly address: NetConnectOpts;
  readonly parameters: Readonly<Record<string, string>>;
  /** Said when the server asks for it in clear text; without one that is a failure. */
  readonly password?: string;
  /** Simple queries, sent at once; the last one starts the stream. */
  readonly commands: readonly string[];
  /** SQLSTATEs with which a command other than the last may fail. */
  readonly tolerated: readonly string[];
  readonly startLsn: Lsn;
  /** Said as soon as the stream is open; `Lsn.ZERO` says nothing. */
  readonly durableLsn: Lsn;
  /** The bytes are the caller's until it returns. */
  readonly onWal: (startLsn: Lsn, bytes: Uint8Array) => void;
  readonly onEnd: (reason: string) => void;
}

/** PostgreSQL sends at most 128 KiB of WAL in a message; errors and parameters are smaller. */
const MESSAGE_SIZE_MAX = 1024 * 1024;
const WAL_HEADER_SIZE = 25;
/** The buffer is read into again and again: a read without it allocates 64 KiB. */
const READ_SIZE = 64 * 1024;
const STATUS_INTERVAL_MS = 1_000;
const WORD = 0x1_0000_0000;
const AUTHENTICATION_OK = 0;
const AUTHENTICATION_CLEARTEXT = 3;

const tag = (letter: string): number => letter.charCodeAt(0);
const TAG = { error: tag('E'), authentication: tag('R'), copyData: tag('d'), copyBoth: tag('W'), copyDone: tag('c') };
const COPY_TAG = { wal: tag('w'), keepalive: tag('k'), status: tag('r') };
/** A CopyData with a standby's status: tag and length, then a tag, three LSNs, a time and whether an answer is wanted. */
const STATUS_SIZE = 5 + 34;

export class WalsenderStream {
  private readonly reader = new MessageReader(MESSAGE_SIZE_MAX);
  private nextLsn: Lsn;
  private endLsn = Lsn.ZERO;
  private reportedLsn: Lsn;
  private isStreaming = false;
  private isEnded = false;
  private error = '';
  private repeater: NodeJS.Timeout | undefined;

  private constructor(
    private readonly socket: Socket,
    private readonly options: WalsenderStreamOptions,
    private readonly onStreaming: () => void,
  ) {
    this.nextLsn = options.startLsn;
    this.reportedLsn = options.durableLsn;
  }

  /** Resolves when WAL may flow. @throws Unavailable when the server refuses or cannot be reached */
  static open(options: WalsenderStreamOptions): Promise<WalsenderStream> {
    return new Promise((resolve, reject) => {
      const onread = {
        buffer: Buffer.allocUnsafeSlow(READ_SIZE),
        callback: (size: number, buffer: Uint8Array): boolean => {
          stream.receive(buffer.subarray(0, size));
          return true;
        },
      };
      const socket = connect({ ...options.address, onread });
      const stream: WalsenderStream = new WalsenderStream(socket, options, () => resolve(stream));
      socket.setNoDelay(true);
      socket.on('connect', () => stream.begin());
      socket.on('error', (error) => (stream.error ||= error.message));
      socket.on('close', () => {
        reject(new Unavailable(`no WAL stream: ${stream.error || 'connection closed'}`));
        stream.end(stream.error || 'connection closed');
      });
    });
  }

  /** Without a password to be asked for, the commands need not wait for the answer. */
  private begin(): void {
    const parameters = Object.entries(this.options.parameters);
    const startup = encodeStartupPacket({ kind: 'startup', minor: 0, parameters });
    this.socket.write(this.options.password === undefined ? Buffer.concat([startup, this.commands()]) : startup);
  }

  private commands(): Uint8Array {
    return Buffer.concat(this.options.commands.map((command) => encodeMessage('Q', Buffer.from(`${command}\0`))));
  }

  /** The reader copies what it is given. */
  private receive(chunk: Uint8Array): void {
    try {
      this.reader.push(chunk);
      for (let message = this.reader.next(); message !== undefined; message = this.reader.next()) {
        if (this.isEnded) return;
        this.take(message);
      }
    } catch (error) {
      this.fail(String(error));
    }
  }

  private take({ tag: messageTag, payload }: WireMessage): void {
    switch (messageTag) {
      case TAG.copyData:
        this.takeCopyData(Buffer.from(payload.buffer, payload.byteOffset, payload.length));
        break;
      case TAG.copyBoth:
        this.isStreaming = true;
        this.sendStatus();
        this.repeater = setInterval(() => this.sendStatus(), STATUS_INTERVAL_MS);
        this.onStreaming();
        break;
      case TAG.copyDone:
        this.socket.end(encodeMessage('c', new Uint8Array(0)));
        break;
      case TAG.authentication:
        this.authenticate(payload);
        break;
      case TAG.error: {
        const { sqlState, message } = decodeErrorResponse(payload);
        if (this.isStreaming || !this.options.tolerated.includes(sqlState)) this.fail(`${message} (${sqlState})`);
        break;
      }
    }
  }

  private authenticate(payload: Uint8Array): void {
    const code = payload[3];
    if (code === AUTHENTICATION_OK) return;
    const { password } = this.options;
    if (code === AUTHENTICATION_CLEARTEXT && password !== undefined)
      this.socket.write(Buffer.concat([encodePasswordMessage(password), this.commands()]));
    else this.fail('the server asks for a password');
  }

  private takeCopyData(payload: Buffer): void {
    const kind = payload.readUInt8(0);
    if (kind === COPY_TAG.wal) {
      const startLsn = readLsn(payload, 1);
      if (startLsn !== this.nextLsn)
        throw new Unavailable(`WAL at ${Lsn.format(startLsn)}, expected ${Lsn.format(this.nextLsn)}`);
      const bytes = payload.subarray(WAL_HEADER_SIZE);
      this.endLsn = readLsn(payload, 9);
      this.nextLsn = Lsn.advance(startLsn, bytes.length);
      this.options.onWal(startLsn, bytes);
    } else if (kind === COPY_TAG.keepalive && payload.readUInt8(17) !== 0) this.sendStatus();
  }

  /** Everything below `lsn` is durable and applied, as far as the sender is concerned. */
  report(lsn: Lsn): void {
    if (lsn <= this.reportedLsn) return;
    this.reportedLsn = lsn;
    this.sendStatus();
  }

  private sendStatus(): void {
    if (this.isEnded) return;
    const message = Buffer.allocUnsafe(STATUS_SIZE).fill(0);
    message.writeUInt8(TAG.copyData, 0);
    message.writeUInt32BE(STATUS_SIZE - 1, 1);
    message.writeUInt8(COPY_TAG.status, 5);
    // Written, flushed and applied.
    for (const offset of [6, 14, 22]) writeLsn(message, offset, this.reportedLsn);
    this.socket.write(message);
  }

  /** Up to where the sender had WAL when it last sent some. */
  get sourceEndLsn(): Lsn {
    return this.endLsn;
  }

  get isOpen(): boolean {
    return !this.isEnded;
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  close(): void {
    this.fail('closed');
  }

  private fail(reason: string): void {
    this.error ||= reason;
    this.socket.destroy();
    this.end(this.error);
  }

  private end(reason: string): void {
    if (this.isEnded) return;
    this.isEnded = true;
    clearInterval(this.repeater);
    if (this.isStreaming) this.options.onEnd(reason);
  }
}

const readLsn = (bytes: Buffer, offset: number): Lsn =>
  Lsn.of(bytes.readUInt32BE(offset) * WORD + bytes.readUInt32BE(offset + 4));

function writeLsn(bytes: Buffer, offset: number, lsn: Lsn): void {
  bytes.writeUInt32BE(Math.floor(lsn / WORD), offset);
  bytes.writeUInt32BE(lsn % WORD, offset + 4);
}

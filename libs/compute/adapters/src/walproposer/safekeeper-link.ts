/**
 * The connection to one safekeeper: framed messages over TCP, made again after every loss.
 *
 *   K1  `onMessage` sees the messages of one connection in order, between its `onConnected` and its `onDisconnected`.
 *   K2  What is sent in one turn of the event loop leaves in one write, at its end; nothing waits for more.
 *   K3  Bytes that are no message end the connection; so does `disconnect`. Both are followed by another attempt, after
 *       a pause that doubles from RECONNECT_MIN_MS to RECONNECT_MAX_MS while no message but a refusal arrives.
 */
import { type Socket, connect } from 'node:net';
import { type AcceptorMessage, FRAME_SIZE_MAX, decodeAcceptorMessage } from '@neon/consensus';
import { FrameDecoder } from '@neon/kernel';

export interface SafekeeperLinkOptions {
  readonly host: string;
  readonly port: number;
  readonly onConnected: () => void;
  readonly onDisconnected: (reason: string) => void;
  readonly onMessage: (message: AcceptorMessage) => void;
}

/** Answers are some 40 bytes each. The buffer is read into again and again: a read without it allocates 64 KiB. */
const READ_SIZE = 4 * 1024;
const RECONNECT_MIN_MS = 20;
const RECONNECT_MAX_MS = 1_000;

export class SafekeeperLink {
  private socket: Socket | null = null;
  private isConnected = false;
  private unsent: Uint8Array[] = [];
  private isClosed = false;
  private pauseMs = RECONNECT_MIN_MS;
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly options: SafekeeperLinkOptions) {
    this.open();
  }

  private open(): void {
    const frames = new FrameDecoder(FRAME_SIZE_MAX);
    let reason = 'closed by the safekeeper';
    const { host, port } = this.options;
    const onread = {
      buffer: Buffer.allocUnsafeSlow(READ_SIZE),
      callback: (size: number, buffer: Uint8Array): boolean => {
        // The decoder keeps views of what it is given.
        receive(Buffer.from(buffer.subarray(0, size)));
        return true;
      },
    };
    const socket = connect({ host, port, noDelay: true, onread });
    this.socket = socket;
    socket.on('connect', () => {
      this.isConnected = true;
      this.options.onConnected();
    });
    const receive = (chunk: Uint8Array): void => {
      try {
        for (const frame of frames.push(chunk)) {
          if (this.socket !== socket) return;
          const message = decodeAcceptorMessage(frame);
          if (message.kind !== 'sessionRefused') this.pauseMs = RECONNECT_MIN_MS;
          this.options.onMessage(message);
        }
      } catch (error) {
        reason = `not a safekeeper's message: ${String(error)}`;
        socket.destroy();
      }
    };
    socket.on('error', (error) => (reason = error.message));
    socket.on('close', () => {
      if (this.socket === socket) this.lost(reason);
    });
  }

  private lost(reason: string): void {
    const wasConnected = this.isConnected;
    this.socket = null;
    this.isConnected = false;
    this.unsent = [];
    if (!this.isClosed) {
      this.timer = setTimeout(() => this.open(), this.pauseMs);
      this.pauseMs = Math.min(2 * this.pauseMs, RECONNECT_MAX_MS);
    }
    if (wasConnected) this.options.onDisconnected(reason);
  }

  /** A frame; it must not change afterwards. */
  send(frame: Uint8Array): void {
    if (this.socket === null || !this.isConnected) return;
    this.unsent.push(frame);
    if (this.unsent.length === 1) process.nextTick(() => this.flush());
  }

  private flush(): void {
    const { socket, unsent } = this;
    const [first] = unsent;
    if (socket === null || first === undefined) return;
    this.unsent = [];
    // Mostly there is one, and then a vectored write would only cost.
    if (unsent.length === 1) return void socket.write(first);
    socket.cork();
    for (const frame of unsent) socket.write(frame);
    socket.uncork();
  }

  /** Ends this connection; another is tried later. */
  disconnect(reason: string): void {
    this.socket?.destroy();
    if (this.socket !== null) this.lost(reason);
  }

  /** What was sent still leaves; no further connection is made and nothing more is reported. */
  close(): void {
    this.isClosed = true;
    clearTimeout(this.timer);
    this.flush();
    const { socket } = this;
    this.socket = null;
    if (this.isConnected) socket?.end();
    else socket?.destroy();
  }
}

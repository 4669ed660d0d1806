/**
 * The connection to one safekeeper: framed messages over TCP, made again after every loss.
 *
 *   K1  `onMessage` sees the messages of one connection in order, between its `onConnected` and its `onDisconnected`.
 *   K2  What is sent in one turn of the event loop leaves in one write; nothing waits for more.
 *   K3  Bytes that are no message end the connection; so does `disconnect`. Both are followed by another attempt, after
 *       a pause that doubles from RECONNECT_MIN_MS to RECONNECT_MAX_MS while no message arrives.
 */
import { type Socket, connect } from 'node:net';
import {
  type AcceptorMessage,
  FRAME_SIZE_MAX,
  type ProposerMessage,
  decodeAcceptorMessage,
  encodeProposerMessage,
} from '@neon/consensus';
import { FrameDecoder } from '@neon/kernel';

export interface SafekeeperLinkOptions {
  readonly host: string;
  readonly port: number;
  readonly onConnected: () => void;
  readonly onDisconnected: (reason: string) => void;
  readonly onMessage: (message: AcceptorMessage) => void;
}

const RECONNECT_MIN_MS = 20;
const RECONNECT_MAX_MS = 1_000;

export class SafekeeperLink {
  private socket: Socket | null = null;
  private isConnected = false;
  private isCorked = false;
  private isClosed = false;
  private pauseMs = RECONNECT_MIN_MS;
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly options: SafekeeperLinkOptions) {
    this.open();
  }

  private open(): void {
    const socket = connect({ host: this.options.host, port: this.options.port, noDelay: true });
    const frames = new FrameDecoder(FRAME_SIZE_MAX);
    let reason = 'closed by the safekeeper';
    this.socket = socket;
    socket.on('connect', () => {
      this.isConnected = true;
      this.options.onConnected();
    });
    socket.on('data', (chunk) => {
      try {
        for (const frame of frames.push(chunk)) {
          if (this.socket !== socket) return;
          const message = decodeAcceptorMessage(frame);
          this.pauseMs = RECONNECT_MIN_MS;
          this.options.onMessage(message);
        }
      } catch (error) {
        reason = `not a safekeeper's message: ${String(error)}`;
        socket.destroy();
      }
    });
    socket.on('error', (error) => (reason = error.message));
    socket.on('close', () => {
      if (this.socket === socket) this.lost(reason);
    });
  }

  private lost(reason: string): void {
    const wasConnected = this.isConnected;
    this.socket = null;
    this.isConnected = false;
    this.isCorked = false;
    if (!this.isClosed) {
      this.timer = setTimeout(() => this.open(), this.pauseMs);
      this.pauseMs = Math.min(2 * this.pauseMs, RECONNECT_MAX_MS);
    }
    if (wasConnected) this.options.onDisconnected(reason);
  }

  send(message: ProposerMessage): void {
    const { socket } = this;
    if (socket === null || !this.isConnected) return;
    if (!this.isCorked) {
      this.isCorked = true;
      socket.cork();
      process.nextTick(() => {
        if (this.socket === socket) this.isCorked = false;
        socket.uncork();
      });
    }
    socket.write(encodeProposerMessage(message));
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
    const { socket } = this;
    this.socket = null;
    socket?.uncork();
    if (this.isConnected) socket?.end();
    else socket?.destroy();
  }
}

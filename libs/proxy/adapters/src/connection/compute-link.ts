/**
 * The connection to a compute while the session is being set up: messages in, bytes out, and one word when it is lost.
 *
 * Computes listen on the network that hosts and proxies share; that network is trusted, the bytes are not encrypted again.
 */
import { type Socket, connect } from 'node:net';
import { MessageReader, ProtocolViolation, type WireMessage } from '@neon/postgres';
import { type AwakeCompute, COMPUTE_MESSAGE_SIZE_MAX, CONNECT_TIMEOUT_MS } from '@neon/proxy-core';

/** A host that vanished without a word is noticed after this long of silence, plus the system's probes. */
export const KEEP_ALIVE_DELAY_MS = 60_000;

export interface ComputeEvents {
  readonly onConnect: () => void;
  /** False from it: the rest is not for us any more. */
  readonly onMessage: (message: WireMessage) => boolean;
  readonly onLost: (reason: string) => void;
}

export class ComputeLink {
  private readonly socket: Socket;
  private readonly reader = new MessageReader(COMPUTE_MESSAGE_SIZE_MAX);

  constructor(
    { host, port }: Pick<AwakeCompute, 'host' | 'port'>,
    private readonly events: ComputeEvents,
  ) {
    const options = { host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_DELAY_MS };
    this.socket = connect({ ...options, allowHalfOpen: true });
    this.socket.setTimeout(CONNECT_TIMEOUT_MS, () => this.lose('no answer to the connection attempt'));
    this.socket.on('connect', this.onConnect);
    this.socket.on('data', this.receive).on('end', this.onEnd).on('error', this.onError);
  }

  private readonly onConnect = (): void => {
    this.socket.setTimeout(0);
    this.events.onConnect();
  };
  private readonly onEnd = (): void => this.lose('the compute closed the connection');
  private readonly onError = (error: Error): void => this.lose(error.message);

  private unlisten(): void {
    this.socket.off('connect', this.onConnect);
    this.socket.off('data', this.receive).off('end', this.onEnd).off('error', this.onError);
    this.socket.on('error', () => undefined);
  }

  write(bytes: Uint8Array): void {
    this.socket.write(bytes);
  }

  /** Forgets the connection; nothing is reported of it any more. */
  destroy(): void {
    this.unlisten();
    this.socket.destroy();
  }

  /** Hands over the socket, paused, with what was read and not decoded. */
  release(): { socket: Socket; unread: Uint8Array } {
    this.unlisten();
    this.socket.pause();
    return { socket: this.socket, unread: this.reader.takeRest() };
  }

  private readonly receive = (chunk: Uint8Array): void => {
    this.reader.push(chunk);
    try {
      for (;;) {
        const message = this.reader.next();
        if (message === undefined || !this.events.onMessage(message)) return;
      }
    } catch (error) {
      if (!(error instanceof ProtocolViolation)) throw error;
      this.lose(error.message);
    }
  };

  private lose(reason: string): void {
    this.destroy();
    this.events.onLost(reason);
  }
}

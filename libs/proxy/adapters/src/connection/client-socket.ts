/**
 * The client's end: one TCP socket, in clear at first and then inside TLS, until the splice takes it.
 *
 *   T1  Bytes reach `onBytes` in order; those that came before TLS are never taken for bytes inside it, nor the reverse.
 *   T2  `onGone` says that no more will come, for whatever reason, `onClosed` once that the socket is gone.
 */
import type { Socket } from 'node:net';
import { TLSSocket, type TLSSocketOptions } from 'node:tls';
import type { TlsChannel } from '@neon/proxy-core';
import type { ServerCertificate } from '../tls/certificate';

export interface ClientSocketEvents {
  readonly onBytes: (chunk: Buffer) => void;
  readonly onSecure: (channel: TlsChannel) => void;
  readonly onGone: (error: Error | undefined) => void;
  readonly onClosed: () => void;
}

const ALPN_POSTGRESQL = 'postgresql';
/** A client gets this long to read our last words before the socket goes. */
const LINGER_MS = 2_000;
/**
 * What may wait in each direction before the other side is held up. A chunk from a compute is 64 KiB, Node's default
 * limit, at which every write stops and restarts the reading: four of them halve the processor time of bulk data.
 */
const BUFFERED_BYTES_MAX = 256 * 1024;

export class ClientSocket {
  constructor(
    private socket: Socket,
    private readonly events: ClientSocketEvents,
  ) {
    this.listen();
  }

  write(bytes: Uint8Array | string): void {
    this.socket.write(bytes);
  }

  /** What `run` writes leaves in one packet. In clear nothing is held back: the word before TLS must leave before TLS begins. */
  together(run: () => void): void {
    const { socket } = this;
    if (!(socket instanceof TLSSocket)) return run();
    socket.cork();
    run();
    socket.uncork();
  }

  pause(): void {
    this.socket.pause();
  }

  /** @param alreadyRead bytes of the client's first TLS records, when it began TLS unasked; else none */
  startTls({ secureContext, endPointHash }: ServerCertificate, alreadyRead: Uint8Array): void {
    const plain = this.socket;
    this.unlisten();
    plain.pause();
    if (alreadyRead.length > 0) plain.unshift(alreadyRead);
    const options: TLSSocketOptions & { highWaterMark: number } = {
      isServer: true,
      secureContext,
      highWaterMark: BUFFERED_BYTES_MAX,
      ALPNCallback: ({ protocols }) => (protocols.includes(ALPN_POSTGRESQL) ? ALPN_POSTGRESQL : undefined),
    };
    const encrypted = new TLSSocket(plain, options);
    this.socket = encrypted;
    this.listen();
    encrypted.once('secure', () =>
      this.events.onSecure({
        serverName: textOrNull(encrypted.servername),
        alpn: textOrNull(encrypted.alpnProtocol),
        isDirect: alreadyRead.length > 0,
        certificateHash: endPointHash,
      }),
    );
  }

  /** Hands over the socket, paused. `onClosed` is still called. */
  release(): Socket {
    const { socket } = this;
    socket.pause();
    socket.off('data', this.events.onBytes).off('end', this.onEnd).off('error', this.events.onGone);
    return socket;
  }

  /** Lets what was written reach the client, reads on into the void, then closes. */
  finish(): void {
    const { socket } = this;
    if (socket.destroyed) return;
    socket.resume();
    socket.end();
    setTimeout(() => socket.destroy(), LINGER_MS).unref();
  }

  destroy(): void {
    this.socket.destroy();
  }

  private readonly onEnd = (): void => this.events.onGone(undefined);

  private listen(): void {
    const { onBytes, onGone, onClosed } = this.events;
    this.socket.on('data', onBytes).on('end', this.onEnd).on('error', onGone).on('close', onClosed);
  }

  /** An error is still waited for: one that nobody waits for ends the process. */
  private unlisten(): void {
    const { onBytes, onGone, onClosed } = this.events;
    this.socket.off('data', onBytes).off('end', this.onEnd).off('error', onGone).off('close', onClosed);
    this.socket.on('error', () => undefined);
  }
}

/** Node says `false` or `null` for what the client did not send. */
const textOrNull = (value: unknown): string | null => (typeof value === 'string' ? value : null);

/**
 * Which query a cancel key names, for the sessions of this proxy.
 *
 *   X1  A key is good from ReadyForQuery until its session ends, not longer.
 *   X2  `forward` resolves when the compute has closed the cancel connection, as Postgres does once it has sent the
 *       signal: a client that waits for it may send its next query safely.
 *   X3  A key that nobody holds is answered by silence, as in Postgres.
 */
import { connect } from 'node:net';
import { type CancelKey, encodeStartupPacket } from '@neon/postgres';
import type { AwakeCompute } from '@neon/proxy-core';

interface CancelTarget {
  readonly compute: Pick<AwakeCompute, 'host' | 'port'>;
  readonly key: CancelKey;
}

/** A compute signals at once or is gone. */
const FORWARD_TIMEOUT_MS = 5_000;

export class CancelKeys {
  private readonly targets = new Map<string, CancelTarget>();

  get count(): number {
    return this.targets.size;
  }

  /** Returns what takes it back. */
  register(clientKey: CancelKey, target: CancelTarget): () => void {
    const name = nameOf(clientKey);
    this.targets.set(name, target);
    return () => {
      if (this.targets.get(name) === target) this.targets.delete(name);
    };
  }

  async forward(clientKey: CancelKey): Promise<'forwarded' | 'unknown' | 'failed'> {
    const target = this.targets.get(nameOf(clientKey));
    if (target === undefined) return 'unknown';
    const { compute, key } = target;
    return new Promise((resolve) => {
      const socket = connect({ host: compute.host, port: compute.port, noDelay: true });
      socket.setTimeout(FORWARD_TIMEOUT_MS, () => socket.destroy(new Error('timed out')));
      socket.on('connect', () => socket.write(encodeStartupPacket({ kind: 'cancelRequest', key })));
      socket.on('error', () => resolve('failed'));
      socket.on('close', () => resolve('forwarded'));
      socket.resume();
    });
  }
}

const nameOf = ({ processId, secret }: CancelKey): string => `${processId}:${secret}`;

/**
 * Two sockets made one: what comes in on either side goes out on the other, unread.
 *
 *   S1  Bytes keep their order; those read before the splice come first.
 *   S2  A side that does not read makes the other one wait: no more than the sockets' own buffers is held here.
 *   S3  The client may end its half and still read to the end. When the compute ends, the client gets what is under way and
 *       the connection is over, as when a Postgres backend exits.
 *   S4  An error on either side ends both.
 */
import type { Socket } from 'node:net';

export interface SpliceCounts {
  /** From client to compute. */
  receivedBytes: number;
  /** From compute to client. */
  sentBytes: number;
}

export interface SpliceOptions {
  readonly client: Socket;
  readonly compute: Socket;
  /** Bytes read too early, by side. */
  readonly fromClient: Uint8Array;
  readonly fromCompute: Uint8Array;
  readonly counts: SpliceCounts;
  /** Called once, when neither side is open. */
  readonly onEnd: () => void;
}

export function splice({ client, compute, fromClient, fromCompute, counts, onEnd }: SpliceOptions): void {
  if (fromClient.length > 0) compute.write(fromClient);
  if (fromCompute.length > 0) client.write(fromCompute);
  counts.receivedBytes += fromClient.length;
  counts.sentBytes += fromCompute.length;

  client.on('data', (chunk: Buffer) => {
    counts.receivedBytes += chunk.length;
    if (!compute.write(chunk)) client.pause();
  });
  compute.on('data', (chunk: Buffer) => {
    counts.sentBytes += chunk.length;
    if (!client.write(chunk)) compute.pause();
  });
  compute.on('drain', () => client.resume());
  client.on('drain', () => compute.resume());
  client.on('end', () => compute.end());
  compute.on('end', () => client.destroySoon());

  let open = 2;
  const onClose = (other: Socket) => {
    if (--open === 0) onEnd();
    else if (other === compute) compute.destroy();
    else client.destroySoon();
  };
  client.on('error', () => compute.destroy());
  compute.on('error', () => client.destroySoon());
  client.on('close', () => onClose(compute));
  compute.on('close', () => onClose(client));
  client.resume();
  compute.resume();
}

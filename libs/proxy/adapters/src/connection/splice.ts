/**
 * Two sockets made one: what comes in on either side goes out on the other, unread but for the headers of messages.
 *
 *   S1  Bytes keep their order; those read before the splice come first.
 *   S2  A side that does not read makes the other one wait: no more than the sockets' own buffers is held here.
 *   S3  The client may end its half and still read to the end. When the compute ends, the client gets what is under way and
 *       the connection is over, as when a Postgres backend exits.
 *   S4  An error on either side ends both.
 *   S5  A client is never told of a commit whose quorum nobody waited for: it gets COMMIT_IN_DOUBT in place of the answer,
 *       and the session is over.
 */
import type { Socket } from 'node:net';
import { COMMIT_IN_DOUBT, CommitDoubt } from '@neon/proxy-core';

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
  /** Called once, before the end. */
  readonly onDoubt: () => void;
  /** Called once, when neither side is open. */
  readonly onEnd: () => void;
}

export function splice({ client, compute, fromClient, fromCompute, counts, onDoubt, onEnd }: SpliceOptions): void {
  const doubt = new CommitDoubt();
  const toClient = (chunk: Uint8Array): void => {
    const end = doubt.endOf(chunk);
    const passed = end === undefined ? chunk : chunk.subarray(0, end);
    counts.sentBytes += passed.length;
    if (!client.write(passed)) compute.pause();
    if (end === undefined) return;
    compute.off('data', toClient);
    client.write(COMMIT_IN_DOUBT);
    onDoubt();
    client.destroySoon();
    compute.destroy();
  };
  if (fromClient.length > 0) compute.write(fromClient);
  counts.receivedBytes += fromClient.length;
  client.on('data', (chunk: Buffer) => {
    counts.receivedBytes += chunk.length;
    if (!compute.write(chunk)) client.pause();
  });
  compute.on('data', toClient);
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
  if (fromCompute.length > 0) toClient(fromCompute);
}

/**
 * The tarball a compute starts from, over a connection of its own: a slow consumer slows this stream alone.
 */
import { connect } from 'node:net';
import { Corrupt, Refusal, Unavailable } from '@neon/kernel';
import { type GetBasebackup, type PageAnswer, encodePageRequest } from '@neon/pageserver-contract';
import { PageAnswerDecoder, errorOf } from './page-answers';
import { GREETING_TIMEOUT_MS, type PageServiceAddress, helloTo } from './page-service-connection';

export type BasebackupRead = Omit<GetBasebackup, 'type' | 'requestId'>;

const REQUEST_ID = 1;

/** @throws Unavailable when the stream ends before its last chunk; what `errorOf` makes of the pageserver's answer. */
export async function* streamBasebackup(
  address: PageServiceAddress,
  { lsn, head }: BasebackupRead,
): AsyncGenerator<Uint8Array> {
  const { host, port } = address;
  const socket = connect({ host, port, noDelay: true, keepAlive: true });
  // Of two errors the first is thrown by the loop below; none may end the process.
  socket.on('error', () => undefined);
  socket.setTimeout(GREETING_TIMEOUT_MS, () =>
    socket.destroy(new Unavailable(`pageserver ${host}:${port} does not answer`)),
  );
  const decoder = new PageAnswerDecoder();
  try {
    socket.write(helloTo(address));
    socket.write(encodePageRequest({ type: 'getBasebackup', requestId: REQUEST_ID, lsn, head }));
    for await (const chunk of socket as AsyncIterable<Buffer>) {
      const answers: PageAnswer[] = [];
      decoder.push(chunk, (answer) => answers.push(answer));
      for (const answer of answers) {
        if (answer.type === 'error') throw errorOf(answer);
        // Welcomed: from here on it may take as long as the pageserver needs to reach the LSN.
        if (answer.type === 'welcome') socket.setTimeout(0);
        else if (answer.type !== 'basebackupChunk') throw new Unavailable(`${answer.type} in answer to getBasebackup`);
        else {
          yield answer.bytes;
          if (answer.last) return;
        }
      }
    }
  } catch (cause) {
    if (cause instanceof Refusal || cause instanceof Corrupt || cause instanceof Unavailable) throw cause;
    throw new Unavailable(`pageserver ${host}:${port}: ${String(cause)}`, { cause });
  } finally {
    socket.destroy();
  }
  throw new Unavailable('the basebackup ended before its last chunk');
}

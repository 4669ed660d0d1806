/**
 * One process for one directory.
 *
 *   K1  While a lock is held, no other `lockDirectory` of the same directory succeeds, by whichever path it is named.
 *   K2  A lock ends with `release` or with its process, however that dies, and leaves nothing behind.
 *
 * It is a listening Unix socket in Linux' abstract namespace: a name has one listener, and the kernel frees it with the
 * last descriptor. Descriptors are not passed on to child processes (close-on-exec), so K2 holds with children alive.
 *
 * @example const lock = await lockDirectory('/data'); // Refusal('DirectoryInUse') when another process has it
 */
import { stat } from 'node:fs/promises';
import { type Server, createServer } from 'node:net';
import { Refusal } from '@neon/kernel';

export interface DirectoryLock {
  release(): Promise<void>;
}

/** @throws Refusal DirectoryInUse; an error of the system when the directory does not exist. */
export async function lockDirectory(path: string): Promise<DirectoryLock> {
  const { dev, ino } = await stat(path, { bigint: true });
  const server = createServer((socket) => socket.destroy());
  try {
    await listen(server, `\0neon-lock-${dev}-${ino}`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    throw new Refusal('DirectoryInUse', `another process uses the directory ${path}`, { path });
  }
  // A lock is no work: it does not keep its process alive.
  server.unref();
  return { release: () => new Promise((resolve) => server.close(() => resolve())) };
}

function listen(server: Server, name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ path: name, exclusive: true }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

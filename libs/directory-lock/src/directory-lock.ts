/**
 * One process for one directory.
 *
 *   K1  While a lock is held, no other `lockDirectory` of the same directory succeeds, by whichever path it is named.
 *   K2  A lock ends with `release` or with its process, however that dies, and leaves nothing behind.
 *   K3  A process that was killed is no more to be seen before its last thread has left the kernel, and until then it has its
 *       locks: whoever is started in its place waits for a moment before it is refused.
 *
 * It is a listening Unix socket in Linux' abstract namespace: a name has one listener, and the kernel frees it with the
 * last descriptor. Descriptors are not passed on to child processes (close-on-exec), so K2 holds with children alive.
 *
 * @example const lock = await lockDirectory('/data'); // Refusal('DirectoryInUse') when another process has it
 */
import { stat } from 'node:fs/promises';
import { type Server, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Refusal } from '@neon/kernel';

export interface DirectoryLock {
  release(): Promise<void>;
}

/** A thread that waits for the disk leaves the kernel only when that has answered. */
const PATIENCE_MS = 3_000;
const RETRY_MS = 20;

/** @throws Refusal DirectoryInUse after some seconds (K3); an error of the system when the directory does not exist. */
export async function lockDirectory(path: string): Promise<DirectoryLock> {
  const { dev, ino } = await stat(path, { bigint: true });
  const name = `\0neon-lock-${dev}-${ino}`;
  const deadline = performance.now() + PATIENCE_MS;
  let server = await listen(name);
  while (server === null && performance.now() < deadline) {
    await sleep(RETRY_MS);
    server = await listen(name);
  }
  if (server === null) throw new Refusal('DirectoryInUse', `another process uses the directory ${path}`, { path });
  const held = server;
  // A lock is no work: it does not keep its process alive.
  held.unref();
  return { release: () => new Promise((resolve) => held.close(() => resolve())) };
}

/** Null when somebody else has the name. */
function listen(name: string): Promise<Server | null> {
  const server = createServer((socket) => socket.destroy());
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException): void =>
      error.code === 'EADDRINUSE' ? resolve(null) : reject(error);
    server.once('error', failed);
    server.listen({ path: name, exclusive: true }, () => {
      server.off('error', failed);
      resolve(server);
    });
  });
}

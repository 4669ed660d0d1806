/**
 * Ports for servers that take them a little later, or again after a restart: for specs and proofs.
 *
 *   FP1  Nobody is given one by chance meanwhile: they lie below the range from which the kernel gives ports to whoever
 *        asks for any, and to outgoing connections.
 *   FP2  Nobody listens there now, and this process was not given it before.
 *   FP3  Workers of one run of Jest take theirs from ranges of their own.
 */
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

const HOST = '127.0.0.1';
const FIRST_PORT = 15_000;
const RANGE_SIZE = 1_000;
/** Linux gives away what is from 32768 on. */
const RANGE_COUNT = 15;

const rangeStart = FIRST_PORT + (Number(process.env['JEST_WORKER_ID'] ?? 0) % RANGE_COUNT) * RANGE_SIZE;
/** Runs beside this one begin elsewhere. */
let offset = randomInt(RANGE_SIZE);

/** @throws Error when every port of the range is taken */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < RANGE_SIZE; attempt++) {
    const port = rangeStart + (offset++ % RANGE_SIZE);
    if (await isFree(port)) return port;
  }
  throw new Error(`no free port from ${rangeStart} on`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen({ port, host: HOST }, () => probe.close(() => resolve(true)));
  });
}

import { createServer } from 'node:net';

/**
 * A port nobody listens on at this moment, for a server that cannot be told to choose one itself; whoever takes it must still
 * expect to be late.
 */
export function freePort(host = '127.0.0.1'): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, host, () => {
      const address = server.address();
      server.close(() => {
        if (address === null || typeof address === 'string') reject(new Error('no port'));
        else resolve(address.port);
      });
    });
  });
}

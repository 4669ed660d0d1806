import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { freePort } from './free-port';

test('ports lie below those that the kernel gives away (FP1)', async () => {
  const [first] = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').trim().split(/\s+/).map(Number);
  expect(await freePort()).toBeLessThan(first ?? 0);
});

test('a port that is taken is passed over, and none comes twice (FP2)', async () => {
  const given = await freePort();
  const taken = createServer().listen(given + 1, '127.0.0.1');
  await once(taken, 'listening');
  const others = [await freePort(), await freePort(), await freePort()];
  expect(others).not.toContain(given + 1);
  expect(new Set([given, ...others]).size).toBe(4);
  taken.close();
});

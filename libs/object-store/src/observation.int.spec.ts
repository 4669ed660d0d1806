import { once } from 'node:events';
import { createServer } from 'node:http';
import { type Telemetry, metricsHandler, startTelemetry } from '@neon/telemetry';
import { MemoryObjectStore } from './memory-object-store';
import { ObjectKey, ObjectPrefix } from './object-key';

let telemetry: Telemetry;
beforeAll(() => {
  telemetry = startTelemetry({ service: 'spec', otlpUrl: undefined });
});
afterAll(() => telemetry.stop());

it('requests are counted by operation and outcome, bytes by direction', async () => {
  const store = new MemoryObjectStore();
  const key = ObjectKey.of('a');
  await store.put(key, Buffer.from('12345'));
  await store.get(key);
  await store.get(ObjectKey.of('absent'));
  await expect(store.put(key, Buffer.from('1'), { ifAbsent: true })).rejects.toThrow();
  store.damage(key, 0);
  await expect(store.get(key)).rejects.toThrow();
  await expect(store.head(key, { signal: AbortSignal.abort() })).rejects.toThrow();
  await store.list(ObjectPrefix.parse('')).next();

  const counts = await numbers();
  const requests = (operation: string, outcome: string) =>
    counts.get(`neon_object_store_request_seconds_count{store="memory",operation="${operation}",outcome="${outcome}"}`);
  expect(requests('put', 'ok')).toBe(1);
  expect(requests('put', 'refused')).toBe(1);
  expect(requests('get', 'ok')).toBe(1);
  expect(requests('get', 'absent')).toBe(1);
  expect(requests('get', 'corrupt')).toBe(1);
  expect(requests('head', 'aborted')).toBe(1);
  expect(requests('list', 'ok')).toBe(1);
  for (const direction of ['sent', 'received'])
    expect(counts.get(`neon_object_store_transferred_bytes_total{store="memory",direction="${direction}"}`)).toBe(5);
});

/** The Prometheus text, without the labels that every metric has. */
async function numbers(): Promise<Map<string, number>> {
  const server = createServer(metricsHandler).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  server.closeAllConnections();
  server.close();
  return new Map(
    text
      .split('\n')
      .filter((line) => line.startsWith('neon_object_store'))
      .map((line) => {
        const [name = '', value] = line.split(/ (?=[^ ]+$)/);
        return [name.replace(/,otel_scope[^}]*/, ''), Number(value)];
      }),
  );
}

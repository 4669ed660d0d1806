import { type AddressInfo, createServer } from 'node:net';
import { trace } from '@opentelemetry/api';
import { startTelemetry } from './telemetry';

/** Nobody listens there any more. */
async function deadUrl(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return `http://127.0.0.1:${port}`;
}

it('stopping when spans cannot be sent drops them in silence', async () => {
  const telemetry = startTelemetry({ service: 'spec', otlpUrl: await deadUrl() });
  trace.getTracer('spec').startSpan('never sent').end();
  await expect(telemetry.stop()).resolves.toBeUndefined();
});

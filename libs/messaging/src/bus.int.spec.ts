/** The bus against a real nats-server on an ephemeral port. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '@neon/free-port';
import { Refusal, Unavailable, defineEvent, defineRequest } from '@neon/kernel';
import { z } from 'zod';
import { Bus } from './bus';
import { SignalBus } from './signal-bus';

const happened = defineEvent({ subject: 'neon.test.thing.happened', version: 1, schema: z.object({ n: z.number() }) });
const double = defineRequest({
  subject: 'neon.test.number.double',
  version: 1,
  request: z.object({ n: z.number() }),
  reply: z.object({ n: z.number() }),
  timeoutMs: 2_000,
});

let server: ChildProcess;
let storeDir: string;
let serverPort: number;
let servers: string;
const errors: string[] = [];
const buses: Bus[] = [];

async function bus(name: string): Promise<Bus> {
  const onError = (error: unknown, where: string) => void errors.push(`${where}: ${String(error)}`);
  const made = await Bus.connect({ servers, token: 'secret', name, onError });
  buses.push(made);
  return made;
}

const until = async (condition: () => boolean) => {
  for (let i = 0; i < 2400 && !condition(); i++) await new Promise((resolve) => setTimeout(resolve, 25));
  expect(condition()).toBe(true);
};

function startServer(): ChildProcess {
  const args = ['-a', '127.0.0.1', '-p', String(serverPort), '-js', '-sd', storeDir, '--auth', 'secret'];
  return spawn('nats-server', args, { stdio: 'ignore' });
}

beforeAll(async () => {
  serverPort = await freePort();
  storeDir = mkdtempSync(join(tmpdir(), 'neon-nats-'));
  servers = `nats://127.0.0.1:${serverPort}`;
  server = startServer();
});

afterAll(async () => {
  await Promise.all(buses.map((each) => each.close()));
  const ended = new Promise((resolve) => server.once('exit', resolve));
  server.kill();
  await ended;
  rmSync(storeDir, { recursive: true });
});

describe('Bus', () => {
  it('M4: a request ends with the reply, the refusal of the responder, or Unavailable', async () => {
    const [client, service] = [await bus('client'), await bus('service')];
    await expect(client.request(double, { n: 1 })).rejects.toBeInstanceOf(Unavailable);
    service.respond(double, async ({ n }) => {
      if (n < 0) throw new Refusal('Negative', 'not a natural number', { n });
      return { n: 2 * n };
    });
    service.respond(double, async () => ({ n: 0 }), { target: 'zero' });
    await service.flush();
    expect(await client.request(double, { n: 21 })).toEqual({ n: 42 });
    expect(await client.request(double, { n: 21 }, { target: 'zero' })).toEqual({ n: 0 });
    await expect(client.request(double, { n: -1 })).rejects.toMatchObject({ code: 'Negative', details: { n: -1 } });
    await expect(client.request(double, { n: 'x' } as never)).rejects.toThrow();
  });

  it('M4: a request that the server was killed under ends with Unavailable, and can be made again', async () => {
    const [client, service] = [await bus('client'), await bus('service')];
    let asked = 0;
    service.respond(
      double,
      ({ n }) => {
        asked += 1;
        return asked === 1 ? new Promise(() => undefined) : Promise.resolve({ n: 2 * n });
      },
      { target: 'slow' },
    );
    await service.flush();
    const killed = client.request(double, { n: 1 }, { target: 'slow', timeoutMs: 60_000 });
    const outcome = expect(killed).rejects.toThrow('connection to NATS was lost');
    await until(() => asked === 1);
    const ended = new Promise((resolve) => server.once('exit', resolve));
    server.kill('SIGKILL');
    await ended;
    server = startServer();
    await outcome;
    let answer: { n: number } | undefined;
    await until(() => {
      client.request(double, { n: 4 }, { target: 'slow', timeoutMs: 1_000 }).then(
        (reply) => (answer = reply),
        () => undefined,
      );
      return answer !== undefined;
    });
    expect(answer).toEqual({ n: 8 });
  });

  it('M4: what is asked again is answered although who took it died; and ends at once when nobody is left', async () => {
    const [client, first] = [await bus('client'), await bus('first')];
    const repeated = { ...double, repeatMs: 300 };
    let asked = 0;
    const dies = (responder: Bus) =>
      responder.respond(double, () => (asked++, new Promise(() => undefined)), { target: 'mortal' });
    const deaf = dies(first);
    await first.flush();
    const answer = client.request(repeated, { n: 4 }, { target: 'mortal', timeoutMs: 60_000 });
    await until(() => asked >= 2);
    const second = await bus('second');
    const heir = second.respond(double, ({ n }) => Promise.resolve({ n: 2 * n }), { target: 'mortal' });
    await second.flush();
    await deaf.stop();
    expect(await answer).toEqual({ n: 8 });
    await heir.stop();
    const silent = dies(second);
    await second.flush();
    const abandoned = client.request(repeated, { n: 4 }, { target: 'mortal', timeoutMs: 60_000 });
    const outcome = expect(abandoned).rejects.toThrow('nobody answers neon.test.number.double.mortal');
    await silent.stop();
    await second.flush();
    await outcome;
    dies(first);
    await first.flush();
    await expect(client.request(repeated, { n: 4 }, { target: 'mortal', timeoutMs: 700 })).rejects.toThrow('in time');
  });

  it('M6: who connects while there is no server says so once, and is connected when there is one', async () => {
    const ended = new Promise((resolve) => server.once('exit', resolve));
    server.kill('SIGKILL');
    await ended;
    const complaints = () => errors.filter((line) => line.startsWith('connect: '));
    const before = complaints().length;
    let isConnected = false;
    const connecting = bus('early').then((made) => ((isConnected = true), made));
    await until(() => complaints().length > before);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(isConnected).toBe(false);
    expect(complaints().length).toBe(before + 1);
    expect(complaints().at(-1)).toContain(`NATS at ${servers} does not answer`);
    server = startServer();
    expect((await connecting).isConnected).toBe(true);
  });

  it('G1–G3: signals are dropped while there is no server, heard once there is one, and the wait for one ends with close', async () => {
    const onError = (): void => undefined;
    const lost = new SignalBus({ servers: 'nats://127.0.0.1:1', name: 'lost', onError });
    lost.signal(happened, { n: 1 });
    await lost.close();
    const ended = new Promise((resolve) => server.once('exit', resolve));
    server.kill('SIGKILL');
    await ended;
    const options = { servers, token: 'secret', onError };
    const [speaker, listener] = [
      new SignalBus({ ...options, name: 'speaker' }),
      new SignalBus({ ...options, name: 'listener' }),
    ];
    const heard = new Set<number>();
    listener.onSignal(happened, ({ n }) => void heard.add(n));
    speaker.signal(happened, { n: 1 });
    server = startServer();
    await until(() => {
      speaker.signal(happened, { n: 2 });
      return heard.has(2);
    });
    listener.onSignal(happened, ({ n }) => void heard.add(-n));
    await until(() => {
      speaker.signal(happened, { n: 3 });
      return heard.has(-3);
    });
    expect(heard.has(1)).toBe(false);
    await Promise.all([speaker.close(), listener.close()]);
  });

  it('M2, M3: an event is stored once an id, and comes again until its handler succeeds', async () => {
    const [publisher, consumer] = [await bus('publisher'), await bus('consumer')];
    await publisher.publish(happened, { n: 1 }, { id: 'a' });
    await publisher.publish(happened, { n: 1 }, { id: 'a' });
    await publisher.publish(happened, { n: 2 }, { id: 'b' });
    const seen: string[] = [];
    let failures = 1;
    await consumer.consume(happened, {
      durable: 'reader',
      handler: async ({ n }, { id }) => {
        seen.push(`${id}${n}`);
        if (n === 1 && failures-- > 0) throw new Error('not now');
      },
    });
    await until(() => seen.includes('b2'));
    expect(seen).toEqual(['a1', 'a1', 'b2']);
    expect(errors.some((line) => line.includes('not now'))).toBe(true);
  });

  it('M5: a signal reaches those who listen now', async () => {
    const [sender, listener] = [await bus('sender'), await bus('listener')];
    const got: number[] = [];
    listener.onSignal(happened, ({ n }) => got.push(n));
    await until(() => {
      sender.signal(happened, { n: 7 });
      return got.includes(7);
    });
  });
});

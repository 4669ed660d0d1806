import { Clock, Random, Refusal, Unavailable } from '@neon/kernel';
import { z } from 'zod';
import { CommandHandler } from './command-handler';
import type { Decider } from './decider';
import { type EventStore, type RecordedEvent, VersionConflict } from './event-store';
import { eventStoreContract } from './event-store.contract';
import { given } from './given';
import { MemoryEventStore } from './memory-event-store';
import { MemoryCheckpointStore, ProjectionRunner } from './projection';

const Opened = z.object({ type: z.literal('Opened'), limit: z.number() });
const Deposited = z.object({ type: z.literal('Deposited'), amount: z.number() });
const PurseEvent = z.discriminatedUnion('type', [Opened, Deposited]);
type PurseEvent = z.infer<typeof PurseEvent>;
type PurseCommand = { type: 'Open'; limit: number } | { type: 'Deposit'; amount: number };
interface Purse {
  limit: number;
  sum: number;
}

const purse: Decider<Purse | null, PurseCommand, PurseEvent> = {
  kind: 'purse',
  initial: null,
  event: PurseEvent,
  decide(command, state) {
    if (command.type === 'Open') return state === null ? [{ type: 'Opened', limit: command.limit }] : [];
    if (state === null) throw new Refusal('PurseNotFound');
    if (state.sum + command.amount > state.limit) throw new Refusal('PurseFull');
    return [{ type: 'Deposited', amount: command.amount }];
  },
  evolve: (state, event) =>
    event.type === 'Opened'
      ? { limit: event.limit, sum: 0 }
      : { limit: state?.limit ?? 0, sum: (state?.sum ?? 0) + event.amount },
};

class TestClock extends Clock {
  override now = () => 42;
}
class TestRandom extends Random {
  private next = 0;
  override bytes = (count: number) => Uint8Array.from({ length: count }, () => this.next++ % 251);
}
const handlerOf = (store: EventStore) =>
  new CommandHandler(store, { clock: new TestClock(), random: new TestRandom() });
const origin = { actor: 'test' };
const opened: PurseEvent = { type: 'Opened', limit: 10 };

describe('the memory store', () => {
  const store = new MemoryEventStore();
  eventStoreContract(() => store);
});

describe('given, when, then', () => {
  it('accepts what is decided and refuses everything else', () => {
    const full = given(purse, opened, { type: 'Deposited', amount: 9 }).when({ type: 'Deposit', amount: 2 });
    full.refused('PurseFull');
    expect(() => full.then()).toThrow('PurseFull');
    const deposit = given(purse, opened).when({ type: 'Deposit', amount: 2 });
    deposit.then({ type: 'Deposited', amount: 2 });
    expect(() => deposit.then({ type: 'Deposited', amount: 3 })).toThrow('expected');
    expect(() => deposit.refused('PurseFull')).toThrow('not refused');
  });
});

describe('the command handler', () => {
  const open = (id: string) => (unit: Parameters<Parameters<CommandHandler['execute']>[1]>[0]) =>
    unit.decide(purse, id, { type: 'Open', limit: 10 });

  it('H1: appends the events of several streams together', async () => {
    const store = new MemoryEventStore();
    const handler = handlerOf(store);
    const commits: number[] = [];
    handler.onCommit((position) => commits.push(position));
    await handler.execute(origin, async (unit) => {
      await open('a')(unit);
      await open('b')(unit);
      await unit.decide(purse, 'a', { type: 'Deposit', amount: 3 });
    });
    expect((await store.readAll(0, 9)).map(({ stream, type }) => [stream, type])).toEqual([
      ['purse/a', 'Opened'],
      ['purse/a', 'Deposited'],
      ['purse/b', 'Opened'],
    ]);
    expect(commits).toEqual([3]);
    await expect(
      handler.execute(origin, async (unit) => {
        await unit.decide(purse, 'b', { type: 'Deposit', amount: 3 });
        await unit.decide(purse, 'a', { type: 'Deposit', amount: 30 });
      }),
    ).rejects.toMatchObject({ code: 'PurseFull' });
    expect(await handler.state(purse, 'b')).toEqual({ limit: 10, sum: 0 });
  });

  it('H2, H3: two handlers with states of their own never exceed the limit and never refuse in error', async () => {
    const store = new MemoryEventStore();
    const handlers = [handlerOf(store), handlerOf(store)] as const;
    await handlers[0].execute(origin, open('a'));
    await handlers[1].state(purse, 'a');
    const deposits = Array.from({ length: 12 }, (_, index) =>
      (index % 2 === 0 ? handlers[0] : handlers[1]).execute(origin, (unit) =>
        unit.decide(purse, 'a', { type: 'Deposit', amount: 1 }),
      ),
    );
    const results = await Promise.allSettled(deposits);
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(10);
    for (const result of results)
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'PurseFull' });
    expect(await handlers[1].state(purse, 'a')).toEqual({ limit: 10, sum: 10 });
  });

  it('H2: gives up on a stream that always changes', async () => {
    class Contended extends MemoryEventStore {
      override append = () => Promise.reject(new VersionConflict('purse/a'));
    }
    await expect(handlerOf(new Contended()).execute(origin, open('a'))).rejects.toThrow(Unavailable);
  });

  it('H4: does not append again when it cannot know whether it did', async () => {
    class Forgetful extends MemoryEventStore {
      override async append(appends: Parameters<MemoryEventStore['append']>[0]): Promise<number> {
        await super.append(appends);
        throw new Unavailable('the connection was lost');
      }
    }
    const store = new Forgetful();
    const handler = handlerOf(store);
    await expect(handler.execute(origin, open('a'))).rejects.toThrow('lost');
    await handler.state(purse, 'a');
    await expect(
      handler.execute(origin, (unit) => unit.decide(purse, 'a', { type: 'Deposit', amount: 1 })),
    ).rejects.toThrow('lost');
    expect(await handler.state(purse, 'a')).toEqual({ limit: 10, sum: 1 });
  });

  it('refuses to guess at an event it does not know', async () => {
    const store = new MemoryEventStore();
    const metadata = { at: 0, actor: 'test' };
    await store.append([
      {
        stream: 'purse/a',
        expectedVersion: 0,
        events: [{ id: 'x', type: 'Stolen', schemaVersion: 1, payload: {}, metadata }],
      },
    ]);
    await expect(handlerOf(store).state(purse, 'a')).rejects.toThrow('event Stolen at purse/a:1 cannot be read');
  });
});

describe('a projection', () => {
  it('P1–P3: applies each event once, in order, continues where it stopped, and can be rebuilt', async () => {
    const store = new MemoryEventStore();
    const handler = handlerOf(store);
    let seen: number[] = [];
    let broken = false;
    const projection = {
      name: 'seen',
      apply: (event: RecordedEvent) => {
        if (broken) return Promise.reject(new Unavailable('no disk'));
        seen.push(event.position);
        return Promise.resolve();
      },
      clear: () => {
        seen = [];
        return Promise.resolve();
      },
    };
    const runner = new ProjectionRunner(projection, store, new MemoryCheckpointStore(null));
    await handler.execute(origin, (unit) => unit.decide(purse, 'a', { type: 'Open', limit: 500 }));
    broken = true;
    await expect(runner.catchUp()).rejects.toThrow('no disk');
    broken = false;
    for (let count = 0; count < 300; count++)
      await handler.execute(origin, (unit) => unit.decide(purse, 'a', { type: 'Deposit', amount: 1 }));
    await Promise.all([runner.catchUp(), runner.catchUp(), runner.waitFor(301)]);
    const all = Array.from({ length: 301 }, (_, index) => index + 1);
    expect(seen).toEqual(all);
    await runner.rebuild();
    expect(seen).toEqual(all);
  });
});

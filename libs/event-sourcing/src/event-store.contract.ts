/** What every event store must do, as tests: called by the spec of each store. */
import { EventStore, type NewEvent, VersionConflict } from './event-store';

let counter = 0;
const event = (type: string, payload: Record<string, unknown> = {}): NewEvent => ({
  id: `00000000-0000-4000-8000-${(++counter).toString(16).padStart(12, '0')}`,
  type,
  schemaVersion: 1,
  payload,
  metadata: { at: 1_700_000_000_000, actor: 'test' },
});

export function eventStoreContract(open: () => EventStore): void {
  let stream: string;
  beforeEach(() => {
    stream = `thing/${++counter}`;
  });
  const append = (expectedVersion: number, ...events: NewEvent[]) =>
    open().append([{ stream, expectedVersion, events }]);

  it('S2: gives back what was appended, in order, with versions from 1', async () => {
    await append(0, event('Made', { name: 'a', nested: { list: [1, null, 'x'] } }), event('Named'));
    await append(2, event('Gone'));
    const events = await open().readStream(stream);
    expect(events.map(({ type, version }) => [type, version])).toEqual([
      ['Made', 1],
      ['Named', 2],
      ['Gone', 3],
    ]);
    expect(events[0]).toMatchObject({
      stream,
      schemaVersion: 1,
      payload: { name: 'a', nested: { list: [1, null, 'x'] } },
      metadata: { at: 1_700_000_000_000, actor: 'test' },
    });
    expect((await open().readStream(stream, 2)).map(({ type }) => type)).toEqual(['Gone']);
  });

  it('S1: refuses an append at a version that has passed or is yet to come', async () => {
    await append(0, event('Made'));
    await expect(append(0, event('Made'))).rejects.toThrow(VersionConflict);
    await expect(append(2, event('Late'))).rejects.toThrow(VersionConflict);
    expect(await open().readStream(stream)).toHaveLength(1);
  });

  it('S1: appends to all streams or to none, and checks those it only read', async () => {
    await append(0, event('Made'));
    const other = `${stream}-other`;
    const both = (expectedVersion: number) => [
      { stream: other, expectedVersion: 0, events: [event('Made')] },
      { stream, expectedVersion, events: [] },
    ];
    await expect(open().append(both(0))).rejects.toThrow(VersionConflict);
    expect(await open().readStream(other)).toEqual([]);
    await open().append(both(1));
    expect(await open().readStream(other)).toHaveLength(1);
  });

  it('S1: lets exactly one of many appends at one version through', async () => {
    const results = await Promise.allSettled(Array.from({ length: 10 }, () => append(0, event('Made'))));
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(await open().readStream(stream)).toHaveLength(1);
  });

  it('S3: shows a reader who follows the positions every event, in order', async () => {
    const streams = Array.from({ length: 5 }, (_, index) => `${stream}-${index}`);
    const seen: number[] = [];
    let position = (await open().readAll(0, 1_000_000)).at(-1)?.position ?? 0;
    let writing = true;
    const writers = streams.map(async (each) => {
      for (let version = 0; version < 20; version++)
        await open().append([{ stream: each, expectedVersion: version, events: [event('Ticked')] }]);
    });
    const reader = (async () => {
      for (let last = false; !last;) {
        last = !writing;
        for (const found of await open().readAll(position, 7)) {
          seen.push(found.position);
          position = found.position;
          last = false;
        }
      }
    })();
    await Promise.all(writers);
    writing = false;
    await reader;
    expect(seen).toHaveLength(100);
    expect([...seen].sort((a, b) => a - b)).toEqual(seen);
  });
}

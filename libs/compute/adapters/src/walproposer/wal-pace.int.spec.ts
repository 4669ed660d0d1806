/** The pace of WAL over an arena file of the spec's own, with positions that the spec sets. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DEFAULT_LIMITS, type WalPositions, walDelay } from '@neon/compute-core';
import { Lsn, Unavailable } from '@neon/kernel';
import { pino } from 'pino';
import { WAL_DELAY_OFFSET, writeArena } from '../pages/arena';
import { WalPace } from './wal-pace';

const START = Lsn.of(2 ** 32);
const MEBIBYTE = 1024 * 1024;
const CALM: WalPositions = { writtenLsn: START, receivedLsn: START, durableLsn: START, fullness: 0 };

let directory: string;
let arena: string;
let pace: WalPace | undefined;
let lines: { level: string; msg: string; cause: string; ingestLagBytes: number; fullness: number }[];
let source: { positions: WalPositions; uncommittedBytes: number };
let names: string[];
let askedLsn: Promise<Lsn>;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'neon-pace-'));
  arena = join(directory, 'arena');
  await writeArena(arena, []);
  source = { positions: CALM, uncommittedBytes: 0 };
  [lines, names] = [[], []];
  askedLsn = Promise.resolve(START);
});
afterEach(() => {
  pace?.close();
  rmSync(directory, { recursive: true });
});

function open(): WalPace {
  const log = pino(
    { formatters: { level: (level) => ({ level }) } },
    { write: (line: string) => lines.push(JSON.parse(line) as (typeof lines)[number]) },
  );
  const postgres = {
    writtenLsn: () => askedLsn,
    show: (name: string) => {
      names.push(name);
      return Promise.resolve();
    },
  };
  return (pace = new WalPace({ arena, limits: DEFAULT_LIMITS, source, postgres, log }));
}

const delayInArena = (): number => readFileSync(arena).readUInt32LE(WAL_DELAY_OFFSET);
async function until(holds: () => boolean): Promise<void> {
  for (let attempt = 0; !holds(); attempt++) {
    if (attempt > 3000) throw new Error('it did not happen in time');
    await sleep(20);
  }
}

it('puts into the arena what the pressure asks for, and takes it out again (WP1)', async () => {
  open();
  await sleep(150);
  expect(delayInArena()).toBe(0);
  for (const lag of [375, 500, 5_000]) {
    source.positions = { ...CALM, writtenLsn: Lsn.advance(START, lag * MEBIBYTE) };
    await until(() => delayInArena() === walDelay(lag / 500));
    expect(pace).toMatchObject({ isDelaying: true, lagBytes: lag * MEBIBYTE, pressureRatio: lag / 500 });
  }
  source.positions = CALM;
  await until(() => delayInArena() === 0);
  expect(pace).toMatchObject({ isDelaying: false, lagBytes: 0, pressureRatio: 0 });
});

it('logs the beginning and the end of it once, though it comes and goes (WP2, WP3)', async () => {
  open();
  const behind = { ...CALM, writtenLsn: Lsn.advance(START, 400 * MEBIBYTE) };
  for (let round = 0; round < 3; round++) {
    source.positions = behind;
    await until(() => delayInArena() > 0);
    source.positions = CALM;
    await until(() => delayInArena() === 0);
  }
  expect(lines).toMatchObject([
    {
      level: 'warn',
      msg: 'writing of WAL is slowed down',
      cause: 'pageserver ingest',
      ingestLagBytes: 400 * MEBIBYTE,
    },
  ]);
  await until(() => lines.length > 1);
  expect(lines[1]).toMatchObject({ level: 'info', msg: 'writing of WAL is no longer slowed down', ingestLagBytes: 0 });
  expect(names).toEqual(['neon-agent: WAL slowed down, pageserver ingest behind', 'neon-agent']);
});

it('reports a quorum that takes no WAL as an error, once (WP2, WP3)', async () => {
  open();
  source.positions = { ...CALM, fullness: 100 };
  await until(() => lines.some(({ level }) => level === 'error'));
  await sleep(300);
  source.positions = CALM;
  await until(() => lines.some(({ msg }) => msg === 'a quorum of safekeepers takes WAL again'));
  expect(lines.filter(({ level }) => level === 'error')).toMatchObject([
    { msg: 'no quorum of safekeepers takes WAL: commits wait', fullness: 100 },
  ]);
  expect(names[0]).toBe('neon-agent: commits wait for safekeepers');
});

it('asks Postgres itself while WAL waits for its quorum, and lives with a session that does not answer', async () => {
  askedLsn = Promise.reject(new Unavailable('no session'));
  askedLsn.catch(() => undefined);
  open();
  source.uncommittedBytes = 1;
  await sleep(300);
  expect(delayInArena()).toBe(0);
  askedLsn = Promise.resolve(Lsn.advance(START, 500 * MEBIBYTE));
  await until(() => delayInArena() === walDelay(1));
});

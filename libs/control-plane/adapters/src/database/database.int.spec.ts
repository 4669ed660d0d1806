import { MemoryEventStore, ProjectionRunner, type RecordedEvent, eventStoreContract } from '@neon/event-sourcing';
import { Corrupt } from '@neon/kernel';
import { Client } from 'pg';
import { ApiKeys } from '../keys/api-keys';
import { SystemClock, SystemRandom } from '../ambient/ambient';
import { SecretBox } from '../secrets/secret-box';
import { SealedPasswords } from '../secrets/sealed-passwords';
import { type Database, type Transaction, openDatabase } from './database';
import { migrate, readMigrations } from './migrations';
import { persist } from './persist';
import { PrismaCheckpointStore } from './prisma-checkpoint-store';
import { PrismaEventStore } from './prisma-event-store';
import { type TestPostgres, startTestPostgres } from './test-postgres';

let postgres: TestPostgres;
let database: Database;
const migrations = readMigrations(__dirname);

beforeAll(async () => {
  postgres = await startTestPostgres();
  await migrate(postgres.url, migrations);
  database = openDatabase(postgres.url);
});
afterAll(async () => {
  await database.$disconnect();
  await postgres.stop();
});

describe('migrations', () => {
  it('M1, M4: are applied once, however many processes boot at once', async () => {
    const client = new Client({ connectionString: postgres.url });
    await client.connect();
    await client.query('CREATE DATABASE booted');
    await client.end();
    const url = postgres.url.replace(/postgres$/, 'booted');
    const applied = await Promise.all([1, 2, 3].map(() => migrate(url, migrations)));
    expect(applied.flat().sort()).toEqual(migrations.map(({ name }) => name));
  });

  it('M3: refuse a file that changed after it was applied', async () => {
    const edited = migrations.map(({ name, sql }) => ({ name, sql: `${sql}-- edited` }));
    await expect(migrate(postgres.url, edited)).rejects.toThrow('was changed after it was applied');
  });

  it('M1: leave nothing of one that fails', async () => {
    const broken = { name: '29991231000000_broken', sql: 'CREATE TABLE half (); SELECT 1/0' };
    await expect(migrate(postgres.url, [...migrations, broken])).rejects.toThrow('division by zero');
    const found = await database.$queryRaw<unknown[]>`SELECT FROM pg_class WHERE relname = 'half'`;
    expect(found).toEqual([]);
    expect(await migrate(postgres.url, migrations)).toEqual([]);
  });

  it('M5: outlive a database that ends their session', async () => {
    const other = new Client({ connectionString: postgres.url });
    await other.connect();
    await other.query('SELECT pg_advisory_lock(72707369)');
    const migrating = migrate(postgres.url, migrations);
    const waiting = "FROM pg_stat_activity WHERE wait_event = 'advisory'";
    for (let ended = 0; ended < 2;)
      ended += (await other.query(`SELECT pg_terminate_backend(pid) ${waiting}`)).rowCount ?? 0;
    await other.end();
    expect(await migrating).toEqual([]);
  });
});

describe('work at the start', () => {
  it('is done again until the database is there', async () => {
    let attempts = 0;
    const work = async (): Promise<number> => {
      if (++attempts < 3) await database.$executeRaw`SELECT pg_terminate_backend(pg_backend_pid())`;
      return attempts;
    };
    expect(await persist(work)).toBe(3);
  });

  it('is not repeated when it found something corrupt', async () => {
    let attempts = 0;
    const work = (): Promise<void> => Promise.reject(new Corrupt(`attempt ${++attempts}`));
    await expect(persist(work)).rejects.toThrow('attempt 1');
  });
});

describe('the event store in Postgres', () => {
  eventStoreContract(() => new PrismaEventStore(database));

  it('S4: lets nobody change an event', async () => {
    const store = new PrismaEventStore(database);
    const metadata = { at: 0, actor: 'test' };
    const event = { id: crypto.randomUUID(), type: 'Made', schemaVersion: 1, payload: {}, metadata };
    await store.append([{ stream: 'thing/final', expectedVersion: 0, events: [event] }]);
    await expect(database.$executeRaw`UPDATE events SET type = 'Forged'`).rejects.toThrow('never changed');
    await expect(database.$executeRaw`DELETE FROM events`).rejects.toThrow('never changed');
  });
});

describe('checkpoints in Postgres', () => {
  it('P1: an event is applied once by many runners, and not at all when its transaction fails', async () => {
    const store = new MemoryEventStore();
    const metadata = { at: 0, actor: 'test' };
    for (let version = 0; version < 30; version++) {
      const event = { id: `${version}`, type: 'Made', schemaVersion: 1, payload: {}, metadata };
      await store.append([{ stream: 'thing/1', expectedVersion: version, events: [event] }]);
    }
    let failures = 1;
    const projection = {
      name: 'keys',
      async apply({ position }: RecordedEvent, tables: Transaction) {
        await tables.apiKey.create({ data: { name: 'applied', hash: Uint8Array.of(position) } });
        if (position === 20 && failures-- > 0) throw new Error('crash');
      },
      clear: async (tables: Transaction) => void (await tables.apiKey.deleteMany({ where: { name: 'applied' } })),
    };
    const runners = [1, 2].map(() => new ProjectionRunner(projection, store, new PrismaCheckpointStore(database)));
    await expect(runners[0]?.catchUp()).rejects.toThrow('crash');
    expect(await database.apiKey.count({ where: { name: 'applied' } })).toBe(0);
    await Promise.all(runners.map((runner) => runner.catchUp()));
    expect(await database.apiKey.count({ where: { name: 'applied' } })).toBe(30);
    await runners[1]?.rebuild();
    expect(await database.apiKey.count({ where: { name: 'applied' } })).toBe(30);
  });
});

describe('secrets', () => {
  it('a password is kept sealed and revealed with the right key alone', async () => {
    const passwords = new SealedPasswords(database, new SecretBox('ab'.repeat(32)));
    const { verifier, secretId } = await passwords.keep('npg_s3cret', true);
    expect(verifier).toMatch(/^SCRAM-SHA-256\$4096:[\w+/=]{24}\$[\w+/=]{44}:[\w+/=]{44}$/);
    if (secretId === null) throw new Error('not kept');
    expect(await passwords.reveal(secretId)).toBe('npg_s3cret');
    const row = await database.secret.findUniqueOrThrow({ where: { id: secretId } });
    expect(Buffer.from(row.ciphertext).includes('s3cret')).toBe(false);
    const other = new SealedPasswords(database, new SecretBox('cd'.repeat(32)));
    await expect(other.reveal(secretId)).rejects.toThrow('does not open');
    expect(await passwords.keep('npg_s3cret', false)).toMatchObject({ secretId: null });
  });

  it("a verifier is one that Postgres accepts as its own, and that lets the password's holder in", async () => {
    const { verifier } = await new SealedPasswords(database, new SecretBox('ab'.repeat(32))).keep('npg_s3cret', false);
    await database.$executeRawUnsafe(`CREATE ROLE guest LOGIN PASSWORD '${verifier}'`);
    const url = new URL(postgres.url);
    url.username = 'guest';
    url.password = 'npg_s3cret';
    const client = new Client({ connectionString: url.href });
    await client.connect();
    await client.end();
  });
});

describe('API keys', () => {
  it('K1, K2: open what they should, are listed without themselves, and are revoked at once', async () => {
    const keys = new ApiKeys(database, { clock: new SystemClock(), random: new SystemRandom() });
    await keys.ensure('first-key', 'bootstrap');
    await keys.ensure('first-key', 'bootstrap');
    const { key, row } = await keys.create('mine');
    expect(key).toMatch(/^[a-z0-9]{64}$/);
    expect(await keys.verify(key, '10.0.0.1')).toMatchObject({ id: row.id, name: 'mine' });
    const named = (await keys.list()).filter(({ name }) => name !== 'applied');
    expect(named.map(({ name, lastUsedFromAddr }) => [name, lastUsedFromAddr])).toEqual([
      ['mine', '10.0.0.1'],
      ['bootstrap', ''],
    ]);
    await keys.revoke(row.id);
    await expect(keys.verify(key, '')).rejects.toMatchObject({ code: 'Unauthorized' });
    await expect(keys.revoke(row.id)).rejects.toMatchObject({ code: 'ApiKeyNotFound' });
    await expect(keys.verify('wrong', '')).rejects.toMatchObject({ code: 'Unauthorized' });
  });
});

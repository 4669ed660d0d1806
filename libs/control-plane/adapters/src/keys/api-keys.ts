/**
 * API keys.
 *
 *   K1  A key is shown once; its SHA-256 is kept. A key has 300 bits of chance, so the hash needs no salt and no stretching.
 *   K2  A revoked key opens nothing from the next request on.
 *   K3  The use of a key is noted at most once a minute: its time is for people, not for accounting.
 */
import { newApiKey } from '@neon/control-plane-core';
import { type Clock, type Random, Refusal } from '@neon/kernel';
import { createHash } from 'node:crypto';
import type { ApiKey } from '../generated/prisma/client';
import type { Database } from '../database/database';
import { unavailable } from '../database/unavailable';

export type { ApiKey };

const NOTED_EVERY_MS = 60_000;

export class ApiKeys {
  constructor(
    private readonly database: Database,
    private readonly ambient: { readonly clock: Clock; readonly random: Random },
  ) {}

  /** Makes `key` valid, once: how an installation gets its first one. */
  async ensure(key: string, name: string): Promise<void> {
    await unavailable(
      this.database.apiKey.upsert({ where: { hash: hashOf(key) }, create: { name, hash: hashOf(key) }, update: {} }),
    );
  }

  async create(name: string): Promise<{ readonly key: string; readonly row: ApiKey }> {
    const key = newApiKey(this.ambient.random);
    return { key, row: await unavailable(this.database.apiKey.create({ data: { name, hash: hashOf(key) } })) };
  }

  /** Newest first. */
  list(): Promise<ApiKey[]> {
    return unavailable(this.database.apiKey.findMany({ where: { revokedAt: null }, orderBy: { id: 'desc' } }));
  }

  /** @throws Refusal `ApiKeyNotFound` */
  async revoke(id: number): Promise<ApiKey> {
    const row = await unavailable(this.database.apiKey.findUnique({ where: { id, revokedAt: null } }));
    if (row === null) throw new Refusal('ApiKeyNotFound', 'API key not found');
    const revokedAt = new Date(this.ambient.clock.now());
    return unavailable(this.database.apiKey.update({ where: { id }, data: { revokedAt } }));
  }

  /** @throws Refusal `Unauthorized` */
  async verify(key: string, address: string): Promise<ApiKey> {
    const row = await unavailable(this.database.apiKey.findUnique({ where: { hash: hashOf(key), revokedAt: null } }));
    if (row === null) throw new Refusal('Unauthorized', 'supplied credentials do not pass authentication');
    await this.note(row, address);
    return row;
  }

  /** K3 */
  private async note({ id, lastUsedAt }: ApiKey, address: string): Promise<void> {
    const now = this.ambient.clock.now();
    if (now - (lastUsedAt?.getTime() ?? 0) < NOTED_EVERY_MS) return;
    const data = { lastUsedAt: new Date(now), lastUsedFromAddr: address };
    await unavailable(this.database.apiKey.update({ where: { id }, data }));
  }
}

const hashOf = (key: string): Uint8Array<ArrayBuffer> => Uint8Array.from(createHash('sha256').update(key).digest());

/**
 * A safekeeper's data directory: whose it is, and that nobody else uses it.
 *
 *   DD1  Nothing in the directory is read or written before this process holds its lock: the recovery of a second process
 *        would cut WAL that the first one has acknowledged.
 *   DD2  An identity is made in a directory without timelines, and never in another: timelines without an identity are of
 *        an unknown safekeeper.
 */
import { randomUUID } from 'node:crypto';
import { mkdir, readFile, readdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { lockDirectory } from '@neon/directory-lock';
import { Corrupt, type SafekeeperId, TenantId } from '@neon/kernel';
import { type SafekeeperIdentity, decodeSafekeeperIdentity, encodeSafekeeperIdentity } from '@neon/safekeeper-core';
import { isMissing, nodeDisk } from './disk';
import { replaceFile, syncDirectory } from './durable-file';

export const IDENTITY_FILE = 'safekeeper.identity';

export interface DataDirectory {
  readonly identity: SafekeeperIdentity;
  /** When nothing in the directory is in use any more. */
  release(): Promise<void>;
}

/** @throws Refusal `DirectoryInUse`, Corrupt */
export async function openDataDirectory(path: string, id: SafekeeperId): Promise<DataDirectory> {
  await makeDirectory(resolve(path));
  const lock = await lockDirectory(path);
  try {
    const identity = (await readIdentity(path)) ?? (await makeIdentity(path, id));
    if (identity.id !== id) throw new Corrupt(`${path} belongs to safekeeper ${identity.id}, this is ${id}`);
    return { identity, release: () => lock.release() };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

async function readIdentity(path: string): Promise<SafekeeperIdentity | undefined> {
  try {
    return decodeSafekeeperIdentity(await readFile(join(path, IDENTITY_FILE)));
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** DD2. */
async function makeIdentity(path: string, id: SafekeeperId): Promise<SafekeeperIdentity> {
  if ((await readdir(path)).some(TenantId.is))
    throw new Corrupt(`${path} holds timelines, but no ${IDENTITY_FILE}: it is not known whose they are`);
  const identity = { id, incarnation: randomUUID() };
  await replaceFile(nodeDisk, join(path, IDENTITY_FILE), encodeSafekeeperIdentity(identity));
  return identity;
}

/** A directory is durable once each directory above it that did not exist is. */
async function makeDirectory(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  for (let made = path; made.length >= first.length; made = dirname(made)) await syncDirectory(nodeDisk, dirname(made));
}

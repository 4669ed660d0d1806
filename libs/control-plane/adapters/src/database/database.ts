/** The control plane's database, through Prisma. */
import { PrismaPg } from '@prisma/adapter-pg';
import { type Prisma, PrismaClient } from '../generated/prisma/client';

export type Database = PrismaClient;
/** A transaction of it. */
export type Transaction = Prisma.TransactionClient;
export type { Prisma };

/** Connections kept: appends are serial, the rest are short reads. */
const CONNECTIONS_MAX = 10;
const CONNECT_TIMEOUT_MS = 10_000;

export function openDatabase(url: string): Database {
  const adapter = new PrismaPg({
    connectionString: url,
    max: CONNECTIONS_MAX,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
  });
  return new PrismaClient({ adapter });
}

import { Unavailable } from '@neon/kernel';

/** What the database driver throws becomes `Unavailable`: a query of ours is never wrong by what a user sends. */
export async function unavailable<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    throw new Unavailable(`database: ${cause instanceof Error ? lastLine(cause.message) : String(cause)}`, { cause });
  }
}

/** Prisma quotes the calling source first and says what is wrong last. */
const lastLine = (message: string): string => message.trim().split('\n').at(-1)?.trim() ?? '';

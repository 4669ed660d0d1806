import { CheckpointStore } from '@neon/event-sourcing';
import type { Database, Transaction } from './database';
import { unavailable } from './unavailable';

/** A batch of events may take this long; the default of five seconds is short for a rebuild on a busy machine. */
const TRANSACTION_TIMEOUT_MS = 60_000;

/** Checkpoints as rows: the row's lock keeps two processes from applying the same events. */
export class PrismaCheckpointStore extends CheckpointStore<Transaction> {
  constructor(private readonly database: Database) {
    super();
  }

  override async advance(
    name: string,
    work: (checkpoint: number, transaction: Transaction) => Promise<number>,
  ): Promise<number> {
    await unavailable(this.database.$executeRaw`
      INSERT INTO checkpoints (name, position) VALUES (${name}, 0) ON CONFLICT (name) DO NOTHING`);
    return this.database.$transaction(
      async (transaction) => {
        const [row] = await transaction.$queryRaw<{ position: bigint }[]>`
          SELECT position FROM checkpoints WHERE name = ${name} FOR UPDATE`;
        const checkpoint = Number(row?.position ?? 0);
        const position = await work(checkpoint, transaction);
        if (position !== checkpoint)
          await transaction.checkpoint.update({ where: { name }, data: { position: BigInt(position) } });
        return position;
      },
      { timeout: TRANSACTION_TIMEOUT_MS },
    );
  }
}

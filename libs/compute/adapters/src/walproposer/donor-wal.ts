/**
 * WAL from before this compute's start, read from the safekeeper that has it, by the physical replication protocol: for
 * safekeepers that were down when their peers got it.
 */
import type { ComputeSpec } from '@neon/compute-contract';
import { Lsn, type SafekeeperId, type Term, Unavailable } from '@neon/kernel';
import type { SafekeeperAddresses } from './safekeeper-addresses';
import { WalsenderStream } from './walsender-stream';

export interface DonorRange {
  readonly startLsn: Lsn;
  readonly endLsn: Lsn;
  readonly donor: SafekeeperId;
  /** In which the donor follows us: then it also sends what is not committed yet. */
  readonly term: Term;
}

const TIMEOUT_MS = 5_000;

/** The range, whole. @throws Unavailable */
export async function readDonorWal(
  { spec, addresses }: { readonly spec: ComputeSpec; readonly addresses: SafekeeperAddresses },
  { startLsn, endLsn, donor, term }: DonorRange,
): Promise<Uint8Array> {
  const address = addresses.of(donor);
  if (address === undefined) throw new Unavailable(`it is not known where safekeeper ${donor} is`);
  const bytes = Buffer.alloc(endLsn - startLsn);
  let stream: WalsenderStream | undefined;
  let timer: NodeJS.Timeout | undefined;
  let isOver = false;
  try {
    await new Promise<void>((resolve, reject) => {
      timer = setTimeout(() => reject(new Unavailable(`safekeeper ${donor} sends no WAL`)), TIMEOUT_MS);
      WalsenderStream.open({
        address: { host: address.host, port: address.replicationPort },
        parameters: {
          user: 'walproposer',
          replication: 'true',
          application_name: 'walproposer',
          options: `tenant_id=${spec.tenantId} timeline_id=${spec.timelineId} term=${term}`,
        },
        password: spec.token,
        commands: [`START_REPLICATION PHYSICAL ${Lsn.format(startLsn)}`],
        tolerated: [],
        startLsn,
        durableLsn: Lsn.ZERO,
        onWal: (lsn, piece) => {
          bytes.set(piece.subarray(0, endLsn - lsn), lsn - startLsn);
          if (lsn + piece.length >= endLsn) resolve();
        },
        onEnd: (reason) => reject(new Unavailable(`safekeeper ${donor}: ${reason}`)),
      }).then((opened) => {
        stream = opened;
        // The donor would keep its WAL for whoever reads there.
        if (isOver) stream.close();
      }, reject);
    });
    return bytes;
  } finally {
    isOver = true;
    clearTimeout(timer);
    stream?.close();
  }
}

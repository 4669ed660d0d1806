/**
 * Another safekeeper, asked over its management API (`Donor`).
 *
 *   HD1  What is no whole answer of a safekeeper is `Unavailable`; what it refuses is told with its own words.
 */
import { type DurableAcceptorState, MemberRecord, MembershipRecord, TermHistory } from '@neon/consensus';
import {
  Lsn,
  Refusal,
  SafekeeperId,
  SystemId,
  TenantId,
  Term,
  TimelineId,
  Unavailable,
  fetchFailureReason,
} from '@neon/kernel';
import { TimelineDetail, WalDigest } from '@neon/safekeeper-contract';
import { Donor, type DonorLog, type LogRange, type TimelineKey } from '@neon/safekeeper-core';
import { z } from 'zod';

export interface DonorAddress {
  readonly safekeeperId: number;
  readonly host: string;
  readonly httpPort: number;
}

/** A digest reads a segment, perhaps from a slow disk. */
const TIMEOUT_MS = 60_000;
const ErrorBody = z.object({ code: z.string(), message: z.string() });

export class HttpDonor extends Donor {
  /** @param token a service token of scope `storage` */
  constructor(
    private readonly key: TimelineKey,
    private readonly address: DonorAddress,
    private readonly token: string,
  ) {
    super();
  }

  override async describe(): Promise<DonorLog> {
    const detail = TimelineDetail.safeParse(await json(await this.get('')));
    if (!detail.success) throw this.unavailable('its answer does not fit the contract');
    try {
      return logOf(this.address.safekeeperId, detail.data);
    } catch (cause) {
      throw this.unavailable('its answer does not fit the contract', cause);
    }
  }

  override async read(range: LogRange, term?: Term): Promise<Uint8Array> {
    const bytes = new Uint8Array(await bodyOf(await this.get(`/wal?${queryOf(range, term)}`)));
    if (bytes.length === 0 || bytes.length > range.endLsn - range.startLsn)
      throw this.unavailable(`${bytes.length} bytes of WAL came where ${range.endLsn - range.startLsn} were due`);
    return bytes;
  }

  override async digest(range: LogRange, term: Term): Promise<string> {
    const digest = WalDigest.safeParse(await json(await this.get(`/digest?${queryOf(range, term)}`)));
    if (!digest.success) throw this.unavailable('its answer does not fit the contract');
    return digest.data.sha256;
  }

  private async get(path: string): Promise<Response> {
    const { tenantId, timelineId } = this.key;
    const url = `http://${this.address.host}:${this.address.httpPort}/v1/tenants/${tenantId}/timelines/${timelineId}${path}`;
    let response: Response;
    try {
      response = await fetch(url, {
        headers: { authorization: `Bearer ${this.token}` },
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
    } catch (cause) {
      throw this.unavailable(fetchFailureReason(cause), cause);
    }
    if (response.ok) return response;
    const error = ErrorBody.safeParse(await json(response).catch(() => null));
    const message = `${response.status} ${error.data?.message ?? ''}`;
    if (response.status >= 500 || error.data === undefined) throw this.unavailable(message);
    throw new Refusal('DonorRefused', `safekeeper ${this.address.safekeeperId}: ${message}`, { code: error.data.code });
  }

  private unavailable(reason: string, cause?: unknown): Unavailable {
    return new Unavailable(`safekeeper ${this.address.safekeeperId}: ${reason}`, { cause });
  }
}

/** @throws SyntaxError, RangeError for what the schema lets pass and cannot be */
function logOf(safekeeperId: number, detail: TimelineDetail): DonorLog {
  const { pgMajor, walSegmentSize, incarnation, term, termHistory, commitLsn, truncateLsn } = detail;
  const control: DurableAcceptorState = {
    safekeeperId: SafekeeperId.of(safekeeperId),
    identity: {
      tenantId: TenantId.parse(detail.tenantId),
      timelineId: TimelineId.parse(detail.timelineId),
      pgMajor,
      systemId: SystemId.parse(detail.systemId),
      walSegmentSize,
    },
    membership: MembershipRecord.parse(detail.membership),
    term: Term.of(term),
    termHistory: TermHistory.of(
      termHistory.map((entry) => ({ term: Term.of(entry.term), startLsn: Lsn.parse(entry.startLsn) })),
    ),
    commitLsn: Lsn.parse(commitLsn),
    truncateLsn: Lsn.parse(truncateLsn),
  };
  return {
    member: MemberRecord.parse({ safekeeperId, incarnation }),
    control,
    trimmedLsn: Lsn.parse(detail.trimmedLsn),
    flushLsn: Lsn.parse(detail.flushLsn),
  };
}

const queryOf = ({ startLsn, endLsn }: LogRange, term: Term | undefined): string =>
  new URLSearchParams({
    from: Lsn.format(startLsn),
    to: Lsn.format(endLsn),
    ...(term === undefined ? {} : { term: String(term) }),
  }).toString();

/** @throws Unavailable when the connection ends in the middle */
async function bodyOf(response: Response): Promise<ArrayBuffer> {
  try {
    return await response.arrayBuffer();
  } catch (cause) {
    throw new Unavailable(`the answer broke off: ${fetchFailureReason(cause)}`, { cause });
  }
}

async function json(response: Response): Promise<unknown> {
  const text = Buffer.from(await bodyOf(response)).toString();
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Unavailable('the answer is not JSON', { cause });
  }
}

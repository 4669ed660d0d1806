/**
 * The few messages of Postgres' streaming replication that a WAL source sends and reads (protocol-replication).
 *
 *   RP1  Commands and options that are not understood are refused by name; none is guessed.
 */
import { ByteReader, ByteWriter, Lsn, Refusal, TenantId, Term, TimelineId } from '@neon/kernel';
import { encodeMessage } from '@neon/postgres';

export interface ReplicationTarget {
  readonly tenantId: TenantId;
  readonly timelineId: TimelineId;
  /** With a term, WAL flows up to `flushLsn` while the term lasts: a leader reads its donor. */
  readonly term: Term | undefined;
  readonly name: string;
}

export type ReplicationCommand =
  | { readonly kind: 'identifySystem' }
  | { readonly kind: 'show'; readonly parameter: string }
  | { readonly kind: 'startReplication'; readonly startLsn: Lsn };

export interface StandbyStatus {
  readonly writeLsn: Lsn;
  readonly flushLsn: Lsn;
  readonly applyLsn: Lsn;
  readonly wantsReply: boolean;
}

/** Microseconds from the Unix epoch to Postgres' own, 2000-01-01. */
const POSTGRES_EPOCH_MS = Date.UTC(2000, 0, 1);

const TEXT_OID = 25;
const INT4_OID = 23;
const encoder = new TextEncoder();

/**
 * From the startup parameter `options`: `tenant_id=… timeline_id=… [term=…]`, each word bare or behind `-c`.
 *
 * @throws Refusal
 */
export function parseTarget(parameters: ReadonlyMap<string, string>): ReplicationTarget {
  const settings = new Map<string, string>();
  for (const word of (parameters.get('options') ?? '').split(/\s+/)) {
    const match = /^(?:-c)?([a-z_.]+)=(.*)$/.exec(word);
    if (match?.[1] !== undefined && match[2] !== undefined) settings.set(match[1], match[2]);
  }
  const term = settings.get('term');
  requirePhysical(parameters.get('replication'));
  try {
    return {
      tenantId: TenantId.parse(settings.get('tenant_id') ?? ''),
      timelineId: TimelineId.parse(settings.get('timeline_id') ?? ''),
      term: term === undefined ? undefined : Term.of(Number(term)),
      name: (parameters.get('application_name') ?? 'unnamed').slice(0, 64),
    };
  } catch (cause) {
    throw new Refusal('MalformedOptions', `options must name tenant_id and timeline_id: ${String(cause)}`);
  }
}

const YES = ['true', 'on', 'yes', '1'];

/** A client that does not replicate is told where it is; one that decodes needs a Postgres. */
function requirePhysical(replication: string | undefined): void {
  if (replication === 'database')
    throw new Refusal('NotHere', 'a safekeeper sends WAL as it is: for logical replication connect to the compute');
  if (replication === undefined || !YES.includes(replication.toLowerCase()))
    throw new Refusal('MalformedOptions', 'this is a safekeeper, which serves WAL: connect with replication=true');
}

/** Commands of Postgres' protocol that a safekeeper cannot do, and what to do instead. */
const NOT_HERE: readonly (readonly [RegExp, string])[] = [
  [/^BASE_BACKUP\b/i, 'a safekeeper has WAL and no data files: take the base backup from a Postgres of this timeline'],
  [/^(CREATE|DROP|ALTER|READ)_REPLICATION_SLOT\b/i, 'a safekeeper has no replication slots: replicate without one'],
  [/^START_REPLICATION\b.*\bLOGICAL\b/i, 'a safekeeper sends WAL as it is: decode it at the compute'],
  [/^TIMELINE_HISTORY\b/i, 'a safekeeper has timeline 1 of Postgres alone, which has no history file'],
];

/** @throws Refusal */
export function parseCommand(text: string): ReplicationCommand {
  const command = text.trim().replace(/;$/, '').trim();
  if (/^IDENTIFY_SYSTEM$/i.test(command)) return { kind: 'identifySystem' };
  const show = /^SHOW\s+([a-z_.]+)$/i.exec(command);
  if (show?.[1] !== undefined) return { kind: 'show', parameter: show[1].toLowerCase() };
  const start =
    /^START_REPLICATION(?:\s+SLOT\s+\S+)?(?:\s+PHYSICAL)?\s+([0-9A-F]{1,8}\/[0-9A-F]{1,8})(?:\s+TIMELINE\s+(\d+))?$/i.exec(
      command,
    );
  const notHere = start === null ? NOT_HERE.find(([pattern]) => pattern.test(command)) : undefined;
  if (notHere !== undefined) throw new Refusal('NotHere', notHere[1]);
  if (start?.[1] === undefined) throw new Refusal('UnknownCommand', `not understood: ${command.slice(0, 100)}`);
  if (start[2] !== undefined && start[2] !== '1')
    throw new Refusal('UnknownCommand', `timeline ${start[2]} is not in this server's history`);
  return { kind: 'startReplication', startLsn: Lsn.parse(start[1]) };
}

export interface ResultColumn {
  readonly name: string;
  readonly type: 'text' | 'int4';
  readonly value: string | null;
}

/** One row with its description, and the command's end. */
export function encodeRow(columns: readonly ResultColumn[], tag: string): Uint8Array {
  const description = new ByteWriter().u16(columns.length);
  const row = new ByteWriter().u16(columns.length);
  for (const { name, type, value } of columns) {
    cString(description, name).u32(0).u16(0);
    description.u32(type === 'text' ? TEXT_OID : INT4_OID).u16(type === 'text' ? 0xffff : 4);
    description.u32(0xffff_ffff).u16(0);
    if (value === null) row.u32(0xffff_ffff);
    else row.text(value);
  }
  return Buffer.concat([
    encodeMessage('T', description.finish()),
    encodeMessage('D', row.finish()),
    encodeCommandComplete(tag),
  ]);
}

export const encodeCommandComplete = (tag: string): Uint8Array =>
  encodeMessage('C', cString(new ByteWriter(), tag).finish());

/** Text format, no columns: both sides may send CopyData. */
export const encodeCopyBoth = (): Uint8Array => encodeMessage('W', new ByteWriter().u8(0).u16(0).finish());

export const encodeCopyDone = (): Uint8Array => encodeMessage('c', new Uint8Array(0));

/** What precedes the WAL bytes, so that they need not be copied: CopyData header and XLogData header. */
export function encodeXLogDataHeader(wal: {
  readonly startLsn: Lsn;
  readonly endLsn: Lsn;
  readonly size: number;
  readonly nowMs: number;
}): Uint8Array {
  const headerSize = 1 + 8 + 8 + 8;
  return new ByteWriter(5 + headerSize)
    .u8(0x64)
    .u32(4 + headerSize + wal.size)
    .u8(0x77)
    .u64(wal.startLsn)
    .u64(wal.endLsn)
    .u64(postgresTime(wal.nowMs))
    .finish();
}

export const encodeKeepalive = (keepalive: {
  readonly endLsn: Lsn;
  readonly nowMs: number;
  readonly wantsReply?: boolean;
}): Uint8Array =>
  encodeMessage(
    'd',
    new ByteWriter(18)
      .u8(0x6b)
      .u64(keepalive.endLsn)
      .u64(postgresTime(keepalive.nowMs))
      .u8(keepalive.wantsReply === true ? 1 : 0)
      .finish(),
  );

const postgresTime = (nowMs: number): bigint => BigInt(nowMs - POSTGRES_EPOCH_MS) * 1000n;

/** The standby's progress in a CopyData payload; undefined for its other messages. @throws ByteReadError */
export function decodeStandbyStatus(payload: Uint8Array): StandbyStatus | undefined {
  const reader = new ByteReader(payload);
  if (reader.u8() !== 0x72) return undefined;
  const [writeLsn, flushLsn, applyLsn] = [reader.lsn(), reader.lsn(), reader.lsn()];
  reader.u64();
  return { writeLsn, flushLsn, applyLsn, wantsReply: reader.u8() === 1 };
}

const cString = (writer: ByteWriter, text: string): ByteWriter => writer.bytes(encoder.encode(text)).u8(0);

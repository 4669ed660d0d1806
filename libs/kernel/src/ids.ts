/**
 * Storage ids. Tenant and timeline ids are 16 bytes, written as 32 lower-case hex digits.
 *
 * People's ids (project, branch, endpoint) belong to the control plane's contract.
 */
declare const brand: unique symbol;
export type TenantId = string & { readonly [brand]: 'TenantId' };
export type TimelineId = string & { readonly [brand]: 'TimelineId' };
/** A safekeeper's number within the deployment: a positive whole number. */
export type SafekeeperId = number & { readonly [brand]: 'SafekeeperId' };
/** Postgres' system identifier (ControlFileData.system_identifier), unsigned 64 bits, in decimal text. */
export type SystemId = string & { readonly [brand]: 'SystemId' };

const HEX_ID = /^[0-9a-f]{32}$/;

function hexId<T extends string>(what: string) {
  return {
    /** @throws SyntaxError unless `text` is 32 lower-case hex digits. */
    parse(text: string): T {
      if (!HEX_ID.test(text)) throw new SyntaxError(`not a ${what} id (32 hex digits): ${JSON.stringify(text)}`);
      return text as T;
    },
    is: (text: string): text is T => HEX_ID.test(text),
    /** From 16 random bytes. */
    fromBytes(bytes: Uint8Array): T {
      if (bytes.length !== 16) throw new RangeError(`a ${what} id is 16 bytes, got ${bytes.length}`);
      return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('') as T;
    },
    toBytes: (id: T): Uint8Array => Uint8Array.from({ length: 16 }, (_, i) => parseInt(id.slice(2 * i, 2 * i + 2), 16)),
  };
}

export const TenantId = hexId<TenantId>('tenant');
export const TimelineId = hexId<TimelineId>('timeline');

export const SafekeeperId = {
  /** @throws RangeError unless `value` is a positive whole number. */
  of(value: number): SafekeeperId {
    if (!Number.isSafeInteger(value) || value <= 0) throw new RangeError(`not a safekeeper id: ${value}`);
    return value as SafekeeperId;
  },
};

export const SystemId = {
  /** @throws SyntaxError unless `text` is an unsigned 64-bit integer in decimal. */
  parse(text: string): SystemId {
    if (!/^\d{1,20}$/.test(text) || BigInt(text) > 0xffff_ffff_ffff_ffffn)
      throw new SyntaxError(`not a system id: ${JSON.stringify(text)}`);
    return text as SystemId;
  },
  toBigInt: (id: SystemId): bigint => BigInt(id),
  fromBigInt: (value: bigint): SystemId => SystemId.parse(value.toString()),
};

/** Values that bodies and queries of the API are made of. */
import { z } from 'zod';

/** What the API knows and this installation does not do: refused by name, never ignored. */
export const notImplemented = z
  .unknown()
  .refine((value) => value === undefined, { error: 'not implemented', params: { notImplemented: true } })
  .optional();

/** Also only this one of several values. */
export const onlyImplemented = <const T extends string | number | boolean>(only: T) =>
  z
    .union([z.string(), z.number(), z.boolean()])
    .refine((value) => value === only, {
      error: `not implemented, except ${JSON.stringify(only)}`,
      params: { notImplemented: true },
    })
    .optional();

/** Query parameters may be repeated: the first counts. */
const first = (value: unknown): unknown => (Array.isArray(value) ? value[0] : value);

/** As clients of every language write it: 1, t, T, true, True, TRUE and their opposites. */
const BOOLEANS: Readonly<Record<string, boolean>> = {
  ...Object.fromEntries(['1', 't', 'T', 'true', 'True', 'TRUE'].map((text) => [text, true])),
  ...Object.fromEntries(['0', 'f', 'F', 'false', 'False', 'FALSE'].map((text) => [text, false])),
};

export const queryBoolean = z.preprocess((value) => {
  const text = first(value);
  return typeof text === 'string' ? (BOOLEANS[text] ?? text) : text;
}, z.boolean().optional());

export const queryInteger = ({ min, max }: { min: number; max: number }) =>
  z.preprocess((value) => {
    const text = first(value);
    return typeof text === 'string' && /^-?\d+$/.test(text) ? Number(text) : text;
  }, z.number().int().min(min).max(max).optional());

export const queryText = z.preprocess(first, z.string().optional());

/** A parameter that must be there. */
export const requiredText = z.preprocess(first, z.string().min(1));

export const queryChoice = <const T extends readonly string[]>(choices: T) =>
  z.preprocess(first, z.enum(choices).optional());

export const LSN = z.string().regex(/^[0-9A-Fa-f]{1,8}\/[0-9A-Fa-f]{1,8}$/, 'not an LSN such as 0/16B3748');

/** An id in a path or a body. */
export const ObjectId = z.string().regex(/^[a-z0-9-]{1,60}$/, 'not an id');

export const Timestamp = z.iso.datetime();
/** RFC 3339, with any offset. */
export const TimestampInput = z.iso.datetime({ offset: true });

/** Sizes that computes come in. */
const COMPUTE_UNITS_MAX = 56;
export const ComputeUnit = z.number().min(0.25).max(COMPUTE_UNITS_MAX);

const WEEK_SECONDS = 604_800;
/** -1: never; 0: the default. */
export const SuspendTimeout = z.number().int().min(-1).max(WEEK_SECONDS);

export const GeneralError = z.object({ request_id: z.string().optional(), code: z.string(), message: z.string() });

/** Cursor of the next page. */
export const Pagination = z.object({ cursor: z.string().min(1) });

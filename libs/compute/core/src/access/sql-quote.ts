/** Text as SQL: identifiers and string literals, whatever they hold. */

/** @throws RangeError on a NUL, which no name in Postgres can hold. */
export const quoteIdentifier = (name: string): string => `"${withoutNul(name).replaceAll('"', '""')}"`;

/**
 * A string constant. Backslashes are doubled inside E'' so that `standard_conforming_strings` does not matter.
 *
 * @throws RangeError on a NUL, which no text in Postgres can hold.
 */
export function quoteLiteral(text: string): string {
  const quoted = withoutNul(text).replaceAll("'", "''");
  return quoted.includes('\\') ? `E'${quoted.replaceAll('\\', '\\\\')}'` : `'${quoted}'`;
}

function withoutNul(text: string): string {
  if (text.includes('\0')) throw new RangeError('a NUL character in SQL text');
  return text;
}

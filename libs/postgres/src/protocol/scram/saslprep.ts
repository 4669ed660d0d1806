/**
 * Passwords before they are hashed: SASLprep (RFC 4013), or the password itself where SASLprep refuses it, as Postgres
 * does. Pure ASCII text stays what it is.
 *
 * The tables are approximated by Unicode properties of the running engine; RFC 4013 fixes Unicode 3.2, whose unassigned
 * code points count as prohibited there and are allowed here.
 */
type CodePointRange = readonly [first: number, last: number];

const OTHER_SPACES: readonly CodePointRange[] = [
  [0xa0, 0xa0],
  [0x1680, 0x1680],
  [0x2000, 0x200b],
  [0x202f, 0x202f],
  [0x205f, 0x205f],
  [0x3000, 0x3000],
];
const MAPPED_TO_NOTHING: readonly CodePointRange[] = [
  [0xad, 0xad],
  [0x34f, 0x34f],
  [0x1806, 0x1806],
  [0x180b, 0x180d],
  [0x200c, 0x200d],
  [0x2060, 0x2060],
  [0xfe00, 0xfe0f],
  [0xfeff, 0xfeff],
];
const PROHIBITED_RANGES: readonly CodePointRange[] = [
  [0x340, 0x341],
  [0x6dd, 0x6dd],
  [0x70f, 0x70f],
  [0x180e, 0x180e],
  [0x200e, 0x200f],
  [0x2028, 0x202e],
  [0x2061, 0x2063],
  [0x206a, 0x206f],
  [0x2ff0, 0x2ffb],
  [0xfff9, 0xffff],
  [0x1d173, 0x1d17a],
  [0xe0001, 0xe0001],
  [0xe0020, 0xe007f],
];
const PROHIBITED_PROPERTIES = /\p{Cc}|\p{Co}|\p{Cs}|\p{Noncharacter_Code_Point}/u;
const RIGHT_TO_LEFT = /\p{Script=Hebrew}|\p{Script=Arabic}|\p{Script=Syriac}|\p{Script=Thaana}/u;
const LEFT_TO_RIGHT = /\p{Script=Latin}|\p{Script=Greek}|\p{Script=Cyrillic}|\p{Script=Han}/u;

export function normalizePassword(password: string): string {
  const prepared = [...password].map(mapCharacter).join('').normalize('NFKC');
  const characters = [...prepared];
  const isRefused = prepared === '' || characters.some(isProhibited) || isMixedDirection(characters);
  return isRefused ? password : prepared;
}

function mapCharacter(character: string): string {
  if (isIn(OTHER_SPACES, character)) return ' ';
  return isIn(MAPPED_TO_NOTHING, character) ? '' : character;
}

const isProhibited = (character: string): boolean =>
  PROHIBITED_PROPERTIES.test(character) || isIn(PROHIBITED_RANGES, character);

/** A text with right-to-left characters must begin and end with one and hold no left-to-right one. */
function isMixedDirection(characters: readonly string[]): boolean {
  if (!characters.some((character) => RIGHT_TO_LEFT.test(character))) return false;
  const ends = [characters[0] ?? '', characters.at(-1) ?? ''];
  return characters.some((character) => LEFT_TO_RIGHT.test(character)) || !ends.every((end) => RIGHT_TO_LEFT.test(end));
}

function isIn(ranges: readonly CodePointRange[], character: string): boolean {
  const codePoint = character.codePointAt(0) ?? 0;
  return ranges.some(([first, last]) => codePoint >= first && codePoint <= last);
}

import { valueIn } from './lag';

const TEXT = `# HELP neon_a_bytes Something
# TYPE neon_a_bytes gauge
neon_a_bytes{host="h, 1"} 1500
neon_a_bytes_max 7
neon_b 2.5 1700000000000
`;

it.each([
  ['neon_a_bytes', 1500],
  ['neon_a_bytes_max', 7],
  ['neon_b', 2.5],
  ['neon_c', 0],
])('reads %s from the text of metrics', (name, value) => expect(valueIn(TEXT, name)).toBe(value));

import { timestampText, timestampUs } from './timestamp';

it('a time is kept to the microsecond, in any offset and with any number of digits', () => {
  const second = Date.UTC(2024, 1, 29, 12) * 1000;
  expect(timestampUs('2024-02-29T12:00:00Z')).toBe(second);
  expect(timestampUs('2024-02-29T12:00:00.1Z')).toBe(second + 100_000);
  expect(timestampUs('2024-02-29T12:00:00.123456Z')).toBe(second + 123_456);
  expect(timestampUs('2024-02-29T14:00:00.000001+02:00')).toBe(second + 1);
  expect(timestampUs('2024-02-29T12:00:00.1234569Z')).toBe(second + 123_456);
  expect(timestampUs('1969-12-31T23:59:59.999999Z')).toBe(-1);
});

it('a time that is shown and sent back is the same', () => {
  for (const us of [0, -1, 1_709_208_000_123_456, 1_709_208_000_000_001])
    expect(timestampUs(timestampText(us))).toBe(us);
});

import { CONTROL_FILE_SIZE, ControlFile } from '@neon/postgres';
import { crc32c } from '@neon/kernel';
import { clusterStart } from './template';

/** pg_control of Postgres 17 with a state and a version of data checksums: offsets of `ControlFileData` (pg_control.h). */
function controlFile(state: number, checksumVersion: number): Uint8Array {
  const bytes = new Uint8Array(CONTROL_FILE_SIZE);
  const view = new DataView(bytes.buffer);
  view.setUint32(8, 1700, true);
  view.setUint32(12, 202_406_281, true);
  view.setUint32(16, state, true);
  view.setUint32(216, 8_192, true);
  view.setUint32(228, 16 << 20, true);
  view.setUint32(252, checksumVersion, true);
  view.setUint32(288, crc32c(bytes, 0, 288), true);
  return bytes;
}

const start = (control: Uint8Array) => clusterStart(control, () => new Uint8Array(0), []);

it('a cluster with data checksums is refused: pages made here would carry those of earlier contents', () => {
  expect(ControlFile.parse(controlFile(1, 1)).dataChecksumVersion).toBe(1);
  expect(() => start(controlFile(1, 1))).toThrow('data checksums');
  expect(() => start(controlFile(6, 0))).toThrow('not shut down cleanly');
});

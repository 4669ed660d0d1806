import { Random } from '@neon/kernel';
import { newApiKey, newBranchId, newEndpointId, newPassword, newProjectId } from './ids';

class Counting extends Random {
  constructor(private next: number) {
    super();
  }
  override bytes = (count: number) =>
    Uint8Array.from({ length: count }, () => (this.next = (this.next * 167 + 13) % 256));
}

describe('ids', () => {
  it('I1: read as documented', () => {
    for (let seed = 0; seed < 200; seed++) {
      const random = new Counting(seed);
      expect(newProjectId(random)).toMatch(/^[a-z]+-[a-z]+-[0-9]{8}$/);
      expect(newBranchId(random)).toMatch(/^br-[a-z]+-[a-z]+-[0-9]{8}$/);
      expect(newEndpointId(random)).toMatch(/^ep-[a-z]+-[a-z]+-[0-9]{8}$/);
      expect(newApiKey(random)).toMatch(/^[a-z0-9]{64}$/);
    }
  });

  it('I2: come from the bytes alone', () => {
    expect(newProjectId(new Counting(7))).toBe(newProjectId(new Counting(7)));
    expect(newProjectId(new Counting(7))).not.toBe(newProjectId(new Counting(8)));
  });

  it('I3: passwords are npg_ and 16 letters or digits', () => {
    expect(newPassword(new Counting(1))).toMatch(/^npg_[A-Za-z0-9]{16}$/);
  });
});

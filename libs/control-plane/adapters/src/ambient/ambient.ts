import { Clock, Random } from '@neon/kernel';
import { randomBytes } from 'node:crypto';

export class SystemClock extends Clock {
  override now(): number {
    return Date.now();
  }
}

export class SystemRandom extends Random {
  override bytes(count: number): Uint8Array {
    return randomBytes(count);
  }
}

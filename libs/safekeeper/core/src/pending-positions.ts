/** Questions of whoever drives a change of membership, until the acceptor has answered them. */
import type { AcceptorPosition, RequestId } from '@neon/consensus';
import { Unavailable } from '@neon/kernel';

interface Asked {
  resolve(position: AcceptorPosition): void;
  reject(error: Error): void;
}

export class PendingPositions {
  private readonly asked = new Map<RequestId, Asked>();
  private nextRequest: RequestId = 1;

  get isEmpty(): boolean {
    return this.asked.size === 0;
  }

  ask(send: (request: RequestId) => void): Promise<AcceptorPosition> {
    const request = this.nextRequest++;
    return new Promise((resolve, reject) => {
      this.asked.set(request, { resolve, reject });
      send(request);
    });
  }

  answer(request: RequestId, position: AcceptorPosition): void {
    this.asked.get(request)?.resolve(position);
    this.asked.delete(request);
  }

  fail(cause: Error): void {
    for (const { reject } of this.asked.values()) reject(new Unavailable(cause.message, { cause }));
    this.asked.clear();
  }
}

/**
 * Makes segments of all timelines ready before they are needed, one at a time: filling them with zeros is work for the disk
 * that no commit waits for, and that must not take the threads from those that do.
 *
 *   SM1  One segment is filled at a time, in the whole process.
 *   SM2  A segment that is needed before its turn has come is not waited for: whoever needs it makes it without filling it.
 *   SM3  After `settle` nobody makes a segment of these files, or of the one that was named.
 */
import type { SegmentFiles } from './segment-files';

type Makes = Pick<SegmentFiles, 'create'>;

export interface SegmentToMake {
  readonly number: number;
  readonly zeroFill: boolean;
}

interface Work extends SegmentToMake {
  readonly files: Makes;
}

export class SegmentMaker {
  private waiting: Work[] = [];
  private current: (Work & { readonly done: Promise<void> }) | undefined;

  makeAhead(files: Makes, segment: SegmentToMake): void {
    this.waiting.push({ files, ...segment });
    if (this.current === undefined) this.next();
  }

  /** SM2, SM3. */
  async settle(files: Makes, number?: number): Promise<void> {
    const concerns = (work: Work): boolean => work.files === files && (number === undefined || work.number === number);
    this.waiting = this.waiting.filter((work) => !concerns(work));
    if (this.current !== undefined && concerns(this.current)) await this.current.done;
  }

  /** SM1. */
  private next(): void {
    const work = this.waiting.shift();
    this.current = undefined;
    if (work === undefined) return;
    const go = (): void => this.next();
    // When it fails, the write that needs the segment makes it, and reports why it cannot.
    this.current = { ...work, done: work.files.create(work.number, work).then(go, go) };
  }
}

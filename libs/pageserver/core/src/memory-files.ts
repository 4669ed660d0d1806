/** Timeline files in memory, for specs: what is not finished or replaced is not there. */
import { Corrupt } from '@neon/kernel';
import { LayerWriter, TimelineFiles } from './timeline/timeline-files';
import { Compression } from './layer/layer-file';

export class MemoryTimelineFiles extends TimelineFiles {
  readonly contents = new Map<string, Uint8Array>();
  reads = 0;

  async create(): Promise<LayerWriter> {
    return new MemoryLayerWriter(this.contents);
  }
  async read(name: string, { offset, length }: { offset: number; length: number }): Promise<Uint8Array> {
    this.reads++;
    const content = this.contents.get(name);
    if (content === undefined || content.length < offset + length) throw new Corrupt(`${name} is cut short`);
    return content.slice(offset, offset + length);
  }
  async readWhole(name: string): Promise<Uint8Array | null> {
    return this.contents.get(name) ?? null;
  }
  async replace(name: string, content: Uint8Array): Promise<void> {
    this.contents.set(name, content);
  }
  async list(): Promise<string[]> {
    return [...this.contents.keys()];
  }
  async remove(name: string): Promise<void> {
    this.contents.delete(name);
  }
}

class MemoryLayerWriter extends LayerWriter {
  private readonly parts: Uint8Array[] = [];

  constructor(private readonly contents: Map<string, Uint8Array>) {
    super();
  }
  async append(bytes: Uint8Array): Promise<void> {
    this.parts.push(bytes.slice());
  }
  async finish(name: string): Promise<void> {
    const whole = new Uint8Array(this.parts.reduce((size, part) => size + part.length, 0));
    let at = 0;
    for (const part of this.parts) {
      whole.set(part, at);
      at += part.length;
    }
    this.contents.set(name, whole);
  }
  async abandon(): Promise<void> {
    this.parts.length = 0;
  }
}

/** Runs of one byte, counted: enough to make stored and raw sizes differ. */
export class RunLengthCompression extends Compression {
  async compress(raw: Uint8Array): Promise<Uint8Array> {
    const out: number[] = [];
    for (let at = 0; at < raw.length;) {
      let run = 1;
      while (run < 255 && raw[at + run] === raw[at]) run++;
      out.push(run, raw[at] ?? 0);
      at += run;
    }
    return Uint8Array.from(out);
  }
  decompress(stored: Uint8Array, rawSize: number): Uint8Array {
    const raw = new Uint8Array(rawSize);
    let at = 0;
    for (let i = 0; i + 1 < stored.length; i += 2) {
      raw.fill(stored[i + 1] ?? 0, at, at + (stored[i] ?? 0));
      at += stored[i] ?? 0;
    }
    if (at !== rawSize) throw new Corrupt('run lengths do not add up');
    return raw;
  }
}

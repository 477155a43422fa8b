// EXTENDED COPY by the letter of SPC-4 5.17.7.2 (tables 115 to 117), one byte at a time, without buffers, pipelines or
// SCSI: what the copy manager is held against.
import type { CopyList, Cscd, Segment } from '../../src/scsi/copy/list.ts';

export interface ModelTape {
  objects: (Uint8Array | null)[];
  position: number;
}
export interface ModelDisk {
  readonly bytes: Uint8Array;
}
export interface ModelWorld {
  readonly blockLength: number;
  /** By CSCD index. */
  readonly devices: readonly (ModelTape | ModelDisk)[];
  /** The how-many-th WRITE(6) of the list warns of the end of the medium; Infinity: none. */
  readonly warnAtWrite: number;
}

export interface ModelEnd {
  readonly code: string;
  readonly segment: number;
  /** Bytes written by the segment that ended the list. */
  readonly written: number;
}

class End extends Error {
  readonly code: string;
  constructor(code: string) {
    super(code);
    this.code = code;
  }
}

export function runModel(list: CopyList, world: ModelWorld): ModelEnd | undefined {
  const model = new Model(list, world);
  for (const [i, segment] of list.segments.entries()) {
    model.written = 0;
    try {
      model.segment(segment);
    } catch (error) {
      if (error instanceof End) return { code: error.code, segment: i, written: model.written };
      throw error;
    }
  }
  return undefined;
}

class Model {
  written = 0;
  readonly #list: CopyList;
  readonly #world: ModelWorld;
  #source: number[] = [];
  #destination: number[] = [];
  #writes = 0;
  #failed: End | undefined;

  constructor(list: CopyList, world: ModelWorld) {
    this.#list = list;
    this.#world = world;
  }

  segment(s: Segment): void {
    switch (s.type) {
      case 'write-filemarks':
        for (let i = 0; i < s.count; i++) this.#put(this.#tape(s.destination), null);
        return;
      case 'locate':
        this.#locate(this.#tape(s.destination), s.object);
        return;
      case 'block-to-stream': {
        const read = this.#blockReader(s.source, s.lba * this.#world.blockLength, true);
        this.#process(s.blocks * this.#world.blockLength, read);
        this.#emit(s.destination, s.streamTransferLength);
        this.#end(s, false, s.streamTransferLength);
        return;
      }
      case 'block-bytes-to-stream': {
        const read = this.#blockReader(s.source, s.lba * this.#world.blockLength + s.byteOffset, false);
        this.#process(s.byteCount, read);
        this.#emit(s.destination, s.streamTransferLength);
        this.#end(s, false, s.streamTransferLength);
        return;
      }
      case 'block-to-block': {
        const size = this.#world.blockLength;
        const read = this.#blockReader(s.source, s.sourceLba * size, true);
        const at = { offset: s.destinationLba * size };
        if (s.dc) {
          this.#processUntil(s.blocks * size, read);
          this.#store(s.destination, at, s.blocks * size);
        } else {
          this.#process(s.blocks * size, read);
          this.#store(s.destination, at, this.#destination.length - (this.#destination.length % size));
        }
        this.#end(s, s.dc, size, at);
        return;
      }
      case 'stream-to-block': {
        const size = this.#world.blockLength;
        this.#processUntil(s.blocks * size, this.#tapeReader(s.source, s.streamTransferLength));
        const at = { offset: s.lba * size };
        this.#store(s.destination, at, s.blocks * size);
        this.#end(s, true, size, at);
        return;
      }
      case 'stream-to-block-bytes': {
        this.#processUntil(s.byteCount, this.#tapeReader(s.source, s.streamTransferLength));
        const at = { offset: s.lba * this.#world.blockLength + s.byteOffset };
        this.#store(s.destination, at, s.byteCount, 1);
        this.#end(s, true, 1, at);
        return;
      }
      case 'stream-to-stream':
        this.#process(s.byteCount, this.#tapeReader(s.source, s.sourceTransferLength));
        this.#emit(s.destination, s.destinationTransferLength);
        this.#end(s, false, s.destinationTransferLength);
        return;
      case 'inline-to-stream':
        this.#destination.push(...this.#list.inlineData.subarray(s.inlineOffset, s.inlineOffset + s.byteCount));
        this.#emit(s.destination, s.streamTransferLength);
        this.#end(s, false, s.streamTransferLength);
        return;
      case 'stream-to-discard': {
        const kept = this.#destination;
        this.#destination = [];
        this.#process(s.byteCount, this.#tapeReader(s.source, s.streamTransferLength));
        this.#destination = kept;
        this.#end(s, false, 0);
        return;
      }
    }
  }

  #tape(id: number): ModelTape {
    return this.#world.devices[id] as ModelTape;
  }
  #disk(id: number): ModelDisk {
    return this.#world.devices[id] as ModelDisk;
  }

  #blockReader(id: number, offset: number, wholeBlocks: boolean): () => void {
    let at = offset;
    const { bytes } = this.#disk(id);
    return () => {
      const count = wholeBlocks ? this.#world.blockLength : 1;
      for (let i = 0; i < count; i++) this.#source.push(bytes[at++]);
    };
  }

  #tapeReader(id: number, transferLength: number): () => void {
    return () => {
      const from = this.#tape(id);
      const object = from.objects[from.position];
      if (object === undefined) throw new End('0d/01 source 8');
      from.position++;
      if (object === null) throw new End('0d/01 source filemark');
      if (object.length > transferLength) throw new End('0d/01 source 0');
      this.#source.push(...object);
    };
  }

  /** What a source that fails had given before is processed all the same. */
  #process(count: number, read: () => void): void {
    try {
      while (this.#source.length < count) read();
    } catch (error) {
      if (!(error instanceof End)) throw error;
      this.#failed = error;
    }
    this.#destination.push(...this.#source.splice(0, count));
  }

  #processUntil(total: number, read: () => void): void {
    this.#process(Math.max(0, total - this.#destination.length), read);
  }

  #emit(id: number, size: number): void {
    while (size > 0 && this.#destination.length >= size) this.#write(id, this.#destination.splice(0, size));
  }

  #write(id: number, bytes: number[]): void {
    this.#put(this.#tape(id), Uint8Array.from(bytes));
    this.written += bytes.length;
    if (++this.#writes >= this.#world.warnAtWrite) throw new End('0d/01 destination 0');
  }

  #put(to: ModelTape, object: Uint8Array | null): void {
    to.objects.length = to.position;
    to.objects.push(object);
    to.position++;
  }

  #locate(to: ModelTape, object: number): void {
    to.position = Math.min(object, to.objects.length);
    if (to.position < object) throw new End('0d/01 destination 8');
  }

  #store(id: number, at: { offset: number }, count: number, size = this.#world.blockLength): void {
    const whole = this.#failed === undefined || size === 1 ? count : Math.min(count, this.#destination.length);
    const some = this.#destination.splice(0, whole - (this.#failed === undefined ? 0 : whole % size));
    for (const byte of some) this.#disk(id).bytes[at.offset++] = byte;
    this.written += some.length;
  }

  #end(
    s: Exclude<Segment, { type: 'write-filemarks' | 'locate' }>,
    exact: boolean,
    size: number,
    at?: { offset: number },
  ) {
    if (this.#failed !== undefined) throw this.#failed;
    if (s.cat) return;
    const pad = (id: number): boolean => (this.#list.cscds[id] as Cscd).pad;
    const sourcePad = 'source' in s && pad(s.source);
    const destinationPad = 'destination' in s && pad(s.destination);
    const left = this.#destination.length;
    if (exact && destinationPad && left > 0) throw new End('26/0a');
    if (!sourcePad && !destinationPad && left + this.#source.length > 0) throw new End('26/0a');
    if (sourcePad) this.#source = [];
    if (destinationPad && left > 0) {
      if (size === 0) throw new End('26/0a');
      const padded = [...this.#destination, ...new Array<number>(size - left).fill(0)];
      this.#destination = [];
      if (at === undefined) this.#write((s as { destination: number }).destination, padded);
      else {
        this.#destination = padded;
        this.#store((s as { destination: number }).destination, at, padded.length);
      }
    } else if (sourcePad) {
      this.#destination = [];
    }
  }
}

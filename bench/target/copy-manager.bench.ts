// EXTENDED COPY from a disk in memory to a tape that takes everything: what the copy manager itself costs.
// Run: node bench/target/copy-manager.bench.ts [MiB]   (Node 22.18 or newer; older: through esbuild)
import { pathToFileURL } from 'node:url';
import type { BlockStore } from '../../src/bytes/block-store.ts';
import { type Bytes, KiB, MiB } from '../../src/bytes/units.ts';
import { openCopyManager } from '../../src/initiator/copy-manager.ts';
import { DeviceType, OperationCode } from '../../src/scsi/common/operation-codes.ts';
import { naaDesignator } from '../../src/scsi/common/vpd.ts';
import type { Segment } from '../../src/scsi/copy/list.ts';
import { good } from '../../src/scsi/execute.ts';
import { diskUnit } from '../../src/target/disk.ts';
import { DeviceServer } from '../../src/target/logical-unit.ts';
import { Router } from '../../src/target/router.ts';

export interface CopyBenchOptions {
  readonly bytes: Bytes;
  readonly extentBytes: Bytes;
  readonly recordBytes: Bytes;
}
export interface CopyBenchResult {
  readonly seconds: number;
  readonly bytes: Bytes;
  readonly records: number;
  readonly segments: number;
}

const LIST_BYTES = 256 * MiB;
const CONTENT_BYTES = 64 * MiB;

/** A disk of any size whose content repeats, at the cost of one copy in memory. */
function repeatingStore(byteLength: Bytes): BlockStore {
  const content = new Uint8Array(CONTENT_BYTES).fill(0x5a);
  return {
    byteLength,
    writable: false,
    read(offset, into) {
      for (let at = 0; at < into.length; ) {
        const from = (offset + at) % CONTENT_BYTES;
        const count = Math.min(into.length - at, CONTENT_BYTES - from);
        into.set(content.subarray(from, from + count), at);
        at += count;
      }
      return Promise.resolve();
    },
    write: () => Promise.reject(new Error('read-only')),
    flush: () => Promise.resolve(),
    truncate: () => Promise.reject(new Error('read-only')),
    unmap: () => Promise.reject(new Error('read-only')),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** A tape unit that takes every record and keeps none. */
function nullTape(): { readonly unit: DeviceServer; records(): number } {
  let records = 0;
  const unit = new DeviceServer(
    {
      peripheralDeviceType: DeviceType.tape,
      name: 'null tape',
      vendor: 'REELMAP',
      product: 'NULL',
      revision: '1',
      serialNumber: 'N',
      designator: naaDesignator('null tape'),
      removable: true,
    },
    {
      commands: {
        [OperationCode.write6]: () => {
          records++;
          return good();
        },
      },
    },
  );
  return { unit, records: () => records };
}

export async function benchCopy(options: CopyBenchOptions): Promise<CopyBenchResult> {
  const { bytes, extentBytes, recordBytes } = options;
  const blockLength = 512;
  const gap = extentBytes < 1 * MiB ? 4096 : 0;
  const count = Math.ceil(bytes / extentBytes);
  const router = new Router({ serialNumber: 'BENCH' });
  const store = repeatingStore(count * (extentBytes + gap));
  router.add(diskUnit(store, { name: 'disk', serialNumber: 'D', designator: naaDesignator('bench disk') }));
  const tape = nullTape();
  router.add(tape.unit);
  const manager = await openCopyManager(router.lun('bench', 0));
  const perList = Math.max(1, Math.min(manager.limits.segmentsMax, Math.floor(LIST_BYTES / extentBytes)));
  const cscds = [
    { kind: 'block' as const, designator: naaDesignator('bench disk'), blockLength, pad: false },
    { kind: 'stream' as const, designator: tape.unit.designator, fixedBlockLength: 0, pad: true },
  ];
  const started = performance.now();
  for (let first = 0; first < count; first += perList) {
    const last = Math.min(count, first + perList) - 1;
    const segments: Segment[] = [];
    for (let i = first; i <= last; i++) {
      segments.push({
        type: 'block-bytes-to-stream',
        cat: i < last,
        source: 0,
        destination: 1,
        streamTransferLength: recordBytes,
        byteCount: extentBytes,
        lba: (i * (extentBytes + gap)) / blockLength,
        byteOffset: 0,
      });
    }
    const outcome = await manager.copy({ listId: 1, cscds, segments, inlineData: new Uint8Array(0) });
    if (outcome.kind !== 'done') throw new Error(JSON.stringify(outcome));
  }
  return {
    seconds: (performance.now() - started) / 1000,
    bytes: count * extentBytes,
    records: tape.records(),
    segments: count,
  };
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const bytes = Number(process.argv[2] ?? 4096) * MiB;
  for (const extentBytes of [64 * MiB, 1 * MiB, 64 * KiB, 16 * KiB, 4 * KiB]) {
    const runs: number[] = [];
    for (let i = 0; i < 5; i++) {
      const result = await benchCopy({ bytes, extentBytes, recordBytes: 256 * KiB });
      runs.push(result.bytes / result.seconds / 1e9);
    }
    runs.sort((a, b) => a - b);
    const per = `${extentBytes / KiB} KiB`.padStart(10);
    console.log(`extents of ${per}: ${runs[2].toFixed(2)} GB/s (${runs[0].toFixed(2)} to ${runs[4].toFixed(2)})`);
  }
}

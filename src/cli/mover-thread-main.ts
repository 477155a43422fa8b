/** The thread of the embedded data mover: opens the disks and the cartridge in the drive, and serves their units. */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { loadNativeCrc32c } from '../bytes/crc32c.ts';
import { plainError } from '../bytes/plain-error.ts';
import { servePort } from '../scsi/wrap/message-port.ts';
import { openFileStore } from '../storage/file-store.ts';
import { segmentStore } from '../storage/segment-store.ts';
import { openLibrary } from '../target/virtual-library/library.ts';
import { type DiskToServe, makeMover } from './embedded-mover.ts';
import type { Control, MoverThreadData, OpenMessage } from './mover-thread.ts';

async function runThread(port: MessagePort, data: MoverThreadData): Promise<void> {
  const post = (message: Control): void => port.postMessage(message);
  const library = openLibrary(data.libraryFolder, { digest: data.digest });
  const stores: AsyncDisposable[] = [];
  try {
    const disks: DiskToServe[] = [];
    for (const { path, writable, segments } of data.disks) {
      const whole = await openFileStore(path, { writable, direct: 'bulk' });
      stores.push(whole);
      const store = segments === undefined ? whole : segmentStore(whole, segments, path);
      disks.push({ store, path, writable });
    }
    const mover = await makeMover(library.viewOf(data.driveAddress, data.command), data.driveAddress, disks);
    const { controller, changer, drive } = mover.units;
    servePort(port, [controller, changer, drive, ...mover.units.disks]);
    port.on('message', (message: { kind?: string }) => {
      if (message.kind !== 'close') return;
      mover[Symbol.asyncDispose]().then(
        () => post({ kind: 'closed' }),
        (error: unknown) => post({ kind: 'closed', error: plainError(error) }),
      );
    });
    post({ kind: 'ready' });
  } catch (error) {
    for (const store of stores) await store[Symbol.asyncDispose]();
    post({ kind: 'failed', error: plainError(error) });
  }
}

if (parentPort !== null && (workerData as { reelmapMover?: boolean } | null)?.reelmapMover === true) {
  const port = parentPort;
  port.once('message', ({ data }: OpenMessage) => void runThread(port, data));
  loadNativeCrc32c(); // while nothing is asked for yet
}

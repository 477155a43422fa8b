/** The thread of the embedded data mover: opens the disks and the cartridge in the drive, and serves their units. */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { loadNativeCrc32c } from '../bytes/crc32c.ts';
import { plainError } from '../bytes/plain-error.ts';
import { servePort } from '../scsi/wrap/message-port.ts';
import { openFileStore } from '../storage/file-store.ts';
import { openLibrary } from '../target/virtual-library/library.ts';
import { type DiskToServe, makeMover } from './embedded-mover.ts';
import type { Control, MoverThreadData } from './mover-thread.ts';

async function runThread(port: MessagePort, data: MoverThreadData): Promise<void> {
  const post = (message: Control): void => port.postMessage(message);
  loadNativeCrc32c();
  const library = openLibrary(data.libraryFolder, { digest: data.digest });
  const stores: AsyncDisposable[] = [];
  try {
    const disks: DiskToServe[] = [];
    for (const { path, writable } of data.disks) {
      const store = await openFileStore(path, { writable, direct: 'bulk' });
      stores.push(store);
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

if (parentPort !== null && (workerData as Partial<MoverThreadData> | null)?.reelmapMover === true) {
  void runThread(parentPort, workerData as MoverThreadData);
}

import { Router } from '../../src/target/router.ts';
import { describeTapeDrive } from '../conformance/tape-drive.ts';
import { loadedDrive } from '../support/drives.ts';

describeTapeDrive('the drive unit over a cartridge in memory', loadedDrive);

describeTapeDrive(
  'the drive unit behind a router',
  async (options) => {
    const drive = await loadedDrive(options);
    const router = new Router({ serialNumber: 'T1' });
    const lun = router.add(drive.unit);
    return { execute: router.lun('a', lun), [Symbol.asyncDispose]: () => drive[Symbol.asyncDispose]() };
  },
  10,
);

import { describeTapeDrive } from '../conformance/tape-drive.ts';
import { loadedDrive } from '../support/drives.ts';

describeTapeDrive('the drive unit over a cartridge in memory', loadedDrive);

import { memoryMedium } from '../../src/target/virtual-library/memory-cartridge.ts';
import { describeTapeMedium } from '../conformance/tape-medium.ts';

describeTapeMedium('a medium in memory', (options) => memoryMedium({ ...options, bufferBytes: 8192 }));

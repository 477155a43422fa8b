/** A virtual cartridge that lives in memory: the same medium as on files, for tests and trials. */
import { type Bytes, KiB, MiB } from '../../bytes/units.ts';
import { MemoryStore } from '../../storage/memory-store.ts';
import {
  type BlankMedium,
  type FileMedium,
  formatMedium,
  type MediumOptions,
  openMedium,
} from '../../tape/file-medium.ts';

/** Opens a blank cartridge in memory; 64 MiB unless told. */
export async function memoryMedium(
  options: Partial<BlankMedium & Pick<MediumOptions, 'name' | 'writable' | 'digest' | 'bufferBytes'>> = {},
): Promise<FileMedium> {
  const stores = { data: new MemoryStore(), map: new MemoryStore(), name: options.name ?? 'memory cartridge' };
  await formatMedium(stores, { ...options, capacity: options.capacity ?? ((64 * MiB) as Bytes) });
  const { writable, digest } = options;
  return openMedium({ ...stores, writable, digest, bufferBytes: options.bufferBytes ?? 64 * KiB });
}

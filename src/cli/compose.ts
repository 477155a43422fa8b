/** Wires the layers for the commands that read: the index, cartridges for a restore, a volume's way back. Each loaded when it is asked for. */
import type { Services } from './services.ts';
import { indexFolder } from './state.ts';

/** What this process does, for whoever has to wait for it. */
const command = (): string => process.argv.slice(2, 4).join(' ');

export const services: Services = {
  async openIndex(home) {
    const { lostIndex } = await import('./lost-index.ts');
    const lost = await lostIndex(home);
    if (lost !== undefined) throw lost;
    const { openIndexService } = await import('./index-service.ts');
    return openIndexService(indexFolder(home), command());
  },
  async openTapes(home, set, options) {
    const { openTapes } = await import('./tapes.ts');
    return openTapes(home, set, options);
  },
  async dataOffsets(home, places) {
    const { dataOffsets } = await import('./tapes.ts');
    return dataOffsets(home, places);
  },
  async restoreVolume(home, index, request) {
    const { restoreVolumeOf } = await import('./volume-restore.ts');
    return restoreVolumeOf(home, index, request);
  },
};

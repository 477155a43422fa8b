/** Wires the layers: the only place that knows all of the program. */
import { join } from 'node:path';
import { UserError } from '../bytes/errors.ts';
import type { Services } from './services.ts';

const missing = (what: string): never => {
  throw new UserError(what, 'is not part of this build', 'use a release of reelmap');
};

export const services: Services = {
  async openIndex(home) {
    const { openIndexService } = await import('./index-service.ts');
    return openIndexService(join(home, 'index'), process.argv.slice(2, 4).join(' '));
  },
  openTapes: async () => missing('the tape library'),
  restoreVolume: async () => missing('restore-volume'),
};

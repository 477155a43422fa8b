/** Wires the layers: the only place that knows all of the program. */
import { UserError } from '../bytes/errors.ts';
import type { Services } from './services.ts';

const missing = (what: string): never => {
  throw new UserError(what, 'is not part of this build', 'use a release of reelmap');
};

export const services: Services = {
  openIndex: async () => missing('the index'),
  openTapes: async () => missing('the tape library'),
  restoreVolume: async () => missing('restore-volume'),
};

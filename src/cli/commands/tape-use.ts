/** `reelmap tape use`: real drives and changers. They come with SG_IO and iSCSI; until then this says so. */
import { UserError } from '../../bytes/errors.ts';
import type { CommandModule } from '../command.ts';

export const define: CommandModule['define'] = (command, act) => {
  command
    .argument('[devices...]', 'drives and changers')
    .addHelpText('after', '\nExample:\n  reelmap tape use /dev/sg3 /dev/sg4')
    .action(() => {
      act(async () => {
        throw new UserError(
          'tape use',
          'this version works with the virtual tape library of its state directory only; real drives and changers come in a later one',
          '`reelmap tape ls` shows the virtual cartridges',
        );
      });
    });
};

/** `reelmap tape unload`: what is in the drives goes back to its slots. */
import { UserError } from '../../bytes/errors.ts';
import type { CommandContext, CommandModule } from '../command.ts';
import { ExitStatus } from '../exit.ts';
import { whereabouts } from '../reach.ts';
import { openDrive, requireLibrary } from '../tape-library.ts';

export const define: CommandModule['define'] = (command, act) => {
  command
    .option('--wait', 'wait while every drive is busy')
    .addHelpText('after', '\nDrives that another process uses are left alone.\n\nExample:\n  reelmap tape unload')
    .action((options: { readonly wait?: boolean }) => {
      act((context) => unload(context, options.wait === true));
    });
};

async function unload(context: CommandContext, wait: boolean): Promise<ExitStatus> {
  const { output } = context;
  const library = requireLibrary(context.home);
  const loaded = library.inventory().filter(({ type }) => type === 'drive');
  if (loaded.length > 0) {
    await using place = await openDrive(context, 'tape unload', wait);
    // Taking a drive has emptied the others that nobody uses.
    await place.station.unload();
  }
  const left = library.inventory().filter(({ type }) => type === 'drive');
  const unloaded = loaded.map(({ barcode }) => barcode).filter((one) => !left.some(({ barcode }) => barcode === one));
  if (output.json) output.value({ unloaded, left: left.map(({ barcode }) => barcode) });
  else if (unloaded.length === 0 && left.length === 0) output.note('the drives are empty');
  for (const barcode of output.json ? [] : unloaded) output.line(`cartridge ${barcode} is back in its slot`);
  if (unloaded.length > 0 || left.length === 0) return ExitStatus.done;
  const [{ barcode }] = left;
  const why = whereabouts(library, barcode);
  throw new UserError(`cartridge ${barcode}`, why?.what ?? 'stays in its drive', why?.remedy ?? 'try again');
}

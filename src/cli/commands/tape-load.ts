/** `reelmap tape load BARCODE`: puts a cartridge into a drive. */
import type { CommandContext, CommandModule } from '../command.ts';
import { ExitStatus } from '../exit.ts';
import { loadInto, openDrive, placeText, requireCartridge, requireLibrary } from '../tape-library.ts';

export const define: CommandModule['define'] = (command, act) => {
  command
    .argument('<barcode>', 'the cartridge')
    .option('--wait', 'wait for a busy drive')
    .addHelpText('after', '\nCommands load what they need themselves.\n\nExample:\n  reelmap tape load RM0001L9')
    .action((barcode: string, options: { readonly wait?: boolean }) => {
      act((context) => load(context, barcode, options.wait === true));
    });
};

async function load(context: CommandContext, word: string, wait: boolean): Promise<ExitStatus> {
  const { barcode } = requireCartridge(requireLibrary(context.home), word);
  await using place = await openDrive(context, `tape load ${barcode}`, wait);
  // Taking the drive may have moved what idle drives hold.
  await loadInto(place, requireCartridge(place.library, barcode));
  const now = requireCartridge(place.library, barcode);
  if (context.output.json) context.output.value({ barcode, where: now.type, number: now.number });
  else context.output.line(`cartridge ${barcode} is in ${placeText(now)}`);
  return ExitStatus.done;
}

/** `reelmap tape export BARCODE...`: takes cartridges out of the library; what is on them stays, and so does the index. */
import { UserError } from '../../bytes/errors.ts';
import type { CommandContext, CommandModule } from '../command.ts';
import { ExitStatus } from '../exit.ts';
import { whereabouts } from '../reach.ts';
import { openDrive, requireCartridge, requireLibrary } from '../tape-library.ts';

export const define: CommandModule['define'] = (command, act) => {
  command
    .argument('<barcodes...>', 'cartridges')
    .option('--wait', 'wait while every drive is busy')
    .addHelpText(
      'after',
      '\nIt is a folder, and may be copied or moved away then.\n\nExample:\n  reelmap tape export RM0001L9',
    )
    .action((barcodes: string[], options: { readonly wait?: boolean }) => {
      act((context) => exportAll(context, barcodes, options.wait === true));
    });
};

async function exportAll(context: CommandContext, words: readonly string[], wait: boolean): Promise<ExitStatus> {
  const { output } = context;
  const library = requireLibrary(context.home);
  const wanted = words.map((word) => requireCartridge(library, word));
  for (const { barcode } of wanted) {
    const why = whereabouts(library, barcode);
    if (why?.busy === true) throw new UserError(`cartridge ${barcode}`, why.what, why.remedy);
    if (why !== undefined) throw new UserError(`cartridge ${barcode}`, 'is outside already', why.remedy);
  }
  if (wanted.some(({ type }) => type === 'drive')) {
    await using place = await openDrive(context, `tape export ${words.join(' ')}`, wait);
    await place.station.unload();
  }
  for (const { barcode } of wanted) {
    await library.exportCartridge(barcode);
    const folder = library.cartridgeFolder(barcode);
    if (output.json) output.value({ exported: barcode, folder });
    else output.line(`cartridge ${barcode} is outside: ${folder}`);
  }
  return ExitStatus.done;
}

/** `reelmap tape import [BARCODE...]`: takes cartridges that are outside into free slots. */
import { UserError } from '../../bytes/errors.ts';
import type { CommandContext, CommandModule } from '../command.ts';
import { ExitStatus } from '../exit.ts';
import { placeText, requireCartridge, requireLibrary } from '../tape-library.ts';

export const define: CommandModule['define'] = (command, act) => {
  command
    .argument('[barcodes...]', 'cartridges; default: all that are outside')
    .addHelpText(
      'after',
      '\nA cartridge from elsewhere is a folder: copy it into library/cartridges/ of the state directory first.\n' +
        'Sets that the index does not know yet: `reelmap index rebuild`.\n\nExample:\n  reelmap tape import RM0001L9',
    )
    .action((barcodes: string[]) => {
      act((context) => importAll(context, barcodes));
    });
};

async function importAll({ home, output }: CommandContext, words: readonly string[]): Promise<ExitStatus> {
  const library = requireLibrary(home);
  const outside = library.inventory().filter(({ type }) => type === 'outside');
  const wanted = words.length === 0 ? outside : words.map((word) => requireCartridge(library, word));
  const inside = wanted.find(({ type }) => type !== 'outside');
  if (inside !== undefined)
    throw new UserError(`cartridge ${inside.barcode}`, `is in the library already: ${placeText(inside)}`, '');
  for (const { barcode } of wanted) await library.importCartridge(barcode);
  const now = wanted.map(({ barcode }) => requireCartridge(library, barcode));
  if (output.json) output.value({ imported: now.map(({ barcode, number }) => ({ barcode, slot: number })) });
  else if (now.length === 0) output.note('no cartridge is outside');
  else for (const one of now) output.line(`cartridge ${one.barcode} is in ${placeText(one)}`);
  return ExitStatus.done;
}

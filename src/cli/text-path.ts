/** Paths of volumes, targets and folders: text, where paths in a set are any bytes. */
import { UserError } from '../bytes/errors.ts';
import { encodeArgument } from './argv.ts';
import { quote } from './quoting.ts';

/** The argument as a path for Node. @throws UserError when it is not UTF-8: Node would open another file in its place */
export function textPath(argument: string): string {
  if (!/[\udc80-\udcff]/.test(argument)) return argument;
  const shown = quote(encodeArgument(argument));
  throw new UserError(shown, 'the path is not UTF-8', 'rename it, or name it by a symbolic link', { kind: 'usage' });
}

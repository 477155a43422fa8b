/** The program; tools/launcher.cjs is its executable. */
import { main } from './cli/main.ts';

// No top-level await: the program is built as CommonJS, which starts faster.
void main(process.argv.slice(2)).then((status) => {
  process.exitCode = status;
});

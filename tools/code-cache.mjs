// Makes dist/program.cache: V8's code of the program, for this machine's Node. Run by build.mjs in a process of its own, since
// it runs the program: functions that have run are in the cache, too. Another Node refuses it and compiles as ever.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import vm from 'node:vm';

const [, , program] = process.argv;
const home = mkdtempSync(join(tmpdir(), 'reelmap-build-'));
const source = readFileSync(program, 'utf8');
const script = new vm.Script(`(function(exports,require,module,__filename,__dirname){${source}\n})`, {
  filename: program,
});
process.argv = [process.argv[0], program, 'restore', 'latest', '/', '--to', home, '--home', home];
process.on('exit', () => {
  writeFileSync(program.replace(/\.js$/, '.cache'), script.createCachedData());
  rmSync(home, { recursive: true, force: true });
  process.exitCode = 0;
});
const module = { exports: {} };
script.runInThisContext()(module.exports, createRequire(program), module, program, dirname(program));

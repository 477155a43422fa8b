#!/usr/bin/env node
// Loads the program with the code that V8 made of it when it was built: compiling it anew takes a third of a short command's time.
'use strict';
const { readFileSync } = require('node:fs');
const vm = require('node:vm');
const file = `${__dirname}/program.js`;
const isBackup = process.argv.includes('backup');
// libuv reads the size of its thread pool at first use: walk, copy and compression each have reads and writes under way.
const SHORT = ['sets', 'ls', 'find', 'stat', 'plan', 'restore', 'status'];
if (!SHORT.includes(process.argv[2])) process.env.UV_THREADPOOL_SIZE ??= '12';
let cachedData;
try {
  cachedData = readFileSync(`${__dirname}/program.${isBackup ? 'backup' : 'restore'}.cache`);
} catch {
  cachedData = undefined; // compiled as ever
}
const script = new vm.Script(
  `(function(exports,require,module,__filename,__dirname){${readFileSync(file, 'utf8')}\n})`,
  {
    filename: file,
    cachedData,
  },
);
// A backup is over before V8 has made up for optimising functions with all they call (measured, 200,000 files: 0.4 s of 1.5 s
// less on V8's own threads, and no more on the main one). Set behind the compiler's check that the code fits the flags. Flags of
// the garbage collector are left alone: changed while it runs, they end the process.
if (isBackup) require('node:v8').setFlagsFromString('--max-inlined-bytecode-size-cumulative=200');
script.runInThisContext()(module.exports, require, module, file, __dirname);

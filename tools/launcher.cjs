#!/usr/bin/env node
// Loads the program with the code that V8 made of it when it was built: compiling it anew takes a third of a short command's time.
'use strict';
// libuv reads the size of its thread pool at first use: walk, copy and compression each have reads and writes under way.
process.env.UV_THREADPOOL_SIZE ??= '12';
const { readFileSync } = require('node:fs');
const { join } = require('node:path');
const vm = require('node:vm');
const file = join(__dirname, 'program.js');
let cachedData;
try {
  cachedData = readFileSync(join(__dirname, 'program.cache'));
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
script.runInThisContext()(module.exports, require, module, file, __dirname);

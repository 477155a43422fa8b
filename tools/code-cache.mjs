// Makes dist/program.restore.cache and dist/program.backup.cache: V8's code of the program, for this machine's Node. Another Node
// refuses it and compiles as ever. Functions that have run are in it, too, so a small volume is backed up and a file of it restored:
// each in a process of its own, which gives its program's code out when it ends. Run by build.mjs.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import vm from 'node:vm';

const [, self, program, ...words] = process.argv;
if (words.length > 0) runProgram(words);
else runAll();

/** Backs up a volume of some files, and restores one of them. */
function runAll() {
  const folder = mkdtempSync(join(tmpdir(), 'reelmap-build-'));
  try {
    const image = join(folder, 'image');
    makeImage(folder, image);
    const home = ['--home', join(folder, 'home')];
    const to = ['--to', join(folder, 'to')];
    spawnSync(process.execPath, [self, program, 'backup', image, '--no-chunk-hash', ...home], { stdio: 'ignore' });
    spawnSync(process.execPath, [self, program, 'restore', 'latest', '/', ...to, ...home], { stdio: 'ignore' });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** An ext4 volume where there is mke2fs, else one that is no filesystem: fewer functions run then. */
function makeImage(folder, image) {
  const tree = join(folder, 'tree');
  for (let i = 0; i < 40; i++) {
    mkdirSync(join(tree, `directory ${i}`), { recursive: true });
    for (let k = 0; k < 40; k++) writeFileSync(join(tree, `directory ${i}`, `file${k}`), Buffer.alloc(k * 300, k));
  }
  const made = spawnSync('mke2fs', ['-q', '-F', '-t', 'ext4', '-d', tree, image, '32M'], {
    env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` },
  });
  if (made.status !== 0) writeFileSync(image, Buffer.alloc(1 << 20, 1));
}

function runProgram(own) {
  const source = readFileSync(program, 'utf8');
  const script = new vm.Script(`(function(exports,require,module,__filename,__dirname){${source}\n})`, {
    filename: program,
  });
  process.argv = [process.argv[0], program, ...own];
  process.on('exit', () => {
    writeFileSync(program.replace(/\.js$/, `.${own[0]}.cache`), script.createCachedData());
    process.exitCode = 0;
  });
  const module = { exports: {} };
  script.runInThisContext()(module.exports, createRequire(program), module, program, dirname(program));
}

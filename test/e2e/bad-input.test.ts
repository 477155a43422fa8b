// What a user may do wrong or find wrong, through the program as a process: exactly one line on standard error that names the
// thing and the remedy, the documented exit status, and earlier sets as they were.
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, type TestContext } from 'vitest';
import { crc32cRaw } from '../../src/bytes/crc32c.ts';
import { openCartridge } from '../../src/target/virtual-library/cartridge.ts';
import {
  expectBaseIntact,
  expectFailure,
  type Ground,
  homeCopy,
  imageCopy,
  makeGround,
  makeVolume,
} from '../support/ground.ts';
import { canMount, withLoop, withMount } from '../support/mount.ts';
import { patterned } from '../support/mover.ts';
import { type Ended, mainPath, reelmap } from '../support/program.ts';
import { describeWithTools, requireRoot } from '../support/tools.ts';

const NOBODY = 65534;

let ground: Ground;
let home: string;
const run = (...args: (string | Uint8Array)[]): Ended => reelmap(args, { home, cwd: ground.folder });

const TOOLS = ['mke2fs', 'diff', 'cmp'];

beforeAll(() => {
  ground = makeGround();
  home = homeCopy(ground);
});

describeWithTools(TOOLS, 'a volume that cannot be backed up', () => {
  afterAll(() => expectBaseIntact(home, ground));

  it('is not there', () => {
    expectFailure(run('backup', 'nowhere.img'), 1, /nowhere\.img: there is no such volume; check the path$/);
    expectFailure(run('backup', 'vol.img/x'), 1, /vol\.img\/x: there is no such volume; check the path$/);
    expectFailure(run('backup', 'UUID=none'), 1, /UUID=none: there is no such volume; check the path$/);
    expectFailure(run('backup', Buffer.from('no\xff', 'latin1')), 2, /\$'no\\xff': the path is not UTF-8; rename it/);
  });

  it('is a folder, a pipe, a character device', () => {
    execFileSync('mkfifo', [join(ground.folder, 'pipe')]);
    expectFailure(run('backup', 'tree'), 1, /tree: is a directory and no mount point of a volume; name the volume/);
    expectFailure(run('backup', 'pipe'), 1, /pipe: is neither a file nor a block device; name a volume image/);
    expectFailure(run('backup', '/dev/null'), 1, /\/dev\/null: is neither a file nor a block device; name/);
  });

  it('is empty', () => {
    writeFileSync(join(ground.folder, 'empty.img'), '');
    expectFailure(run('backup', 'empty.img'), 1, /empty\.img: is empty; name a volume with a filesystem on it$/);
    expectFailure(run('backup', '-n', 'empty.img'), 1, /empty\.img: is empty/);
  });

  it('cannot be read by this user', (context) => {
    const image = imageCopy(ground, 'secret.img');
    chmodSync(image, 0o000);
    const asRoot = process.getuid?.() === 0;
    const own = mkdtempSync(join(ground.folder, 'own-'));
    if (asRoot) chownSync(own, NOBODY, NOBODY);
    const ended = reelmap(['backup', image], { home: own, ...(asRoot && { uid: NOBODY }) });
    if (ended.stderr.includes('Cannot find module')) context.skip('the tree is not readable for others');
    expectFailure(ended, 1, /secret\.img: cannot be opened: permission denied; run as a user who may, or as root$/);
  });

  it('is shorter than its superblock says', () => {
    truncateSync(imageCopy(ground, 'short.img'), 8 * 2 ** 20);
    const expected =
      /short\.img: ext4 superblock: the filesystem has 16777216 bytes, the volume only 8388608: the image is cut short; copy it again, whole$/;
    expectFailure(run('backup', 'short.img'), 1, expected);
  });

  it('is to be indexed and cannot be', () => {
    writeFileSync(join(ground.folder, 'junk.img'), patterned(100_000, 7));
    const line = /junk\.img: cannot be indexed: no filesystem .* was recognised; leave --require-index out/;
    expectFailure(run('backup', 'junk.img', '--require-index'), 1, line);
  });

  it('with another that can: that is done, and the exit status tells', () => {
    const { status, stdout, stderr } = run('backup', 'nowhere.img', 'vol.img');
    expect(status).toBe(1);
    expect(stdout).toMatch(/^set [0-9a-f]{8} of base: /);
    expect(stderr.match(/^reelmap: .*$/gm)).toEqual(['reelmap: nowhere.img: there is no such volume; check the path']);
  });
});

describeWithTools(TOOLS, 'a volume that cannot be indexed is copied whole', () => {
  const wholeLine = (name: string, reason: string): RegExp =>
    new RegExp(
      `${name}: copied whole, not indexed file by file: .*${reason}.*; \`reelmap restore-volume\` brings it back$`,
      'm',
    );

  it.each([
    ['random bytes', 'junk2.img', () => patterned(100_000, 8), 'no filesystem'],
    [
      'unknown filesystem features',
      'feature.img',
      () => {
        const image = readFileSync(ground.image);
        image.writeUInt32LE(image.readUInt32LE(1024 + 0x60) | 0x4000_0000, 1024 + 0x60); // s_feature_incompat
        image.writeUInt32LE(crc32cRaw(0xffff_ffff, image.subarray(1024, 1024 + 0x3fc)), 1024 + 0x3fc); // s_checksum
        return image;
      },
      'it has the feature FEATURE_I30',
    ],
  ] as const)('%s: with the reason, exit status 3, and it comes back', (_, name, make, reason) => {
    writeFileSync(join(ground.folder, name), make());
    const ended = run('backup', name, '--name', name);
    expect(ended.status).toBe(3);
    expect(ended.stderr).toMatch(wholeLine(name, reason));
    expect(run('ls', name)).toMatchObject({ status: 0, stdout: 'volume.img\n' });
    expect(run('restore-volume', name, `${name}.back`).status).toBe(0);
    expect(readFileSync(join(ground.folder, `${name}.back`)).equals(readFileSync(join(ground.folder, name)))).toBe(
      true,
    );
  });
});

/** Mounts an image writable; skips the test where that cannot be. */
function whileMounted(context: TestContext, image: string, use: (mountPoint: string) => void): void {
  requireRoot(context);
  const mountPoint = mkdtempSync(join(ground.folder, 'mount-'));
  if (!canMount(image, mountPoint, 'rw')) context.skip('no loop mounts here');
  withMount(image, mountPoint, 'rw', () => use(mountPoint));
}

describeWithTools(TOOLS, 'what is mounted writable', () => {
  it('is not backed up: the image, other names of it, its loop device, its mount point', (context) => {
    const image = imageCopy(ground, 'mounted.img');
    symlinkSync(image, join(ground.folder, 'mounted-link.img'));
    execFileSync('ln', [image, join(ground.folder, 'mounted-hard.img')]);
    whileMounted(context, image, (mountPoint) => {
      const device = spawnSync('losetup', ['-j', image, '-O', 'NAME', '-n'], { encoding: 'utf8' }).stdout.trim();
      const line =
        /: is mounted writable at .*mount-\w+; unmount it, remount it read-only, or back up a snapshot of it$/;
      for (const word of ['mounted.img', 'mounted-link.img', 'mounted-hard.img', device, mountPoint])
        expectFailure(run('backup', word), 1, line);
      expectFailure(run('verify', 'base', '--against', image), 1, line);
    });
    expect(run('backup', image, '-n').status).toBe(0);
  });

  it('is not restored to, --overwrite or not, by any of its names', (context) => {
    const image = imageCopy(ground, 'in-use.img');
    const before = (): Buffer => readFileSync(join(ground.folder, 'in-use.img'));
    whileMounted(context, image, () => {
      const content = before();
      const device = spawnSync('losetup', ['-j', image, '-O', 'NAME', '-n'], { encoding: 'utf8' }).stdout.trim();
      for (const word of ['in-use.img', image, device])
        expectFailure(run('restore-volume', 'base', word, '--overwrite'), 1, /: is mounted at .*; unmount it first$/);
      expect(before().equals(content)).toBe(true);
    });
  });
});

describeWithTools(TOOLS, 'a set or a path that is not there', () => {
  it.each([
    [['ls', 'nope'], /set nope: no set "nope"; there are volumes .*base.*; `reelmap sets` lists them$/],
    [['restore', 'nope', '/', '--to', 'x'], /set nope: no set "nope"/],
    [['restore-volume', 'nope', 'x.img'], /set nope: no set "nope"/],
    [['verify', 'nope'], /set nope: no set "nope"/],
    [['plan', 'nope', '/'], /set nope: no set "nope"/],
    [['sets', 'drop', 'nope'], /set nope: no set "nope"/],
    [['find', 'x', '--set', 'nope'], /set nope: no set "nope"/],
    [['find', 'x', '--volume', 'nope'], /volume nope: has no sets; `reelmap sets` lists them$/],
    [['tape', 'export-files', 'nope', 'x'], /set nope: no set "nope"/],
    [['ls', 'base', '/nope'], /\/nope: no such file or directory in set [0-9a-f]{8}; `reelmap find NAME` looks for it/],
    [['stat', 'base', '/docs/nope'], /\/docs\/nope: no such file or directory in set/],
    [['plan', 'base', '/nope'], /\/nope: no such file or directory in the set; `reelmap ls` and `reelmap find` tell/],
    [['restore', 'base', '/docs', '/nope', '--to', 'x'], /\/nope: no such file or directory in the set/],
    [['tape', 'files', 'NOPE'], /cartridge NOPE: there is none of that barcode; `reelmap tape ls` lists them$/],
    [['tape', 'load', 'NOPE'], /cartridge NOPE: there is none of that barcode/],
    [['backup', '--abandon', 'vol.img'], /vol\.img: has no unfinished backup; `reelmap status` lists those there are$/],
    [
      ['backup', 'vol.img', '--cartridge', 'NOPE'],
      /no cartridge left to write to \(NOPE: not in the library\); add a blank/,
    ],
    [['index', 'rebuild', '--cartridge', 'NOPE'], /cartridge NOPE: not in the library; put it in/],
  ])('%j', (words, line) => {
    expectFailure(run(...words), 1, line);
    expect(readdirSync(ground.folder)).not.toContain('x');
  });

  it('in a home without anything says what makes a set', () => {
    const empty = mkdtempSync(join(ground.folder, 'empty-'));
    const inEmpty = (...words: string[]): Ended => reelmap(words, { home: empty });
    for (const words of [
      ['ls', 'base'],
      ['restore', 'base', '/', '--to', 'x'],
      ['verify', 'base'],
      ['index', 'check'],
    ])
      expectFailure(
        inEmpty(...words),
        1,
        /there (is no backup set|are no sets) yet; `reelmap backup VOLUME` makes one$/,
      );
    expectFailure(inEmpty('index', 'rebuild'), 1, /there is no tape library yet; `reelmap backup VOLUME`/);
    expect(readdirSync(empty)).toEqual([]);
  });
});

describeWithTools(TOOLS, 'a destination that is there', () => {
  it('of a file: refused, and replaced with --overwrite', () => {
    mkdirSync(join(ground.folder, 'to'));
    writeFileSync(join(ground.folder, 'to/f1'), 'mine');
    expectFailure(
      run('restore', 'base', '/docs/f1', '--to', 'to'),
      1,
      /f1: exists in the destination; use --overwrite/,
    );
    expect(readFileSync(join(ground.folder, 'to/f1'), 'utf8')).toBe('mine');
    expect(run('restore', 'base', '/docs/f1', '--to', 'to', '--overwrite').status).toBe(0);
    expect(readFileSync(join(ground.folder, 'to/f1')).equals(readFileSync(join(ground.tree, 'docs/f1')))).toBe(true);
  });

  it('of a volume: refused, and replaced with --overwrite', () => {
    writeFileSync(join(ground.folder, 'other.img'), patterned(50_000, 3));
    const line =
      /other\.img: (is not blank|is 50000 bytes, the volume 16777216); (use --overwrite|name a larger target)/;
    expectFailure(run('restore-volume', 'base', 'other.img'), 1, line);
    expectFailure(run('restore-volume', 'base', 'vol.img'), 1, /vol\.img: is not blank; use --overwrite to replace/);
    expect(statSync(join(ground.folder, 'other.img')).size).toBe(50_000);
    expect(run('restore-volume', 'base', 'other.img', '--overwrite').status).toBe(0);
    expect(spawnSync('cmp', [join(ground.folder, 'other.img'), ground.image]).status).toBe(0);
  });

  it('of exported tape files: refused', () => {
    expectFailure(
      run('tape', 'export-files', 'base', 'to'),
      1,
      /to: is not empty; name a new folder, or use --overwrite$/,
    );
  });

  it('is no folder, no volume, or cannot be made', () => {
    expectFailure(
      run('restore', 'base', '/docs/f1', '--to', 'vol.img'),
      1,
      /vol\.img: is not a directory; name a folder/,
    );
    expectFailure(
      run('restore', 'base', '/docs/f1', '--to', '/proc/x/y'),
      1,
      /\/proc\/x\/y: cannot be made there; name/,
    );
    expectFailure(
      run('restore-volume', 'base', 'tree'),
      1,
      /tree: is neither a file nor a block device; name an image/,
    );
    expectFailure(
      run('restore-volume', 'base', 'no/x.img'),
      1,
      /no\/x\.img: its folder is not there; make it, or name/,
    );
    expectFailure(run('tape', 'export-files', 'base', 'vol.img'), 1, /vol\.img: is no folder; name another folder$/);
    expectFailure(
      run('tape', 'export-files', 'base', '/proc/x'),
      1,
      /\/proc\/x: cannot be made: .*; name another folder$/,
    );
  });

  it('cannot be written by this user', (context) => {
    requireRoot(context);
    const own = homeCopy(ground);
    execFileSync('chown', ['-R', `${NOBODY}:${NOBODY}`, own]);
    const asNobody = (...args: string[]): Ended => reelmap(args, { home: own, cwd: ground.folder, uid: NOBODY });
    const first = asNobody('restore', 'base', '/docs', '--to', 'tree');
    if (first.stderr.includes('Cannot find module')) return context.skip('the tree is not readable for others');
    expectFailure(first, 1, /tree: permission denied; name a folder that can be written with --to$/);
    expectFailure(
      asNobody('restore', 'base', '/docs', '--to', 'tree/new'),
      1,
      /tree\/new: permission denied; name a folder/,
    );
    expectFailure(
      asNobody('restore-volume', 'base', 'new.img'),
      1,
      /new\.img: permission denied; run as a user who may/,
    );
    expectFailure(
      asNobody('restore-volume', 'base', 'vol.img', '--overwrite'),
      1,
      /vol\.img: .*permission denied; run as/,
    );
    expectFailure(asNobody('tape', 'export-files', 'base', 'tree/x'), 1, /tree\/x: cannot be made: permission denied/);
  });
});

describeWithTools(TOOLS, 'a cartridge that is not the right one', () => {
  const cartridge = (of: string, barcode: string): string => join(of, 'library/cartridges', barcode);

  /** A home whose first cartridge has been tampered with; its volume cannot be had then, and says why in one line. */
  function expectNothingBack(own: string, reason: RegExp): void {
    const to = mkdtempSync(join(ground.folder, 'none-'));
    const words = [
      ['restore', 'base', '/docs', '--to', to],
      ['restore-volume', 'base', join(to, 'v.img')],
    ];
    for (const one of words) {
      const { status, stderr } = reelmap(one, { home: own });
      expect({ status, lines: stderr.trimEnd().split('\n') }).toEqual({
        status: 3,
        lines: [expect.stringMatching(new RegExp(`^not restored: .*: cartridge RM0001L9: ${reason.source}`))],
      });
    }
    expect(readdirSync(join(to, 'docs')).filter((name) => name !== 'sub')).toEqual([]);
    // The index still answers.
    expect(reelmap(['ls', 'base', '/docs/sub'], { home: own }).stdout).toBe('big\n');
  }

  it('outside the library', () => {
    const own = homeCopy(ground);
    expect(reelmap(['tape', 'export', 'RM0001L9'], { home: own }).status).toBe(0);
    expectNothingBack(own, /outside the library; `reelmap tape import RM0001L9` takes it in/);
    const line = /cartridge RM0001L9: outside the library; `reelmap tape import RM0001L9` takes it in$/;
    // Its own result, not a failure: other cartridges of the set would have been read.
    const verified = reelmap(['verify', 'base'], { home: own });
    expect(verified).toMatchObject({ status: 1, stderr: '' });
    expect(verified.stdout).toMatch(/^not read: .*: cartridge RM0001L9: outside the library; .* takes it in$/m);
    expectFailure(reelmap(['tape', 'load', 'RM0001L9'], { home: own }), 1, line);
    expect(reelmap(['tape', 'import'], { home: own }).status).toBe(0);
    expectBaseIntact(own, ground);
  });

  it('blank: labelled anew, or emptied', () => {
    const own = homeCopy(ground);
    for (const name of ['data', 'map'])
      copyFileSync(join(cartridge(own, 'RM0005L9'), name), join(cartridge(own, 'RM0001L9'), name));
    expectNothingBack(own, /it is blank: what the set had on it is gone/);
    expectFailure(
      reelmap(['tape', 'label', 'RM0001L9', '--capacity', '1G'], { home: own }),
      1,
      /cartridge RM0001L9: is there already/,
    );
  });

  it('with another label', () => {
    const own = homeCopy(ground);
    expect(reelmap(['tape', 'label', 'RM0002L9'], { home: own }).status).toBe(0);
    for (const name of ['data', 'map'])
      copyFileSync(join(cartridge(own, 'RM0002L9'), name), join(cartridge(own, 'RM0001L9'), name));
    expectNothingBack(own, /it was labelled anew on [0-9-]+: what the set had on it is gone/);
    const { status, stderr } = reelmap(['backup', ground.image, '--cartridge', 'RM0001L9'], { home: own });
    expect(status).toBe(1);
    expect(stderr).toMatch(/RM0001L9: its label says RM0002L9\); add a blank one and run the same command again$/m);
  });

  it('foreign: something else is on it', async () => {
    const own = homeCopy(ground);
    await foreign(own, 'RM0001L9');
    expectNothingBack(own, /it was not written by reelmap: a tar archive that begins with/);
    await foreign(own, 'RM0002L9');
    const line =
      /\(RM0002L9: not ours: a tar archive that begins with .*\); add a blank one and run the same command again$/;
    expectFailure(reelmap(['backup', ground.image, '--cartridge', 'RM0002L9'], { home: own }), 1, line);
    const label = /cartridge RM0002L9: holds something else: a tar archive .*; use another, or --overwrite$/;
    expectFailure(reelmap(['tape', 'label', 'RM0002L9'], { home: own }), 1, label);
    const files =
      /cartridge RM0002L9: was not written by reelmap: .*`reelmap tape label RM0002L9 --overwrite` makes it ready/;
    expectFailure(reelmap(['tape', 'files', 'RM0002L9'], { home: own }), 1, files);
  });

  /** Puts what GNU tar writes where the label is. */
  async function foreign(own: string, barcode: string): Promise<void> {
    const tar = execFileSync('tar', ['-b', '20', '-cf', '-', '-C', ground.tree, 'docs/f1']);
    const { medium } = await openCartridge(join(own, 'library/cartridges'), barcode, { command: 'test' });
    await using tape = medium;
    await tape.append(tar);
    await tape.writeFilemarks(1);
    await tape.flush();
  }

  it('gone from the disk, or with a torn map: named, and the others serve', () => {
    const own = homeCopy(ground);
    renameSync(cartridge(own, 'RM0001L9'), join(own, 'elsewhere'));
    const gone = reelmap(['restore', 'base', '/docs/f1', '--to', join(own, 'x')], { home: own });
    expect(gone.status).not.toBe(0);
    expect(gone.stderr.trimEnd().split('\n')).toHaveLength(1);
    expect(gone.stderr).toMatch(/cartridge RM0001L9/);
    renameSync(join(own, 'elsewhere'), cartridge(own, 'RM0001L9'));
    writeFileSync(join(cartridge(own, 'RM0001L9'), 'map'), 'torn');
    const torn = reelmap(['restore', 'base', '/docs', '--to', join(own, 'y')], { home: own });
    expect(torn.status).not.toBe(0);
    expect(torn.stderr.trimEnd().split('\n')).toHaveLength(1);
    expect(torn.stderr).toMatch(/cartridge RM0001L9/);
    // Another cartridge takes the next backup.
    expect(reelmap(['backup', ground.image, '--cartridge', 'RM0002L9'], { home: own }).status).toBe(0);
    expectBaseIntact(own, ground);
  });
});

describeWithTools(TOOLS, 'a state directory that cannot be used', () => {
  const reading = [
    ['sets'],
    ['ls', 'base'],
    ['restore', 'base', '/', '--to', 'x'],
    ['verify', 'base'],
    ['status'],
    ['tape', 'ls'],
    ['index', 'rebuild'],
    ['index', 'check'],
  ];

  it('not writable: named, with the remedy', (context) => {
    requireRoot(context);
    const own = homeCopy(ground);
    chmodSync(own, 0o755);
    execFileSync('chmod', ['-R', 'go+rX,go-w', own]);
    const asNobody = (...args: string[]): Ended => reelmap(args, { home: own, cwd: ground.folder, uid: NOBODY });
    const first = asNobody('backup', 'vol.img');
    if (first.stderr.includes('Cannot find module')) return context.skip('the tree is not readable for others');
    const line =
      /home-\w+(\/\w+)?: the state directory cannot be written: permission denied; run as root, or name another with --home or \$REELMAP_HOME$/;
    for (const words of [['backup', 'vol.img'], ['tape', 'label', 'X1'], ...reading])
      expectFailure(asNobody(...words), 1, line);
    chmodSync(join(own, 'index'), 0o700);
    expectFailure(asNobody('sets'), 1, /index: the state directory cannot be read: permission denied; run as root/);
    chmodSync(own, 0o700);
    for (const words of reading)
      expectFailure(asNobody(...words), 1, /home-\w+: the state directory cannot be read: permission/);
    expectBaseIntact(own, ground);
  });

  it('not to be made, or a file', () => {
    const file = join(ground.folder, 'vol.img');
    for (const [bad, words] of [
      [file, 'a file is where a directory should be'],
      [join(file, 'x'), 'a file is where a directory should be'],
    ]) {
      for (const one of [['backup', ground.image], ...reading])
        expectFailure(
          reelmap(one, { home: bad }),
          1,
          new RegExp(`: the state directory cannot be (read|written): ${words}; name another`),
        );
    }
    expectFailure(
      reelmap(['backup', ground.image], { home: '/proc/nothing' }),
      1,
      /\/proc\/nothing: the state directory cannot be written: there is no such place/,
    );
  });

  it('read-only', (context) => {
    requireRoot(context);
    const image = join(ground.folder, 'home.img');
    makeVolume(image, home, 64 * 2 ** 20);
    const at = mkdtempSync(join(ground.folder, 'ro-'));
    if (!canMount(image, at, 'ro')) return context.skip('no loop mounts here');
    withMount(image, at, 'ro', () => {
      const line = /ro-\w+(\/\w+)?: the state directory cannot be written: the file system is read-only; name another/;
      for (const one of [['backup', ground.image], ...reading]) expectFailure(reelmap(one, { home: at }), 1, line);
    });
  });
});

describeWithTools(TOOLS, 'a block device as target', () => {
  it('is refused while something has it, and keeps or loses what the set does not store, as asked', async (context) => {
    requireRoot(context);
    const image = join(ground.folder, 'device.img');
    const noise = patterned(statSync(ground.image).size, 5);
    writeFileSync(image, noise);
    const used = await withLoop(image, (device) => {
      expectFailure(
        run('restore-volume', 'base', device),
        1,
        /\/dev\/loop\d+: is not blank; use --overwrite to replace/,
      );
      const kept = run('restore-volume', 'base', device, '--overwrite');
      expect(kept).toMatchObject({ status: 0 });
      expect(kept.stderr).toMatch(/blocks that no file of the volume uses keep what they held; --zero clears them$/m);
      expect(spawnSync('e2fsck', ['-fn', device]).status).toBe(0);
      expect(spawnSync('cmp', [device, ground.image]).status).toBe(1);
      expect(run('restore-volume', 'base', device, '--overwrite', '--zero')).toMatchObject({ status: 0, stderr: '' });
      expect(spawnSync('cmp', [device, ground.image]).status).toBe(0);
      const holding = spawnSync(
        'python3',
        ['-c', HOLD, device, process.execPath, mainPath(), 'restore-volume', 'base', device, '--overwrite'],
        { encoding: 'utf8', env: { ...process.env, REELMAP_HOME: home } },
      );
      expect(holding).toMatchObject({
        status: 1,
        stderr: `reelmap: ${device}: is in use; stop what uses it first (lsblk, fuser)\n`,
      });
      return true;
    });
    if (used === undefined) context.skip('no loop devices here');
  });

  /** Runs a command while it holds the device for itself, as a mount elsewhere would. */
  const HOLD =
    'import os,subprocess,sys; os.open(sys.argv[1], os.O_RDONLY|os.O_EXCL); sys.exit(subprocess.call(sys.argv[2:]))';

  it('of a volume that was copied whole has zeros where the image had holes', async (context) => {
    requireRoot(context);
    const sparse = join(ground.folder, 'sparse.img');
    writeFileSync(sparse, patterned(300_000, 4));
    truncateSync(sparse, 4 * 2 ** 20);
    expect(run('backup', sparse, '--name', 'sparse').status).toBe(3);
    const target = join(ground.folder, 'sparse-target.img');
    writeFileSync(target, patterned(4 * 2 ** 20, 6));
    const used = await withLoop(target, (device) => {
      expect(run('restore-volume', 'sparse', device, '--overwrite')).toMatchObject({ status: 0, stderr: '' });
      expect(spawnSync('cmp', [device, sparse]).status).toBe(0);
      return true;
    });
    if (used === undefined) context.skip('no loop devices here');
  });
});

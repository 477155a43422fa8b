// Disks by the program itself: parts by `#`, restores into a part, restore.py, devices in use, and what a killed run leaves.
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it, type TestContext } from 'vitest';
import { makeImage } from '../filesystem/ext4/support/images.ts';
import { MIB, putInto, saidBySfdisk, sfdiskDisk, withLoop } from '../filesystem/partition/support/disks.ts';
import { canMount } from '../support/mount.ts';
import { patterned } from '../support/mover.ts';
import { type Ended, reelmap, startReelmap } from '../support/program.ts';
import { describeWithTools, requireRoot, requireTools, tempFolder } from '../support/tools.ts';

const folder = tempFolder();
const home = join(folder, 'home');
const disk = join(folder, 'disk.img');
const trees = [1, 2].map((number) => join(folder, `tree${number}`));

const run = (...args: readonly string[]): Ended => reelmap(args, { home, cwd: folder });
const json = (...args: readonly string[]): unknown => {
  const { status, stdout, stderr } = run(...args, '--json');
  expect([0, 3], `${args.join(' ')}: ${stderr}`).toContain(status);
  return JSON.parse(stdout);
};

function makeDisk(): void {
  const path = sfdiskDisk(folder, 24 * MIB, 'label: dos\nd1: size=6M\nd2: size=14M,type=5\nd5: size=6M\nd6: size=1M\n');
  copyFileSync(path, disk);
  const { partitions } = saidBySfdisk(disk);
  for (const [i, tree] of trees.entries()) {
    mkdirSync(join(tree, 'same'), { recursive: true });
    writeFileSync(join(tree, 'same/name'), `of part ${i}\n`);
    writeFileSync(join(tree, 'large'), patterned(700_000, i));
    const mke2fs = ['-t', 'ext4', '-b', '1024', '-L', `part${i}`, '-O', '^has_journal'];
    const image = makeImage(folder, { size: 6 * MIB, mke2fs, tree });
    putInto(disk, partitions[i].start, image.path);
  }
}

describeWithTools(['mke2fs', 'sfdisk', 'python3', 'e2fsck'], 'reelmap on disks', () => {
  beforeAll(() => {
    makeDisk();
    expect(run('backup', 'disk.img', '--name', 'whole').status).toBe(3); // partition 6 is nothing that is known
  });

  it('ls, ls -l, find, stat and sets tell the filesystems apart', () => {
    expect(run('ls', 'whole').stdout).toBe('1\n5\n6\n');
    expect(run('ls', 'whole', '-l').stdout).toMatch(
      / 1 {2}\(ext4 "part0" [0-9a-f-]{36}\)\n.* 5 {2}\(ext4 "part1" .*\)\n.* 6 {2}\(unknown\)/,
    );
    expect(run('ls', 'whole', '/5').stdout).toBe('large\nlost+found\nsame\n');
    expect(run('ls', 'whole', '/same', '--partition', '5').stdout).toBe('name\n');
    expect(run('find', '--set', 'whole', 'name').stdout).toBe('/1/same/name\n/5/same/name\n');
    expect(run('find', '--set', 'whole', '/5/*').stdout).toBe('/5/large\n/5/lost+found\n/5/same\n');
    expect(run('find', '--set', 'whole', '--problems').stdout).toMatch(/^\/6\/volume\.img: copied whole/);
    expect(run('stat', 'whole', '/5/same/name').stdout).toMatch(/^within {5}\/5 \(ext4 "part1"/m);
    expect(run('sets').stdout).toMatch(/^ {10}\/1 {16}ext4 "part0" [0-9a-f-]{36}, 4 files\n/m);
    expect(run('sets').stdout).toMatch(/^ {10}\/6 {16}unknown, copied whole: /m);
    expect(json('stat', 'whole', '/1')).toMatchObject({
      within: { number: 1, path: '/1', type: 'ext4', label: 'part0' },
    });
    const [{ disk: record, filesystems }] = json('sets') as [{ disk: unknown; filesystems: { path: string }[] }];
    expect(record).toMatchObject({ type: 'dos', id: expect.stringMatching(/^0x[0-9a-f]{8}$/) });
    expect(filesystems.map(({ path }) => path)).toEqual(['/1', '/5', '/6']);
    const missing = run('ls', 'whole', '--partition', '7');
    expect([missing.status, missing.stderr]).toEqual([1, expect.stringContaining('has no partition 7')]);
    expect(run('ls', 'whole', '--partition', 'vg/x').stderr).toContain('it has 1, 5, 6');
  });

  it('restores one file, one filesystem, and all of them under their names', () => {
    expect(run('restore', 'whole', '/5/same/name', '--to', 'one').status).toBe(0);
    expect(readFileSync(join(folder, 'one/name'), 'latin1')).toBe('of part 1\n');
    expect(run('restore', 'whole', '/', '--partition', '1', '--to', 'first').status).toBe(0);
    expect(spawnSync('diff', ['-r', '-x', 'lost+found', trees[0], join(folder, 'first')]).status).toBe(0);
    expect(run('restore', 'whole', '/', '--to', 'all').status).toBe(3);
    for (const [i, name] of ['1', '5'].entries())
      expect(spawnSync('diff', ['-r', '-x', 'lost+found', trees[i], join(folder, 'all', name)]).status).toBe(0);
    expect(readdirSync(join(folder, 'all/6'))).toEqual(['volume.img']);
  });

  it('restore.py on the tape brings files back by the same paths', () => {
    const cartridges = join(home, 'library/cartridges');
    const tape = join(cartridges, readdirSync(cartridges)[0]);
    const script = join(process.cwd(), 'index-format/restore.py');
    const set = (json('sets') as { set: string }[])[0].set;
    const python = (...args: readonly string[]): string =>
      execFileSync('python3', [script, tape, ...args, '--set', set], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
      });
    const listed = python('list', '--files');
    expect(listed).toContain('\t/1/same/name\n');
    expect(listed).toContain('\t/5\n');
    python('file', '/5/same/name', join(folder, 'by-python'));
    expect(readFileSync(join(folder, 'by-python'), 'latin1')).toBe('of part 1\n');
    python('file', '/same/name', join(folder, 'by-number'), '--filesystem', '1');
    expect(readFileSync(join(folder, 'by-number'), 'latin1')).toBe('of part 0\n');
    expect(() => python('file', '/same/name', join(folder, 'none'))).toThrow(/not in set/);
  });

  it('restore-volume gives the disk back; verify finds it equal', () => {
    expect(run('restore-volume', 'whole', 'back.img').status).toBe(0);
    expect(saidBySfdisk(join(folder, 'back.img'))).toEqual(saidBySfdisk(disk));
    expect(run('verify', 'whole', '--against', 'disk.img').stdout).toContain('equal-to-snapshot');
    const changed = Buffer.from(readFileSync(disk));
    changed[saidBySfdisk(disk).partitions[2].start + 700] ^= 1;
    writeFileSync(join(folder, 'changed.img'), changed);
    const differing = run('verify', 'whole', '--against', 'changed.img');
    expect(differing.status).toBe(3);
    expect(differing.stdout).toContain('lost: /6/volume.img: ');
  });

  it('one part is a volume of its own: backed up, verified against, restored into a part', () => {
    expect(run('backup', 'disk.img#5').status).toBe(0);
    expect(run('ls', 'part1').stdout).toBe('large\nlost+found\nsame\n');
    expect(run('verify', 'part1', '--against', 'disk.img#5').stdout).toContain('equal-to-snapshot');
    const [{ identity, source }] = (json('sets') as { volume: string; identity: string; source: string }[]).filter(
      ({ volume }) => volume === 'part1',
    );
    expect(identity).toMatch(new RegExp(`^filesystem:ext4:[0-9a-f-]{36}:${6 * MIB}$`));
    expect(source).toBe(`${disk}#5`);
    const other = join(folder, 'other.img');
    copyFileSync(disk, other);
    const refused = run('restore-volume', 'part1', 'other.img#1');
    expect([refused.status, refused.stderr]).toEqual([1, expect.stringContaining('is not blank')]);
    expect(run('restore-volume', 'part1', 'other.img#1', '--overwrite').status).toBe(0);
    const [first, second] = saidBySfdisk(disk).partitions;
    const bytes = readFileSync(other);
    const original = readFileSync(disk);
    expect(Buffer.compare(bytes.subarray(0, first.start), original.subarray(0, first.start))).toBe(0);
    expect(Buffer.compare(bytes.subarray(second.start), original.subarray(second.start))).toBe(0);
    const part = join(folder, 'part.img');
    writeFileSync(part, bytes.subarray(first.start, first.start + first.byteLength));
    expect(spawnSync('e2fsck', ['-fn', part]).status).toBe(0);
    expect(run('verify', 'part1', '--against', 'other.img#1').stdout).toContain('equal-to-snapshot');
  });

  it('what is asked for and is not there is told in one line, with what there is', () => {
    for (const [word, words] of [
      ['disk.img#9', 'has no part 9; it has 1, 5, 6'],
      ['disk.img#', 'names no part behind the #'],
      ['part.img#1', 'has no partition table'],
    ]) {
      const { status, stderr } = run('backup', word);
      expect([status, stderr.trim().split('\n').length], word).toEqual([1, 1]);
      expect(stderr).toContain(words);
    }
    expect(run('backup', 'disk.img', 'part.img', '--partition', '1').status).toBe(2);
    const odd = join(folder, 'with#1');
    copyFileSync(disk, odd);
    expect(run('backup', '-n', 'with#1').stdout).toContain('dos disk'); // a file of that name is that file
  });

  it('backup -n says what each part is', () => {
    const plan = json('backup', '-n', 'disk.img') as { disk: unknown; filesystems: unknown[]; indexed: boolean };
    expect(plan).toMatchObject({ disk: { type: 'dos' }, indexed: false });
    expect(plan.filesystems).toMatchObject([
      { path: '/1', type: 'ext4', label: 'part0', reason: null },
      { path: '/5', type: 'ext4', label: 'part1', reason: null },
      { path: '/6', type: 'unknown', reason: expect.stringContaining('no filesystem') },
    ]);
    expect(run('backup', 'disk.img', '--require-index').stderr).toMatch(/cannot be indexed: \/6: no filesystem/);
    expect(run('backup', '-n', 'disk.img', '--partition', '1').stdout).toContain('ext4');
  });

  it('a disk of which one part is mounted writable is refused, its other parts are not', (context) => {
    const mountPoint = mountable(context);
    const { start, byteLength } = saidBySfdisk(disk).partitions[1];
    const busy = join(folder, 'busy.img');
    copyFileSync(disk, busy);
    execFileSync('mount', ['-o', `loop,offset=${start},sizelimit=${byteLength}`, busy, mountPoint]);
    try {
      for (const word of ['busy.img', 'busy.img#5']) {
        const { status, stderr } = run('backup', '-n', word);
        expect([status, stderr], word).toEqual([1, expect.stringContaining(`is mounted writable at ${mountPoint}`)]);
      }
      expect(run('backup', '-n', 'busy.img#1').status).toBe(0);
      expect(run('restore-volume', 'part1', 'busy.img#5', '--overwrite').stderr).toContain(
        `is mounted at ${mountPoint}`,
      );
      const rows = json('volumes', mountPoint) as { verdict: string; type: string; why: string }[];
      expect(rows).toMatchObject([
        { verdict: 'snapshot', type: 'ext4', why: expect.stringContaining('mounted writable') },
      ]);
      execFileSync('mount', ['-o', 'remount,ro', mountPoint]);
      expect(run('backup', '-n', 'busy.img').status).toBe(3);
    } finally {
      execFileSync('umount', [mountPoint]);
    }
  });

  it('volumes shows a loop device with the parts that the kernel has no devices for', (context) => {
    mountable(context);
    withLoop(disk, [], (device) => {
      const rows = json('volumes', device) as { volume: string; verdict: string; type: string; how: string }[];
      const parts = rows.filter(({ volume }) => volume.startsWith(`${device}#`));
      const ofKernel = rows[0];
      expect(ofKernel).toMatchObject({ volume: device, verdict: 'now', type: 'dos' });
      if (parts.length > 0) expect(parts.map(({ type }) => type)).toEqual(['ext4', 'ext4', '']);
      expect(run('volumes', device).stdout).toMatch(/can be backed up now \(3 parts, 1 of them not indexed/);
      expect(run('backup', '-n', `${device}#5`).status).toBe(0);
    });
  });

  it('a backup of a disk that was killed goes on', async (context) => {
    requireTools(context, 'cmp');
    const big = join(folder, 'big.img');
    copyFileSync(disk, big);
    const at = saidBySfdisk(disk).partitions[2].start;
    const bytes = readFileSync(big);
    Buffer.from(patterned(MIB, 5)).copy(bytes, at);
    writeFileSync(big, bytes);
    const chunks = ['--chunk-size', '128K', '--record-size', '64K', '--commit-every', '128K', '--name', 'big'];
    const { child, ended } = startReelmap(['backup', 'big.img', ...chunks, '--json'], { home, cwd: folder });
    child.stdout?.on('data', (text: string) => {
      if (text.includes('"committed"')) child.kill('SIGKILL');
    });
    expect((await ended).status).toBeNull();
    const again = run('backup', 'big.img', ...chunks, '--json');
    expect([0, 3]).toContain(again.status);
    expect(again.stdout).toMatch(/"event":"start".*"resumed":true/);
    expect(run('verify', 'big', '--against', 'big.img').stdout).toContain('equal-to-snapshot');
  });
});

/** A place to mount at; skips where loop mounts are not to be had. */
function mountable(context: TestContext): string {
  requireRoot(context);
  const mountPoint = join(tempFolder(), 'mount');
  mkdirSync(mountPoint);
  const image = makeImage(tempFolder(), { size: MIB, mke2fs: ['-t', 'ext2'] });
  if (!canMount(image.path, mountPoint, 'ro')) context.skip('no loop mounts here');
  return mountPoint;
}

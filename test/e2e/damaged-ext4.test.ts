// Damage in a filesystem costs the files it touches, by name and with its reason, and no other; the backup says so.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { debugfs, imageFolder, makeImage, run } from '../filesystem/ext4/support/images.ts';
import { noise } from '../filesystem/ext4/support/tree.ts';
import { Site } from '../support/site.ts';
import { describeWithTools, tempFolder } from '../support/tools.ts';

const MIB = 2 ** 20;
const folder = imageFolder();
const tree = join(folder, 'tree');
const NAMES = Array.from({ length: 40 }, (_, i) => `file${i}`);
const content = (i: number): Buffer => noise(500 + i * 300, i);

describeWithTools(['mke2fs', 'debugfs', 'dumpe2fs'], 'a damaged ext4', () => {
  let image: Buffer;
  let inodeAt: (path: string) => number;
  beforeAll(() => {
    mkdirSync(join(tree, 'd'), { recursive: true });
    for (const [i, name] of NAMES.entries()) writeFileSync(join(tree, 'd', name), content(i));
    const { path } = makeImage(folder, { size: 8 * MIB, mke2fs: ['-t', 'ext4', '-b', '1024', '-N', '128'], tree });
    image = readFileSync(path);
    const table = Number(/Inode table at (\d+)/.exec(run('dumpe2fs', [path]))?.[1]) * 1024;
    inodeAt = (file) => table + (Number(/Inode: (\d+)/.exec(debugfs(path, [`stat ${file}`]))?.[1]) - 1) * 256;
  });

  async function backUp(volume: Uint8Array): Promise<{ lost: string[]; partial: boolean; restored: string[] }> {
    const site = await Site.make({ cartridges: [{ barcode: 'RM1', capacity: 100 * MIB }] });
    const { manifest, partial } = await site.backup(new MemoryStore({ content: volume }), { recordSize: 65_536 });
    await using session = await site.open();
    const to = join(tempFolder(), 'back');
    const outcome = await session.restore(manifest.set, ['/d'], to);
    const restored = NAMES.filter((name, i) => {
      try {
        return readFileSync(join(to, 'd', name)).equals(content(i));
      } catch {
        return false;
      }
    });
    const lost = outcome.problems.map(({ path, reason }) => `${Buffer.from(path).toString('latin1')}: ${reason}`);
    return { lost, partial, restored };
  }

  it('that is whole loses nothing', async () => {
    expect(await backUp(image)).toEqual({ lost: [], partial: false, restored: NAMES });
  });

  it('loses the file of an inode with a wrong checksum', async () => {
    const volume = Buffer.from(image);
    volume[inodeAt('/d/file7') + 0x28] ^= 1;
    const { lost, partial, restored } = await backUp(volume);
    expect(partial).toBe(true);
    expect(restored).toEqual(NAMES.filter((name) => name !== 'file7'));
    expect(lost.join()).toMatch(/d\/file7: inode checksum wrong/);
  });

  it('loses the four files of a block of inodes that was overwritten with zeros, each by name', async () => {
    const volume = Buffer.from(image);
    const block = inodeAt('/d/file20') - (inodeAt('/d/file20') % 1024);
    volume.fill(0, block, block + 1024);
    const { lost, partial, restored } = await backUp(volume);
    expect(partial).toBe(true);
    const gone = NAMES.filter((name) => inodeAt(`/d/${name}`) >= block && inodeAt(`/d/${name}`) < block + 1024);
    expect(gone).toHaveLength(4);
    expect(restored).toEqual(NAMES.filter((name) => !gone.includes(name)));
    for (const name of gone) expect(lost.join('\n')).toMatch(new RegExp(`d/${name}: its inode is not in use`));
  });
});

// Volume groups made by LVM's own tools: where lvs says that a volume lies is where we read it, from the newest metadata there is.
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { totalBytes } from '../../../src/bytes/extents.ts';
import { mda_header, raw_locn } from '../../../src/filesystem/lvm/layouts.ts';
import { type Disk, readDisk } from '../../../src/filesystem/partition/disk.ts';
import { type MemoryVolume, memoryVolume } from '../../support/memory-volume.ts';
import { describeWithTools } from '../../support/tools.ts';
import { imageFolder } from '../ext4/support/images.ts';
import { MIB, saidBySfdisk } from '../partition/support/disks.ts';
import {
  INACTIVE,
  LVM_TOOLS,
  type Lvm,
  partitioned,
  requireLoops,
  saidByLvs,
  withLvm,
  withLvmOnFile,
} from './support/groups.ts';

const folder = imageFolder();

const loaded = (path: string): MemoryVolume => memoryVolume(readFileSync(path));

async function diskOf(volume: MemoryVolume): Promise<Disk> {
  const disk = await readDisk(volume.readAt, volume.bytes.length);
  if (disk === undefined) throw new Error('no disk');
  return disk;
}

const startsOf = (path: string): number[] => saidBySfdisk(path).partitions.map(({ start }) => start);
const partsOf = (disk: Disk) => new Map(disk.parts.map((part) => [part.path, part]));

/** Two physical volumes, a volume of three segments over both, one between, and free extents. */
function twoVolumes(lvm: Lvm): void {
  lvm.run('pvcreate', ...lvm.devices);
  lvm.run('vgcreate', '-s', '1M', 'vg', ...lvm.devices);
  lvm.run('lvcreate', ...INACTIVE, '-L', '16M', '-n', 'lin', 'vg', lvm.devices[0]);
  lvm.run('lvcreate', ...INACTIVE, '-L', '5M', '-n', 'with-dash', 'vg', lvm.devices[0]);
  lvm.run('lvextend', '-L', '+7M', 'vg/lin', lvm.devices[0]);
  lvm.run('lvextend', '-L', '+9M', 'vg/lin', lvm.devices[1]);
}

describeWithTools(LVM_TOOLS, 'a volume group', () => {
  it('linear volumes of several segments over two physical volumes lie where lvs says', async (context) => {
    requireLoops(context);
    const path = partitioned(folder, [40, 30, 4]);
    const starts = startsOf(path);
    const said = withLvm(folder, path, [1, 2], (lvm) => {
      twoVolumes(lvm);
      const [{ vg_free }] = lvm.report('vgs', 'vg_free', 'vg');
      return { segments: saidByLvs(lvm, 'vg', starts), free: Number(vg_free) };
    });
    const disk = await diskOf(loaded(path));
    expect(disk.parts.map(({ number, path: name }) => [number, name])).toEqual([
      [3, '/3'],
      [32_768, '/vg/lin'],
      [32_769, '/vg/with-dash'],
    ]);
    expect(said.segments.get('lin')).toHaveLength(3);
    for (const [name, segments] of said.segments) expect(partsOf(disk).get(`/vg/${name}`)?.segments).toEqual(segments);
    expect(totalBytes(disk.free)).toBe(said.free);
    expect(disk.physicalVolumes.map(({ number }) => number)).toEqual([1, 2]);
    expect([disk.type, disk.notes, disk.doubtful]).toEqual(['gpt', [], false]);
  });

  it('a physical volume without a partition table is a disk of type lvm', async (context) => {
    requireLoops(context);
    let uuid = '';
    const path = withLvmOnFile(folder, 32 * MIB, (lvm) => {
      lvm.run('pvcreate', ...lvm.devices);
      lvm.run('vgcreate', '-s', '4M', 'data', ...lvm.devices);
      lvm.run('lvcreate', ...INACTIVE, '-l', '100%FREE', '-n', 'all', 'data');
      uuid = lvm.report('pvs', 'pv_uuid')[0].pv_uuid;
    });
    const disk = await diskOf(loaded(path));
    expect([disk.type, disk.id]).toEqual(['lvm', uuid]);
    expect(disk.parts).toMatchObject([{ path: '/data/all', segments: [{ volumeOffset: MIB, byteLength: 28 * MIB }] }]);
  });

  it('the newest metadata counts, on whichever physical volume it stands', async (context) => {
    requireLoops(context);
    const path = partitioned(folder, [20, 20]);
    const [first] = startsOf(path);
    let old = Buffer.alloc(0);
    withLvm(folder, path, [1, 2], (lvm) => {
      lvm.run('pvcreate', ...lvm.devices);
      lvm.run('vgcreate', '-s', '1M', 'vg', ...lvm.devices);
    });
    old = readFileSync(path).subarray(first, first + MIB);
    withLvm(folder, path, [1, 2], (lvm) => lvm.run('lvcreate', ...INACTIVE, '-L', '2M', '-n', 'new', 'vg'));
    const volume = loaded(path);
    old.copy(volume.bytes, first);
    expect([...partsOf(await diskOf(volume)).keys()]).toEqual(['/vg/new']);
  });

  it('metadata that wraps around the end of its area is read', async (context) => {
    requireLoops(context);
    const states: Buffer[] = [];
    const path = withLvmOnFile(folder, 16 * MIB, (lvm, file) => {
      lvm.run('pvcreate', '--metadatasize', '60k', '--dataalignment', '64k', ...lvm.devices);
      lvm.run('vgcreate', '-s', '64k', 'vg', ...lvm.devices);
      const volumes = 12;
      for (let i = 0; i < volumes; i++) lvm.run('lvcreate', ...INACTIVE, '-l', '1', '-n', `v${i}`, 'vg');
      for (let i = 0; i < 8; i++) {
        lvm.run('vgchange', '--addtag', `tag${i}`, 'vg');
        lvm.run('lvchange', '--addtag', 'x'.repeat(900), `vg/v${i}`);
        states.push(readFileSync(file));
      }
    });
    states.push(readFileSync(path));
    const wraps = states.filter((bytes) => {
      const view = new DataView(bytes.buffer, bytes.byteOffset + 4096, 512);
      const at = mda_header.byteLength;
      return raw_locn.offset.get(view, at) + raw_locn.size.get(view, at) > mda_header.size.get(view, 0);
    });
    expect(wraps.length).toBeGreaterThan(0);
    for (const bytes of states) {
      const disk = await diskOf(memoryVolume(bytes));
      expect([disk.parts.length, disk.notes]).toEqual([12, []]);
    }
  });

  it('two copies of the metadata on one physical volume, none on the other', async (context) => {
    requireLoops(context);
    const path = partitioned(folder, [20, 20]);
    const [first, second] = startsOf(path);
    const said = withLvm(folder, path, [1, 2], (lvm) => {
      lvm.run('pvcreate', '--pvmetadatacopies', '2', lvm.devices[0]);
      lvm.run('pvcreate', '--pvmetadatacopies', '0', lvm.devices[1]);
      lvm.run('vgcreate', '-s', '1M', 'vg', ...lvm.devices);
      lvm.run('lvcreate', ...INACTIVE, '-L', '3M', '-n', 'there', 'vg', lvm.devices[1]);
      return saidByLvs(lvm, 'vg', [first, second]);
    });
    const volume = loaded(path);
    expect(partsOf(await diskOf(volume)).get('/vg/there')?.segments).toEqual(said.get('there'));
    volume.bytes[first + 4096 + 4] ^= 1; // the first copy's header
    const disk = await diskOf(volume);
    expect(partsOf(disk).get('/vg/there')?.segments).toEqual(said.get('there'));
    expect(disk.notes).toEqual([expect.stringMatching(/^\/1: metadata of physical volume .*checksum of its header/)]);
  });

  it('every kind that is not linear is named with its reason, and what is internal is not named', async (context) => {
    requireLoops(context);
    const path = partitioned(folder, [100, 100]);
    withLvm(folder, path, [1, 2], (lvm) => {
      lvm.run('pvcreate', ...lvm.devices);
      lvm.run('vgcreate', '-s', '1M', 'vg', ...lvm.devices);
      lvm.run('lvcreate', ...INACTIVE, '-L', '16M', '-n', 'lin', 'vg', lvm.devices[0]);
      lvm.run('lvcreate', ...INACTIVE, '-i', '2', '-L', '8M', '-n', 'str', 'vg');
      lvm.rewrite('vg', withOtherKinds);
      const types = lvm.report('lvs', 'lv_name,segtype', 'vg');
      expect(types).toContainEqual({ lv_name: 'mir', segtype: 'raid1' }); // LVM itself takes it for what we say
    });
    const disk = await diskOf(loaded(path));
    const reasons = disk.parts.map(({ path: name, reason }) => [name, reason]);
    expect(Object.fromEntries(reasons)).toEqual({
      '/vg/lin': undefined,
      '/vg/mir': 'it is of type raid1, which cannot be read here',
      '/vg/pool': 'it is of type thin-pool, which cannot be read here',
      '/vg/snap': 'it is a snapshot of lin, which cannot be read here',
      '/vg/str': 'it is of type striped over 2, which cannot be read here',
      '/vg/thin': 'it is of type thin, which cannot be read here',
      '/vg/z': 'it is of type zero, which cannot be read here',
    });
    // Extents of every one of them, internal ones too, are not free: 16 + 8 + 2 images of 5 + 4 + 8 + 4 + 2.
    expect(totalBytes(disk.free)).toBe((2 * 99 - 52) * MIB);
  });

  it('a volume with a part on a physical volume that is not there says which', async (context) => {
    requireLoops(context);
    const path = partitioned(folder, [40, 30]);
    const [, second] = startsOf(path);
    let uuid = '';
    withLvm(folder, path, [1, 2], (lvm) => {
      twoVolumes(lvm);
      uuid = lvm.report('pvs', 'pv_name,pv_uuid').find((one) => one.pv_name === lvm.devices[1])?.pv_uuid ?? '';
    });
    const volume = loaded(path);
    volume.bytes.fill(0, second, second + 2048);
    const parts = partsOf(await diskOf(volume));
    expect(parts.get('/vg/lin')).toMatchObject({ segments: [], reason: expect.stringContaining(uuid) });
    expect(parts.get('/vg/with-dash')?.reason).toBeUndefined();
    expect(parts.has('/2')).toBe(true);
  });

  it('metadata damaged everywhere: the physical volumes are parts, and the damage is told', async (context) => {
    requireLoops(context);
    const path = partitioned(folder, [40, 30]);
    withLvm(folder, path, [1, 2], twoVolumes);
    const volume = loaded(path);
    for (const start of startsOf(path)) {
      const text = volume.bytes.indexOf('logical_volumes', start + 4096);
      for (let at = text; at > 0 && at < start + MIB; at = volume.bytes.indexOf('logical_volumes', at + 1))
        volume.bytes[at] ^= 1;
    }
    const disk = await diskOf(volume);
    expect(disk.parts.map(({ path: name }) => name)).toEqual(['/1', '/2']);
    expect(disk.notes).toHaveLength(2);
    expect(disk.notes[0]).toMatch(/checksum of its text wrong/);
  });

  it('two groups of one name, and one named like a partition, have paths of their own', async (context) => {
    requireLoops(context);
    const path = partitioned(folder, [10, 10, 10]);
    for (const [number, name] of [
      [1, 'vg'],
      [2, 'vg'],
      [3, '1'],
    ] as const)
      withLvm(folder, path, [number], (lvm) => {
        lvm.run('pvcreate', ...lvm.devices);
        lvm.run('vgcreate', '-s', '1M', name, ...lvm.devices);
        lvm.run('lvcreate', ...INACTIVE, '-L', '1M', '-n', 'lv', name);
      });
    const names = [...partsOf(await diskOf(loaded(path))).keys()];
    expect(names).toHaveLength(3);
    expect(names[0]).toMatch(/^\/1-[A-Za-z0-9]{6}\/lv$/);
    for (const one of names.slice(1)) expect(one).toMatch(/^\/vg-[A-Za-z0-9]{6}\/lv$/);
    expect(new Set(names).size).toBe(3);
  });

  it('a copy of a physical volume beside it is a part, not read twice', async (context) => {
    requireLoops(context);
    const path = partitioned(folder, [10, 10]);
    const [first, second] = startsOf(path);
    withLvm(folder, path, [1], (lvm) => {
      lvm.run('pvcreate', ...lvm.devices);
      lvm.run('vgcreate', '-s', '1M', 'vg', ...lvm.devices);
      lvm.run('lvcreate', ...INACTIVE, '-L', '1M', '-n', 'lv', 'vg');
    });
    const volume = loaded(path);
    volume.bytes.copy(volume.bytes, second, first, first + 10 * MIB);
    const disk = await diskOf(volume);
    expect(disk.parts.map(({ path: name }) => name)).toEqual(['/2', '/vg/lv']);
    expect(disk.notes).toEqual(['/2 is the same physical volume as /1, a copy: not read']);
  });

  it('a logical volume that is a disk itself gives way to its partitions', async (context) => {
    requireLoops(context);
    const inner = readFileSync(partitioned(folder, [2, 3]));
    const path = partitioned(folder, [40, 30]);
    const said = withLvm(folder, path, [1, 2], (lvm) => {
      twoVolumes(lvm);
      return saidByLvs(lvm, 'vg', startsOf(path));
    });
    const volume = loaded(path);
    // The inner disk is 9 MiB: into the volume's own bytes from its beginning on.
    const [{ volumeOffset }] = said.get('lin') ?? [];
    inner.copy(volume.bytes, volumeOffset);
    const disk = await diskOf(volume);
    expect(disk.parts.map(({ path: name }) => name)).toEqual(['/vg/lin/1', '/vg/lin/2', '/vg/with-dash']);
    expect(disk.parts[1].segments).toEqual([{ volumeOffset: volumeOffset + 3 * MIB, byteLength: 3 * MIB }]);
  });
});

/** Puts mirrors, pools and snapshots into the text of a group, as LVM writes them. */
function withOtherKinds(text: string): string {
  let number = 0;
  const volume = (name: string, visible: boolean, ...lines: readonly string[]): string =>
    [
      `${name} {`,
      `id = "AAAAAA-AAAA-AAAA-AAAA-AAAA-AAAA-${String(++number).padStart(6, '0')}"`,
      `status = ["READ", "WRITE"${visible ? ', "VISIBLE"' : ''}]`,
      'flags = []\ncreation_time = 1700000000\ncreation_host = "h"\nsegment_count = 1',
      `segment1 {\nstart_extent = 0\n${lines.join('\n')}\n}\n}\n`,
    ].join('\n');
  const striped = (name: string, count: number, physical: string, extent: number): string =>
    volume(
      name,
      false,
      `extent_count = ${count}`,
      'type = "striped"',
      'stripe_count = 1',
      `stripes = ["${physical}", ${extent}]`,
    );
  const images = '"mir_rmeta_0", "mir_rimage_0", "mir_rmeta_1", "mir_rimage_1"';
  const all = [
    volume(
      'mir',
      true,
      'extent_count = 4',
      'type = "raid1"',
      'device_count = 2',
      'region_size = 1024',
      `raids = [${images}]`,
    ),
    striped('mir_rmeta_0', 1, 'pv0', 30),
    striped('mir_rimage_0', 4, 'pv0', 31),
    striped('mir_rmeta_1', 1, 'pv1', 30),
    striped('mir_rimage_1', 4, 'pv1', 31),
    volume(
      'pool',
      true,
      'extent_count = 8\ntype = "thin-pool"\nmetadata = "pool_tmeta"\npool = "pool_tdata"',
      'transaction_id = 1\nchunk_size = 128\ndiscards = "passdown"\nzero_new_blocks = 1',
    ),
    striped('pool_tmeta', 4, 'pv1', 40),
    striped('pool_tdata', 8, 'pv1', 44),
    volume('thin', true, 'extent_count = 50\ntype = "thin"\nthin_pool = "pool"\ntransaction_id = 0\ndevice_id = 1'),
    striped('lvol0_pmspare', 4, 'pv0', 50),
    striped('snap', 2, 'pv0', 60),
    volume(
      'snapshot0',
      true,
      'extent_count = 16\ntype = "snapshot"\nchunk_size = 8\norigin = "lin"\ncow_store = "snap"',
    ),
    volume('z', true, 'extent_count = 5', 'type = "zero"'),
  ].join('');
  return text.replace('logical_volumes {', `logical_volumes {\n${all}`);
}

/** Disks with volume groups made by LVM's own tools over loop devices, without device-mapper, and what those say of them. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'vitest';
import { requireRoot } from '../../../support/tools.ts';
import { blankFile, MIB, saidBySfdisk, sfdiskDisk, withLoop } from '../../partition/support/disks.ts';

export const LVM_TOOLS = ['sfdisk', 'losetup', 'pvcreate'];

/** A disk file with one partition for each size. */
export function partitioned(folder: string, sizesMiB: readonly number[]): string {
  const bytes = (sizesMiB.reduce((sum, size) => sum + size, 0) + 4) * MIB;
  return sfdiskDisk(folder, bytes, `label: gpt\n${sizesMiB.map((size) => `size=${size}M\n`).join('')}`);
}

/** LVM's tools on some partitions of a disk. */
export interface Lvm {
  /** Loop devices of the partitions, in order. */
  readonly devices: readonly string[];
  /** Runs `pvcreate`, `lvcreate` ...; answers its output. */
  run(program: string, ...args: readonly string[]): string;
  /** A report as rows of named columns. */
  report(program: 'lvs' | 'pvs' | 'vgs', columns: string, ...args: readonly string[]): Record<string, string>[];
  /** Replaces a group's metadata by what `change` makes of its text. */
  rewrite(group: string, change: (text: string) => string): void;
}

/** Calls with LVM's tools over the partitions of `numbers`; nothing of the machine's own LVM is looked at or written. */
export function withLvm<T>(folder: string, disk: string, numbers: readonly number[], use: (lvm: Lvm) => T): T {
  const places = saidBySfdisk(disk).partitions.filter(({ number }) => numbers.includes(number));
  return withLoops(disk, places, [], (devices) => use(toolsOf(folder, devices)));
}

/** The same over a whole file, as one physical volume. */
export function withLvmOnFile<T>(folder: string, byteLength: number, use: (lvm: Lvm, path: string) => T): string {
  const path = blankFile(folder, byteLength);
  withLoops(path, [{ start: 0, byteLength }], [], (devices) => use(toolsOf(folder, devices), path));
  return path;
}

interface Place {
  readonly start: number;
  readonly byteLength: number;
}

function withLoops<T>(disk: string, places: readonly Place[], open: string[], use: (devices: string[]) => T): T {
  const [next, ...rest] = places;
  if (next === undefined) return use(open);
  const options = ['--offset', String(next.start), '--sizelimit', String(next.byteLength)];
  return withLoop(disk, options, (device) => withLoops(disk, rest, [...open, device], use));
}

function toolsOf(folder: string, devices: readonly string[]): Lvm {
  const system = join(folder, 'lvm');
  mkdirSync(system, { recursive: true });
  writeFileSync(join(system, 'lvm.conf'), 'backup { backup = 0 archive = 0 }\nglobal { locking_dir = "/tmp" }\n');
  const env = { ...process.env, LVM_SYSTEM_DIR: system, LVM_SUPPRESS_FD_WARNINGS: '1', TZ: 'UTC' };
  const run: Lvm['run'] = (program, ...args) => {
    const own = ['--driverloaded', 'n', '--devices', devices.join(',')];
    return execFileSync(program, [...own, ...args], { env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  };
  return {
    devices,
    run,
    report(program, columns, ...args) {
      const text = run(program, '--reportformat', 'json', '--units', 'b', '--nosuffix', '-o', columns, ...args);
      const { report } = JSON.parse(text) as { report: { [kind: string]: Record<string, string>[] }[] };
      return report.flatMap((one) => Object.values(one).flat());
    },
    rewrite(group, change) {
      const file = join(folder, 'metadata.txt');
      run('vgcfgbackup', '-f', file, group);
      writeFileSync(file, change(readFileSync(file, 'utf8')));
      run('vgcfgrestore', '-y', '--force', '-f', file, group);
    },
  };
}

/** Options of `lvcreate` where there is no device-mapper. */
export const INACTIVE = ['-an', '-Zn', '-Wn'];

export interface SaidSegment {
  readonly volumeOffset: number;
  readonly byteLength: number;
}

/**
 * Where `lvs` says that each linear volume lies, as bytes of the disk.
 * @param starts where the partition of each device begins
 */
export function saidByLvs(lvm: Lvm, group: string, starts: readonly number[]): Map<string, SaidSegment[]> {
  const peStart = new Map(
    lvm.report('pvs', 'pv_name,pe_start').map(({ pv_name, pe_start }) => [pv_name, Number(pe_start)]),
  );
  const columns = 'lv_name,segtype,seg_start,seg_size,seg_pe_ranges,vg_extent_size';
  const out = new Map<string, SaidSegment[]>();
  const rows = lvm.report('lvs', columns, '--segments', group).filter(({ segtype }) => segtype === 'linear');
  for (const row of rows.sort((a, b) => Number(a.seg_start) - Number(b.seg_start))) {
    const [, device, first, last] = /^(.*):(\d+)-(\d+)$/.exec(row.seg_pe_ranges) ?? [];
    const extent = Number(row.vg_extent_size);
    const start = starts[lvm.devices.indexOf(device)] + Number(peStart.get(device)) + Number(first) * extent;
    const byteLength = (Number(last) - Number(first) + 1) * extent;
    const list = out.get(row.lv_name) ?? [];
    const before = list.at(-1);
    if (before !== undefined && before.volumeOffset + before.byteLength === start)
      list[list.length - 1] = { ...before, byteLength: before.byteLength + byteLength };
    else list.push({ volumeOffset: start, byteLength });
    out.set(row.lv_name, list);
  }
  return out;
}

/** Skips where there are no loop devices to be had. */
export function requireLoops(context: TestContext): void {
  requireRoot(context);
  try {
    execFileSync('losetup', ['--find'], { stdio: ['ignore', 'pipe', 'pipe'] });
  } catch {
    context.skip('no loop devices here');
  }
}

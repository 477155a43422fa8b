/** Disks made by sfdisk, sgdisk and parted, and what those and partx say of them. */
import { execFileSync } from 'node:child_process';
import { closeSync, ftruncateSync, openSync, readSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { readGpt } from '../../../../src/filesystem/partition/gpt.ts';
import { readMbr } from '../../../../src/filesystem/partition/mbr.ts';
import type { PartitionTable } from '../../../../src/filesystem/partition/table.ts';
import { memoryVolume } from '../../../support/memory-volume.ts';
import { fileReadAt } from '../../ext4/support/images.ts';

export const MIB = 2 ** 20;
const SECTOR = 512;

let made = 0;

/** A sparse file. */
export function blankFile(folder: string, byteLength: number): string {
  const path = join(folder, `disk${made++}.img`);
  const file = openSync(path, 'w');
  ftruncateSync(file, byteLength);
  closeSync(file);
  return path;
}

/** A disk partitioned by an sfdisk script. */
export function sfdiskDisk(folder: string, byteLength: number, script: string): string {
  const path = blankFile(folder, byteLength);
  sfdisk(path, script);
  return path;
}

/** Partitions a file or a device. */
export function sfdisk(path: string, script: string): void {
  const args = ['-q', '--no-reread', '--no-tell-kernel', path];
  execFileSync('sfdisk', args, { input: script, stdio: ['pipe', 'pipe', 'pipe'] });
}

/** Calls with a loop device over a file, or a piece of it. Root. */
export function withLoop<T>(path: string, options: readonly string[], use: (device: string) => T): T {
  const device = execFileSync('losetup', ['--find', '--show', ...options, path], { encoding: 'utf8' }).trim();
  try {
    return use(device);
  } finally {
    execFileSync('losetup', ['--detach', device]);
  }
}

/** A disk partitioned by another program; its name is the last argument, or stands where `{}` does. */
export function diskBy(folder: string, byteLength: number, ...commands: readonly (readonly string[])[]): string {
  const path = blankFile(folder, byteLength);
  for (const [program, ...args] of commands) {
    const all = args.includes('{}') ? args.map((one) => (one === '{}' ? path : one)) : [...args, path];
    execFileSync(program, all, { stdio: ['ignore', 'pipe', 'pipe'] });
  }
  return path;
}

/** A partition as our reader has it; sizes in bytes. */
export interface Said {
  readonly number: number;
  readonly start: number;
  readonly byteLength: number;
  readonly type: string;
  readonly uuid: string;
  readonly name: string;
}

interface SfdiskTable {
  readonly label: string;
  readonly id: string;
  readonly sectorsize?: number;
  readonly partitions?: readonly {
    readonly node: string;
    readonly start: number;
    readonly size: number;
    readonly type: string;
    readonly uuid?: string;
    readonly name?: string;
  }[];
}

const EXTENDED = ['5', 'f', '85'];

/** What `sfdisk --json` says, without extended partitions: they hold others. */
export function saidBySfdisk(path: string): { type: string; id: string; partitions: Said[] } {
  const text = execFileSync('sfdisk', ['--json', path], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const { partitiontable: table } = JSON.parse(text) as { partitiontable: SfdiskTable };
  const { sectorsize = SECTOR } = table;
  const partitions = (table.partitions ?? [])
    .filter(({ type }) => !EXTENDED.includes(type))
    .map(({ node, start, size, type, uuid = '', name = '' }) => ({
      number: Number(/(\d+)$/.exec(node.slice(path.length))?.[1]),
      start: start * sectorsize,
      byteLength: size * sectorsize,
      type,
      uuid,
      name,
    }));
  return { type: table.label, id: table.id, partitions: partitions.sort((a, b) => a.number - b.number) };
}

/** What libblkid says, by partx: numbers, starts and sizes, always in sectors of 512 bytes. */
export function saidByPartx(path: string): Pick<Said, 'number' | 'start' | 'byteLength'>[] {
  const columns = ['--show', '--noheadings', '--output', 'NR,START,SECTORS,TYPE'];
  const text = execFileSync('partx', [...columns, path], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  return text
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , , type]) => !EXTENDED.includes(String(type).replace(/^0x/, '')))
    .map(([number, start, sectors]) => ({
      number: Number(number),
      start: Number(start) * SECTOR,
      byteLength: Number(sectors) * SECTOR,
    }))
    .sort((a, b) => a.number - b.number);
}

/** As readDisk tries: a GUID partition table, then a master boot record. */
export async function readTable(path: string, sectorSizes: readonly number[] = [512, 4096]): Promise<PartitionTable> {
  const readAt = fileReadAt(path);
  const byteLength = statSync(path).size;
  const table = (await readGpt(readAt, byteLength, sectorSizes)) ?? (await readMbr(readAt, byteLength, sectorSizes[0]));
  if (table === undefined) throw new Error(`${path}: no partition table`);
  return table;
}

/** The same of bytes in memory; undefined: no table. */
export async function tableOf(bytes: Buffer): Promise<PartitionTable | undefined> {
  const { readAt } = memoryVolume(bytes);
  return (await readGpt(readAt, bytes.length, [512, 4096])) ?? readMbr(readAt, bytes.length, 512);
}

const COPY_BYTES = 64 * 1024;

/** Puts a file's bytes into another from `offset` on, holes left out. */
export function putInto(disk: string, offset: number, part: string): void {
  const from = openSync(part, 'r');
  const to = openSync(disk, 'r+');
  const buffer = Buffer.alloc(COPY_BYTES);
  for (let at = 0; ; ) {
    const got = readSync(from, buffer, 0, COPY_BYTES, at);
    if (got === 0) break;
    if (buffer.subarray(0, got).some((byte) => byte !== 0)) writeSync(to, buffer, 0, got, offset + at);
    at += got;
  }
  closeSync(from);
  closeSync(to);
}

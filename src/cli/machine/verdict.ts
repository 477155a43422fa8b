/** Which volumes of this machine can be backed up now and how, or why not: pure, from what was read of the machine and of each device. */
import type { Bytes } from '../../bytes/units.ts';
import type { BlockDeviceFacts, Machine, MountFacts } from './facts.ts';
import { forbids, nameOf, usesOf } from './uses.ts';

/** What a look at a device's content gave. */
export interface Probe {
  /** Why it could not be read; the rest is empty then. */
  readonly error?: string;
  readonly type: string;
  readonly label: string;
  readonly uuid: string;
  /** Why its files cannot be indexed; null: they can, or there are none. */
  readonly reason: string | null;
  /** Partitions and logical volumes in it, where it is divided. */
  readonly parts: readonly ProbedPart[];
}

export interface ProbedPart {
  /** `1`, `vg/lv`. */
  readonly name: string;
  readonly byteLength: Bytes;
  readonly type: string;
  readonly label: string;
  readonly uuid: string;
  readonly reason: string | null;
  /** Where it lies; empty: not known. */
  readonly ranges: readonly { readonly start: Bytes; readonly end: Bytes }[];
}

/** `now`; `snapshot`: not as it is, but a snapshot of it; `no`. */
export type Verdict = 'now' | 'snapshot' | 'no';

export interface VolumeRow {
  /** What `reelmap backup` takes: `/dev/sda1`, `/dev/sda#vg/lv`. */
  readonly volume: string;
  /** `disk`, `partition`, `loop`, `logical volume`, `array`, `mapper`, `mount`. */
  readonly kind: string;
  readonly byteLength: Bytes;
  readonly type: string;
  readonly label: string;
  readonly uuid: string;
  readonly mountPoints: readonly string[];
  readonly verdict: Verdict;
  /** Whether single files will be found; null where the verdict is no. */
  readonly indexed: boolean | null;
  readonly why: string;
  /** The command; null where nothing helps. */
  readonly how: string | null;
}

/** Smaller than any filesystem: the place of an extended partition. */
const USEFUL_BYTES_MIN = 16 * 1024;

/** Filesystems of memory and of the kernel: nothing to back up. */
const PSEUDO = new Set(
  (
    'autofs binfmt_misc bpf cgroup cgroup2 configfs debugfs devpts devtmpfs efivarfs fusectl hugetlbfs mqueue nsfs proc ' +
    'pstore ramfs rpc_pipefs securityfs selinuxfs sysfs tmpfs tracefs'
  ).split(' '),
);

/** One row for each device with content, each part of it that has no device of its own, and each mount without a device. */
export function volumeRows(
  machine: Machine,
  probes: ReadonlyMap<string, Probe>,
  quote: (path: string) => string,
): VolumeRow[] {
  const rows: VolumeRow[] = [];
  for (const device of machine.devices) {
    if (device.byteLength === 0) continue; // a loop device without a file, a drive without a medium
    const probe = probes.get(device.name);
    rows.push(deviceRow(machine, device, probe, quote));
    for (const part of probe?.parts ?? [])
      if (!hasOwnDevice(machine, device, part)) rows.push(partRow(machine, device, part, quote));
  }
  const known = new Set(machine.devices.map(({ number }) => number));
  for (const mount of machine.mounts)
    if (!known.has(mount.number) && !PSEUDO.has(mount.type)) rows.push(mountRow(mount));
  return rows;
}

function kindOf({ partition, loop, mapper, mdLevel }: BlockDeviceFacts): string {
  if (partition !== undefined) return 'partition';
  if (mapper !== undefined) return mapper.uuid.startsWith('LVM-') ? 'logical volume' : 'mapper';
  if (mdLevel !== undefined) return 'array';
  return loop === undefined ? 'disk' : 'loop';
}

type Judged = Pick<VolumeRow, 'verdict' | 'indexed' | 'why' | 'how'>;

const no = (why: string): Judged => ({ verdict: 'no', indexed: null, why, how: null });

function deviceRow(
  machine: Machine,
  device: BlockDeviceFacts,
  probe: Probe | undefined,
  quote: (path: string) => string,
): VolumeRow {
  const { number, byteLength } = device;
  const volume = nameOf(device);
  const mounts = machine.mounts.filter((one) => one.number === number);
  return {
    volume,
    kind: kindOf(device),
    byteLength,
    type: probe?.type || (mounts[0]?.type ?? ''),
    label: probe?.label ?? '',
    uuid: probe?.uuid ?? '',
    mountPoints: mounts.map(({ mountPoint }) => mountPoint),
    ...judge(machine, device, probe, `reelmap backup ${quote(volume)}`),
  };
}

function judge(machine: Machine, device: BlockDeviceFacts, probe: Probe | undefined, how: string): Judged {
  if (device.byteLength < USEFUL_BYTES_MIN) return no(`too small (${device.byteLength} bytes)`);
  const forbidden = forbids(usesOf(machine, { kind: 'device', number: device.number }), 'read');
  const judged = forbidden && forbiddenAs(device, forbidden);
  if (judged !== undefined) return judged;
  if (device.path === undefined) return no('it has no node in /dev');
  if (probe === undefined || probe.error !== undefined)
    return no(`what is on it is unknown: ${probe?.error ?? 'not looked at'}`);
  return canBe(probe, how);
}

function forbiddenAs(
  device: BlockDeviceFacts | undefined,
  { use, what, remedy }: NonNullable<ReturnType<typeof forbids>>,
): Judged {
  if (use.kind !== 'mount') return no(`${what}; ${remedy}`);
  const where = use.device === device ? '' : ` (${nameOf(use.device)})`;
  const why = `${what}${where}: needs a snapshot, or to be unmounted or remounted read-only`;
  return { verdict: 'snapshot', indexed: null, why, how: null };
}

/** Nothing forbids it: what will be in the set. */
function canBe(
  { type, reason, parts }: Pick<Probe, 'type' | 'reason'> & Partial<Pick<Probe, 'parts'>>,
  how: string,
): Judged {
  if (parts !== undefined && parts.length > 0) {
    const blind = parts.filter((part) => part.reason !== null).length;
    const why =
      blind === 0 ? `${parts.length} parts` : `${parts.length} parts, ${blind} of them not indexed file by file`;
    return { verdict: 'now', indexed: blind === 0, why, how };
  }
  const why = reason === null ? (type === '' ? 'nothing to index' : type) : `copied whole, not indexed: ${reason}`;
  return { verdict: 'now', indexed: reason === null, why, how };
}

/** The kernel, or device-mapper, shows the part as a device: that has a row of its own. */
function hasOwnDevice(machine: Machine, device: BlockDeviceFacts, { name, byteLength }: ProbedPart): boolean {
  const mapped = name
    .split('/')
    .map((word) => word.replaceAll('-', '--'))
    .join('-');
  return machine.devices.some(
    (one) =>
      (one.partition?.disk === device.name && String(one.partition.number) === name) ||
      (one.mapper?.name === mapped && one.byteLength === byteLength),
  );
}

function partRow(
  machine: Machine,
  device: BlockDeviceFacts,
  part: ProbedPart,
  quote: (path: string) => string,
): VolumeRow {
  const volume = `${nameOf(device)}#${part.name}`;
  const { byteLength, type, label, uuid, reason, ranges } = part;
  const target = { kind: 'device', number: device.number } as const;
  const uses = ranges.flatMap((range) => usesOf(machine, target, range));
  const forbidden = forbids(uses, 'read');
  const judged =
    forbidden !== undefined
      ? forbiddenAs(undefined, forbidden)
      : ranges.length === 0
        ? no(reason ?? 'where it lies is not known')
        : canBe({ type, reason }, `reelmap backup ${quote(volume)}`);
  const kind = /^\d+$/.test(part.name) ? 'partition' : 'logical volume';
  const mountPoints = uses.flatMap((use) => (use.kind === 'mount' ? [use.mount.mountPoint] : []));
  return { volume, kind, byteLength, type, label, uuid, mountPoints, ...judged };
}

function mountRow({ source, mountPoint, type }: MountFacts): VolumeRow {
  return {
    volume: mountPoint,
    kind: 'mount',
    byteLength: 0,
    type,
    label: '',
    uuid: '',
    mountPoints: [mountPoint],
    ...no(`${type} from ${source} is not on a block device of this machine`),
  };
}

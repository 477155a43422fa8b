// The system tools that tests judge us by, and the Debian package that each comes from. Shared by run-tests and the tests.
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** tool -> Debian package */
export const PACKAGES = {
  mke2fs: 'e2fsprogs',
  debugfs: 'e2fsprogs',
  e2fsck: 'e2fsprogs',
  e2image: 'e2fsprogs',
  dumpe2fs: 'e2fsprogs',
  tune2fs: 'e2fsprogs',
  bsdtar: 'libarchive-tools',
  tar: 'tar',
  zstd: 'zstd',
  gzip: 'gzip',
  python3: 'python3',
  setpriv: 'util-linux',
  script: 'bsdutils',
  cmp: 'diffutils',
  diff: 'diffutils',
  sfdisk: 'fdisk',
  sgdisk: 'gdisk',
  parted: 'parted',
  blkid: 'util-linux',
  partx: 'util-linux',
  lsblk: 'util-linux',
  mkswap: 'util-linux',
  losetup: 'mount',
  pvcreate: 'lvm2',
  cryptsetup: 'cryptsetup-bin',
  'mkfs.vfat': 'dosfstools',
  'mkfs.ntfs': 'ntfs-3g',
  'mkfs.exfat': 'exfatprogs',
  'mkfs.btrfs': 'btrfs-progs',
  setfacl: 'acl',
  getfacl: 'acl',
  setfattr: 'attr',
  getfattr: 'attr',
  'iscsi-test-cu': 'libiscsi-bin',
  'iscsi-perf': 'libiscsi-bin',
  tshark: 'tshark',
  'linux.uml': 'user-mode-linux',
  modprobe: 'kmod',
  iscsiadm: 'open-iscsi',
  'mt-st': 'mt-st',
  mtx: 'mtx',
  lsscsi: 'lsscsi',
  sg_inq: 'sg3-utils',
  stenc: 'stenc',
  cc: 'gcc',
};

/** System directories that an ordinary user's PATH may lack: mke2fs and its kin live there. */
const EXTRA = ['/usr/local/sbin', '/usr/sbin', '/sbin'];

/** @returns {string[]} */
const folders = () => [...(process.env.PATH ?? '').split(delimiter).filter((part) => part !== ''), ...EXTRA];

/**
 * Whether `name` can be run from the PATH or a system directory.
 * @param {string} name
 * @returns {boolean}
 */
export function hasTool(name) {
  return folders().some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** PATH with the system directories in it. */
export const fullPath = () => [...new Set(folders())].join(delimiter);

/**
 * The Debian packages of tools, without repetition.
 * @param {readonly string[]} names
 * @returns {string[]}
 */
export const packagesOf = (names) => [...new Set(names.map((name) => PACKAGES[name] ?? name))].sort();

/**
 * The command that installs tools on Debian and Ubuntu.
 * @param {readonly string[]} names
 * @returns {string}
 */
export const installCommand = (names) =>
  `apt-get update && apt-get install -y --no-install-recommends ${packagesOf(names).join(' ')}`;

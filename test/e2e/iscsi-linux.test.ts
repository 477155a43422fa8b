// The Linux kernel's own initiator, sd, st, ch and sg against `reelmap mover serve`, with mt, tar, mtx and sg3-utils on top.
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { createLibrary } from '../../src/target/virtual-library/library.ts';
import { GUEST_TOOLS, runGuest, type Step, type StepResult } from '../support/guest.ts';
import { IQN } from '../support/mover-process.ts';
import { builtProgram } from '../support/program.ts';
import { describeWithTools, tempFolder } from '../support/tools.ts';

const PORTAL = '127.0.0.1:3260';
const MiB = 2 ** 20;

/** Starts a mover in the guest and logs in; the device names follow from the LUNs. */
const prelude = (library: string): string => `
export REELMAP_HOME=/run/home REELMAP_CHAP_SECRET=a-secret-of-20-bytes REELMAP_MUTUAL_CHAP_SECRET=another-secret
serve() {
  truncate -s 200M /run/disk.img; truncate -s 8M /run/read-only.img; cp -r ${library} /run/library
  ${process.execPath} ${join(builtProgram(), 'main.js')} mover serve --listen ${PORTAL} --iqn ${IQN} --disk /run/disk.img \\
    --disk /run/read-only.img:ro --library /run/library --chap alice --mutual-chap bob >/run/mover.log 2>&1 &
  for i in $(seq 100); do grep -q ^serving /run/mover.log && return; sleep 0.1; done; cat /run/mover.log; return 1
}
configure() { iscsiadm -m node -T ${IQN} -p ${PORTAL} -o update -n "$1" -v "$2"; }
login() { iscsiadm -m node -T ${IQN} -p ${PORTAL} --login; }
show() { echo "$ $*"; "$@"; echo "status $?"; }
DISK=/dev/sg1 TAPE=/dev/sg3 CHANGER=/dev/sg5 NST=/dev/nst0
`;

const STEPS: readonly Step[] = [
  ['serve', 'serve'],
  [
    'login',
    `iscsiadm -m node -o new -T ${IQN} -p ${PORTAL}
     configure node.session.auth.authmethod CHAP; configure node.session.auth.username alice
     configure node.session.auth.password wrong-wrong-wrong; show login
     configure node.session.auth.password $REELMAP_CHAP_SECRET
     configure node.session.auth.username_in bob; configure node.session.auth.password_in wrong-wrong-wrong; show login
     configure node.session.auth.password_in $REELMAP_MUTUAL_CHAP_SECRET
     configure 'node.conn[0].iscsi.HeaderDigest' CRC32C; configure 'node.conn[0].iscsi.DataDigest' CRC32C
     show login; for i in $(seq 50); do [ -e $CHANGER -a -e $NST ] && break; sleep 0.1; done
     iscsiadm -m session -P 2; lsscsi -g`,
  ],
  [
    'disk',
    `set -e; mkfs.ext4 -q /dev/sda; mkdir -p /run/mnt; mount /dev/sda /run/mnt
     cp -a /usr/share/common-licenses /usr/lib/python3/dist-packages /run/mnt/ 2>/dev/null || cp -a /usr/share/common-licenses /run/mnt/
     dd if=/dev/urandom of=/run/mnt/big bs=1M count=40 2>/dev/null; sync; sha256sum /run/mnt/big >/run/sum
     umount /run/mnt; echo 3 >/proc/sys/vm/drop_caches
     e2fsck -fn /dev/sda; mount /dev/sda /run/mnt; sha256sum -c /run/sum; diff -r /usr/share/common-licenses /run/mnt/common-licenses
     before=$(stat -c %b /run/disk.img); rm /run/mnt/big; sync; fstrim /run/mnt; umount /run/mnt
     echo "blocks before and after trim: $before $(stat -c %b /run/disk.img)"`,
  ],
  ['read-only', 'blockdev --getro /dev/sdb; dd if=/dev/zero of=/dev/sdb bs=4096 count=1 oflag=direct'],
  [
    'mtx',
    'mtx -f $CHANGER status; mtx -f $CHANGER load 1 0; mtx -f $CHANGER status | head -2; mtx -f $CHANGER transfer 2 7; mtx -f $CHANGER exchange 3 4 3; mtx -f $CHANGER transfer 7 9; mtx -f $CHANGER status; mtx -f $CHANGER transfer 9 2',
  ],
  [
    'tar',
    `set -e; tar -C /usr/share -cf $NST common-licenses; tar -C /run -cf $NST mover.log; mt-st -f $NST status; mt-st -f $NST tell
     mt-st -f $NST rewind; mkdir /run/back; tar -C /run/back -xf $NST; diff -r /usr/share/common-licenses /run/back/common-licenses && echo same
     mt-st -f $NST fsf 1; tar -tf $NST`,
  ],
  [
    'mt',
    `for words in rewind "fsf 1" status tell "bsf 1" "fsr 1" tell "bsr 1" tell eod status "seek 2" tell "stsetoptions scsi2logical" "seek 3" tell \\
       rewind "setblk 512" status "setblk 0" "compression 0" "compression 1" "setdensity 0x80" "fsf 9" "bsf 9"; do show mt-st -f $NST $words; done`,
  ],
  [
    'fixed',
    'set -e; mt-st -f $NST rewind; mt-st -f $NST setblk 1024; dd if=/usr/share/common-licenses/GPL-3 of=$NST bs=10240 conv=sync 2>/dev/null; mt-st -f $NST rewind; dd if=$NST bs=10240 2>/dev/null | head -c $(stat -Lc %s /usr/share/common-licenses/GPL-3) | cmp - /usr/share/common-licenses/GPL-3 && echo same; mt-st -f $NST setblk 0',
  ],
  [
    'lock',
    'show mt-st -f $NST lock; show mtx -f $CHANGER unload 1 0 2>&1; show mt-st -f $NST unlock; show mt-st -f $NST rewind; show mt-st -f $NST erase; show mt-st -f $NST status; show mt-st -f $NST offline; show mt-st -f $NST status; show mt-st -f $NST load; show mt-st -f $NST status',
  ],
  [
    'volumes',
    `set -e; mkdir /run/data; for i in 1 2 3 4 5; do head -c 1500000 /dev/urandom >/run/data/$i; done
     cat >/run/next.sh <<'SCRIPT'
from=$(mtx -f /dev/sg5 status | sed -n 's/.*0:Full (Storage Element \\([0-9]*\\) Loaded.*/\\1/p')
[ -z "$from" ] || mtx -f /dev/sg5 unload $from 0 >/dev/null
mtx -f /dev/sg5 load $(head -1 /run/slots) 0 >/dev/null; echo "changed from slot $from to $(head -1 /run/slots)" >&2; sed -i 1d /run/slots
SCRIPT
     seq 1 5 >/run/slots; bash /run/next.sh
     tar -C /run -cM -F 'bash /run/next.sh' -f $NST data
     seq 1 5 >/run/slots; bash /run/next.sh
     mkdir /run/again; tar -C /run/again -xM -F 'bash /run/next.sh' -f $NST; diff -r /run/data /run/again/data && echo same`,
  ],
  [
    'pages',
    `for d in $DISK $TAPE $CHANGER; do sg_turs $d; sg_turs $d; show sg_inq $d; show sg_vpd -p sn $d; show sg_vpd -p di $d; show sg_vpd -p tpc $d; show sg_modes -a $d; show sg_opcodes $d; done
     for p in bl bdc lbpv ei; do show sg_vpd -p $p $DISK; done; show sg_get_lba_status --lba=0 $DISK; show sg_readcap --16 $DISK; show sg_logs -a $TAPE; show sg_read_attr $TAPE`,
  ],
  [
    'encryption',
    `printf '%s\\n%s\\n' ${'0123456789abcdef'.repeat(4)} my-key >/run/key; mt-st -f $NST rewind
     show stenc -f $NST -e on -k /run/key -a 1; tar -C /usr/share -cf $NST common-licenses; mt-st -f $NST rewind
     show stenc -f $NST --detail; tar -tf $NST >/dev/null && echo readable; show stenc -f $NST -e off; mt-st -f $NST rewind; tar -tf $NST || echo unreadable`,
  ],
  [
    'reservation',
    `show sg_persist --out --register --param-sark=0xabc $TAPE; show sg_persist --out --reserve --param-rk=0xabc --prout-type=3 $TAPE; show sg_persist -s $TAPE; show sg_persist --out --clear --param-rk=0xabc $TAPE`,
  ],
  ['reset', 'show sg_reset -d $DISK; sg_turs $DISK; show dd if=/dev/sda of=/dev/null bs=1M count=4'],
  [
    'logout',
    `show iscsiadm -m node -T ${IQN} -p ${PORTAL} --logout; pkill -TERM -f 'mover serve'; sleep 2; cat /run/mover.log; dmesg | grep -iE 'iscsi|error|abort|sense' | tail -20`,
  ],
];

describeWithTools([...GUEST_TOOLS, 'mt-st', 'mtx', 'lsscsi', 'sg_inq', 'stenc', 'mke2fs'], 'Linux', () => {
  let step: (name: string) => StepResult;

  beforeAll(async () => {
    const library = join(tempFolder(), 'library');
    await createLibrary(library, {
      drives: 2,
      slots: 10,
      mailSlots: 1,
      cartridges: 5,
      prefix: 'TT',
      capacity: 3 * MiB,
      earlyWarningZone: MiB / 2,
    });
    step = await runGuest(prelude(library), STEPS, { stepSeconds: 30 });
  }, 180_000);

  /** The lines between `$ command` and its `status n`. */
  const shown = (name: string, command: string, nth = 0): string => {
    const parts = step(name)
      .output.split(/^\$ /m)
      .filter((part) => part.startsWith(`${command}\n`));
    return parts[nth] ?? `${command} was not run`;
  };

  it('logs in with CHAP both ways and digests, and not with a wrong secret of either side', () => {
    const { output } = step('login');
    expect(output.match(/^status \d+$/gm)?.map((line) => line !== 'status 0')).toEqual([true, true, false]);
    expect(output).toMatch(/HeaderDigest: CRC32C\s+DataDigest: CRC32C/);
    expect(output).toMatch(/ disk .*\/dev\/sda .*\/dev\/sg1/);
    expect(output).toMatch(/ tape .*\/dev\/st0 .*\/dev\/sg3/);
    expect(output).toMatch(/ mediumx .*\/dev\/sg5/);
    expect(output).toMatch(/ storage .*\/dev\/sg0/);
  });

  it('makes, mounts, fills, checks and trims a file system', () => {
    const { output, status } = step('disk');
    expect([status, output.includes('/run/mnt/big: OK')]).toEqual([0, true]);
    const [, before, after] = /blocks before and after trim: (\d+) (\d+)/.exec(output) ?? [];
    expect(Number(before) - Number(after)).toBeGreaterThan((30 * MiB) / 512);
  });

  it('takes a read-only unit for one', () => {
    expect(step('read-only').output).toMatch(/^1\n.*(Operation not permitted|Read-only)/s);
  });

  it('moves and exchanges cartridges, and reads their barcodes', () => {
    const { output } = step('mtx');
    expect(output).toContain('2 Drives, 11 Slots ( 1 Import/Export )');
    expect(output).toMatch(/Data Transfer Element 0:Full \(Storage Element 1 Loaded\):VolumeTag = TT0001L9/);
    const last = output.slice(output.lastIndexOf('Storage Changer'));
    expect(last).toMatch(/Storage Element 2:Empty/);
    expect(last).toMatch(/Storage Element 3:Full :VolumeTag=TT0004L9/);
    expect(last).toMatch(/Storage Element 4:Full :VolumeTag=TT0003L9/);
    expect(last).toMatch(/Storage Element 9:Full :VolumeTag=TT0002L9/);
  });

  it('writes tar archives to tape and reads them back', () => {
    const { output, status } = step('tar');
    expect([status, output.includes('same'), output.trim().endsWith('mover.log')]).toEqual([0, true, true]);
    expect(output).toMatch(/File number=2, block number=0[\s\S]*EOF ONLINE IM_REP_EN[\s\S]*At block \d+\./);
  });

  describe('mt', () => {
    const at = (command: string, nth = 0): string =>
      /At block (\d+)/.exec(shown('mt', `mt-st -f /dev/nst0 ${command}`, nth))?.[1] ?? '?';

    it('finds its way over the tape', () => {
      const file1 = Number(at('tell', 0));
      expect(file1).toBeGreaterThan(10);
      expect(shown('mt', 'mt-st -f /dev/nst0 status', 0)).toContain('File number=1, block number=0');
      // Back over the mark of file 0, forward over it, back over it again.
      expect([at('tell', 1), at('tell', 2)]).toEqual([String(file1), String(file1 - 1)]);
      expect([at('tell', 3), at('tell', 4)]).toEqual(['2', '3']);
      expect(shown('mt', 'mt-st -f /dev/nst0 status', 1)).toMatch(/File number=2[\s\S]*EOD/);
    });

    it('sets block length, compression and density', () => {
      expect(shown('mt', 'mt-st -f /dev/nst0 status', 2)).toContain('Tape block size 512 bytes');
      for (const words of [
        'setblk 512',
        'setblk 0',
        'compression 0',
        'compression 1',
        'setdensity 0x80',
        'eod',
        'seek 2',
      ])
        expect(shown('mt', `mt-st -f /dev/nst0 ${words}`)).toMatch(/status 0\n/);
    });

    it('is told of ends', () => {
      expect(shown('mt', 'mt-st -f /dev/nst0 fsf 9')).toMatch(/Input\/output error[\s\S]*status 2/);
      expect(shown('mt', 'mt-st -f /dev/nst0 bsf 9')).toMatch(/Input\/output error[\s\S]*status 2/);
    });
  });

  it('writes and reads fixed blocks', () => {
    expect(step('fixed')).toMatchObject({ status: 0, output: expect.stringContaining('same') });
  });

  it('locks the cartridge in, erases it, and unloads it', () => {
    expect(shown('lock', 'mtx -f /dev/sg5 unload 1 0')).toContain('Failed');
    expect(shown('lock', 'mt-st -f /dev/nst0 erase')).toContain('status 0');
    expect(shown('lock', 'mt-st -f /dev/nst0 status', 0)).toContain('BOT ONLINE');
    expect(shown('lock', 'mt-st -f /dev/nst0 status', 1)).toContain('DR_OPEN');
    expect(shown('lock', 'mt-st -f /dev/nst0 status', 2)).toContain('BOT ONLINE');
  });

  it('writes a multi-volume archive over the ends of cartridges and reads it back', () => {
    const { output, status } = step('volumes');
    expect([status, output]).toEqual([0, expect.stringContaining('same')]);
    // 7.5 MB on cartridges of 3 MiB: three of them, written and read.
    expect(output.match(/changed from slot/g)).toHaveLength(6);
  });

  it('decodes our pages with sg3-utils', () => {
    const { output } = step('pages');
    expect(output).not.toMatch(/malformed|too short|bad field|truncated/i);
    expect(output.match(/^status (?!0$)\d+$/gm)).toBeNull();
    for (const word of [
      'Third party copy',
      'deallocated|mapped',
      'Tape alert page',
      'Volume statistics page',
      'Medium serial number',
      'Compare and write',
      'Exchange medium',
      'Locate\\(16\\)',
      'Write attribute',
      'NAA',
    ])
      expect(output).toMatch(new RegExp(word));
  });

  it('writes encrypted records, as stenc asks for them', () => {
    const { output } = step('encryption');
    expect(output).toMatch(
      /Drive Key Desc\.\(uKAD\): +my-key[\s\S]*Encrypted and able to decrypt[\s\S]*readable[\s\S]*unreadable/,
    );
  });

  it('reserves a drive', () => {
    expect(step('reservation').output).toMatch(
      /Key=0xabc[\s\S]*Reservation holder[\s\S]*Exclusive Access[\s\S]*iqn\.2026-11\.org\.example:guest/,
    );
  });

  it('resets a unit and goes on', () => {
    expect(step('reset').output.match(/^status 0$/gm)).toHaveLength(2);
  });

  it('logs out; the mover ends at SIGTERM, and the kernel has nothing to complain of', () => {
    const { output } = step('logout');
    expect(output).toMatch(/Logout of .* successful/);
    expect(output).toContain('ended: logged out');
    expect(output).not.toMatch(/detected conn error|internal error|a unit failed/);
  });
});

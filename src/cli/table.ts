/** The commands by name, one word or two: one line about each, and how to load it. Nothing of a command is loaded before it is called. */
import type { CommandModule } from './command.ts';

export interface TableEntry {
  readonly summary: string;
  readonly load: () => Promise<CommandModule>;
  /** What takes long to start and needs no arguments; begun before the command is parsed. */
  readonly prepare?: () => Promise<void>;
}

export const COMMANDS: Readonly<Record<string, TableEntry>> = {
  volumes: { summary: 'what could be backed up here and how, or why not', load: () => import('./commands/volumes.ts') },
  backup: {
    summary: 'a full backup of one or more volumes',
    load: () => import('./commands/backup.ts'),
    prepare: async () => (await import('./mover-thread.ts')).prepareMoverThread(),
  },
  sets: { summary: 'the backup sets; `sets drop SET` forgets one', load: () => import('./commands/sets.ts') },
  ls: { summary: 'list a directory of a set', load: () => import('./commands/ls.ts') },
  find: { summary: 'find names in all sets', load: () => import('./commands/find.ts') },
  stat: { summary: 'one entry: attributes, extents, tape positions', load: () => import('./commands/stat.ts') },
  plan: { summary: 'what a restore would do, before any tape is touched', load: () => import('./commands/plan.ts') },
  restore: { summary: 'bring files or directories back from tape', load: () => import('./commands/restore.ts') },
  'restore-volume': {
    summary: 'bring a whole volume back, by the data mover',
    load: () => import('./commands/restore-volume.ts'),
  },
  verify: { summary: 'read a set back from tape and check it', load: () => import('./commands/verify.ts') },
  index: {
    summary: '`index rebuild`: the index again, from the cartridges; `index check`: against its seals',
    load: () => import('./commands/index.ts'),
  },
  'tape ls': { summary: 'the cartridges', load: () => import('./commands/tape-ls.ts') },
  'tape files': { summary: 'every tape file of a cartridge', load: () => import('./commands/tape-files.ts') },
  'tape label': { summary: 'make cartridges ready for backups', load: () => import('./commands/tape-label.ts') },
  'tape load': { summary: 'put a cartridge into a drive', load: () => import('./commands/tape-load.ts') },
  'tape unload': { summary: 'put what is in the drives back', load: () => import('./commands/tape-unload.ts') },
  'tape import': { summary: 'take cartridges into the library', load: () => import('./commands/tape-import.ts') },
  'tape export': { summary: 'take cartridges out of the library', load: () => import('./commands/tape-export.ts') },
  'tape export-files': {
    summary: "copy a set's tape files, as `dd` of the tape would",
    load: () => import('./commands/tape-export-files.ts'),
  },
  'tape use': { summary: 'a real drive or changer (not yet)', load: () => import('./commands/tape-use.ts') },
  'mover serve': {
    summary: 'disks, tape drives, a changer and the copy manager over iSCSI',
    load: () => import('./commands/mover-serve.ts'),
  },
  'mover status': {
    summary: 'what data movers of this machine serve, and to whom',
    load: () => import('./commands/mover-status.ts'),
  },
  status: { summary: 'who uses drives and index, and runs that can go on', load: () => import('./commands/status.ts') },
};

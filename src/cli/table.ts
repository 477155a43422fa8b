/** The commands by name: one line about each, and how to load it. Nothing of a command is loaded before it is called. */
import type { CommandModule } from './command.ts';

export interface TableEntry {
  readonly summary: string;
  readonly load: () => Promise<CommandModule>;
}

export const COMMANDS: Readonly<Record<string, TableEntry>> = {
  backup: { summary: 'a full backup of one or more volumes', load: () => import('./commands/backup.ts') },
  sets: { summary: 'the backup sets', load: () => import('./commands/sets.ts') },
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
    summary: 'make the index again from the cartridges, or check it',
    load: () => import('./commands/index.ts'),
  },
};

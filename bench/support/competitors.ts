/** Programs that put a volume, or its files, into a file: each with the fsync that makes its time durable. */
import { join } from 'node:path';
import { hasTool } from '../../tools/system-tools.mjs';
import { isRoot } from './machine.ts';

export interface Competitor {
  readonly name: string;
  /** The command, given the image, its mount point, and a folder for output. */
  command(image: string, mount: string, output: string): readonly string[];
  /** A minute and more for the small files. */
  readonly slow: boolean;
  readonly needsMount: boolean;
}

const quoted = (path: string): string => `'${path.replaceAll("'", "'\\''")}'`;
const shell = (line: string): readonly string[] => ['sh', '-c', line];

const E2IMAGE = {
  name: 'e2image -rap, sync',
  slow: false,
  needsMount: false,
  command: (image: string, _mount: string, output: string) => {
    const out = quoted(join(output, 'e2image'));
    return shell(`e2image -rap ${quoted(image)} ${out} && sync ${out}`);
  },
};

const partclone = (name: string, checksums: string): Competitor => ({
  name,
  slow: false,
  needsMount: false,
  command: (image, _mount, output) => {
    const out = quoted(join(output, 'partclone'));
    return shell(`partclone.ext4 -q -c ${checksums} -s ${quoted(image)} -o ${out} -L /dev/null && sync ${out}`);
  },
});

const ALL: readonly (Competitor & { readonly tool: string })[] = [
  { ...E2IMAGE, tool: 'e2image' },
  { ...partclone('partclone, sync', ''), tool: 'partclone.ext4' },
  { ...partclone('partclone without checksums, sync', '-a 0'), tool: 'partclone.ext4' },
  {
    name: 'dd, whole image, fsync',
    tool: 'dd',
    slow: false,
    needsMount: false,
    command: (image, _mount, output) => [
      ...['dd', `if=${image}`, `of=${join(output, 'dd')}`, 'bs=1M', 'conv=fsync', 'status=none'],
    ],
  },
  {
    name: 'GNU tar, sync',
    tool: 'tar',
    slow: true,
    needsMount: true,
    command: (_image, mount, output) => {
      const out = quoted(join(output, 'tar'));
      return shell(`tar -cf ${out} -C ${quoted(mount)} . && sync ${out}`);
    },
  },
  {
    name: 'dar, sync',
    tool: 'dar',
    slow: true,
    needsMount: true,
    command: (_image, mount, output) => {
      const out = join(output, 'dar');
      return shell(`dar -q -Q -c ${quoted(out)} -R ${quoted(mount)} && sync ${quoted(`${out}.1.dar`)}`);
    },
  },
];

/** Those that are installed; the ones that read files need root for the mount. */
export function competitors(): Competitor[] {
  return ALL.filter(({ tool, needsMount }) => hasTool(tool) && hasTool('sync') && (!needsMount || isRoot));
}

// A real Linux SCSI stack in a few seconds: user-mode Linux on this machine's own file system, with its own loopback. The guest
// writes in memory (/run) and in the folder that it is given. Needs root.
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tempFolder } from './tools.ts';

/** Programs that the guest is made of. */
export const GUEST_TOOLS = ['linux.uml', 'modprobe', 'iscsiadm', 'cc'];

const HERE = join(import.meta.dirname, 'guest');

/** What a step printed on both outputs, and its exit status. */
export interface StepResult {
  readonly output: string;
  readonly status: number;
}

/** A name and what bash runs. */
export type Step = readonly [string, string];

/**
 * Boots, logs nothing in, runs the steps one after the other. `prelude` is sourced before the first: functions, variables.
 * A step that takes longer than `stepSeconds` is ended.
 */
export async function runGuest(
  prelude: string,
  steps: readonly Step[],
  options: { readonly seconds?: number; readonly stepSeconds?: number } = {},
): Promise<(name: string) => StepResult> {
  const { seconds = 150, stepSeconds = 60 } = options;
  const work = tempFolder('reelmap-guest-');
  for (const [i, [, command]] of steps.entries())
    writeFileSync(join(work, `step-${i}.sh`), `. ${work}/prelude.sh\n${command}\n`);
  writeFileSync(join(work, 'prelude.sh'), prelude);
  const lines = steps.map(
    (_, i) =>
      `timeout ${stepSeconds} bash ${work}/step-${i}.sh >${work}/out-${i} 2>&1 </dev/null; echo $? >${work}/status-${i}`,
  );
  writeFileSync(join(work, 'steps.sh'), `cd /run\n${lines.join('\n')}\n`);
  copyFileSync(join(HERE, 'init.sh'), join(work, 'init.sh'));
  chmodSync(join(work, 'init.sh'), 0o755);
  const library = join(work, 'xstate.so');
  const built = spawnSync('cc', ['-O2', '-shared', '-fPIC', '-o', library, join(HERE, 'xstate.c'), '-ldl'], {
    encoding: 'utf8',
  });
  if (built.status !== 0) throw new Error(`cc: ${built.stderr}`);
  await boot(work, library, seconds);
  return (name) => {
    const i = steps.findIndex(([one]) => one === name);
    try {
      return {
        output: readFileSync(join(work, `out-${i}`), 'latin1'),
        status: Number(readFileSync(join(work, `status-${i}`), 'ascii')),
      };
    } catch (cause) {
      throw new Error(`the guest did not get to step "${name}": ${tail(join(work, 'console'))}`, { cause });
    }
  };
}

function boot(work: string, library: string, seconds: number): Promise<void> {
  const args = [
    'rootfstype=hostfs',
    'rootflags=/',
    'rw',
    'mem=1024M',
    `init=${work}/init.sh`,
    'con=null',
    'con0=fd:0,fd:1',
    'quiet',
    `reelmap_work=${work}`,
  ];
  const child = spawn('linux.uml', args, {
    stdio: ['ignore', 'ignore', 'ignore'],
    env: { ...process.env, LD_PRELOAD: library },
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), seconds * 1000);
  return new Promise((done, failed) => {
    child.on('error', failed);
    child.on('close', () => {
      clearTimeout(timer);
      done();
    });
  });
}

function tail(path: string): string {
  try {
    return readFileSync(path, 'latin1').slice(-500);
  } catch {
    return 'it did not boot';
  }
}

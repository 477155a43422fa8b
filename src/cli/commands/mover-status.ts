/** `reelmap mover status`: the data movers that run with this state directory, what they serve, and to whom. */
import type { SessionStatus } from '../../iscsi/target/portal.ts';
import type { CommandContext, CommandModule } from '../command.ts';
import { ExitStatus } from '../exit.ts';
import { runningMovers } from '../mover/status.ts';
import { formatBytes } from '../progress.ts';
import { safeText } from '../quoting.ts';
import { moverFolder } from '../state.ts';
import { lunText } from './mover-serve.ts';

export const define: CommandModule['define'] = (command, act) => {
  command.addHelpText('after', '\nExample:\n  reelmap mover status').action(() => {
    act(status);
  });
};

async function status({ home, output }: CommandContext): Promise<ExitStatus> {
  const movers = await runningMovers(moverFolder(home));
  if (output.json) {
    output.value(movers);
    return ExitStatus.done;
  }
  if (movers.length === 0) output.line('no data mover runs');
  for (const { pid, since, iqn, listen, luns, sessions, copies } of movers) {
    output.line(`${safeText(iqn)} at ${safeText(listen)}, process ${pid} since ${since}`);
    for (const lun of luns) output.line(`  ${lunText(lun)}`);
    if (sessions.length === 0) output.line('  nobody is logged in');
    for (const session of sessions) output.line(`  ${sessionText(session)}`);
    if (copies > 0) output.line(`  ${copies} ${copies === 1 ? 'copy' : 'copies'} under way`);
  }
  return ExitStatus.done;
}

function sessionText({ initiator, address, target, since, commands, running, dataHeld }: SessionStatus): string {
  const what = target === undefined ? 'discovery' : `${commands} commands, ${running} running`;
  const held = dataHeld > 0 ? `, ${formatBytes(dataHeld)} in flight` : '';
  return `${safeText(initiator)} from ${safeText(address)} since ${new Date(since).toISOString()}: ${what}${held}`;
}

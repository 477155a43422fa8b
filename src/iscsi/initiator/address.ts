/** Where a target is: `iscsi://HOST[:PORT]/IQN[/LUN]`, as libiscsi and QEMU write it. */
import { UserError } from '../../bytes/errors.ts';
import { isIscsiName, portalText } from '../names.ts';

/** The port that IANA has given to iSCSI. */
const ISCSI_PORT = 3260;
const LUN_MAX = 0x3fff;

export interface IscsiAddress {
  readonly host: string;
  readonly port: number;
  readonly targetName: string;
}

export interface IscsiUrl extends IscsiAddress {
  /** CHAP user before the `@`. */
  readonly user: string | undefined;
  readonly lun: number | undefined;
}

export const isIscsiUrl = (text: string): boolean => /^iscsi:\/\//i.test(text);

/** @throws UserError; a password in the URL is refused: command lines are seen by others */
export function parseIscsiUrl(text: string): IscsiUrl {
  const found =
    /^iscsi:\/\/(?:([^@/]*)@)?(?:\[([0-9a-fA-F:.]+)\]|([^:/[\]]+))(?::(\d{1,5}))?\/([^/]+)(?:\/(\d{1,5}))?$/i.exec(
      text,
    );
  const refuse = (what: string, remedy: string): UserError =>
    new UserError('iSCSI address', what, remedy, { kind: 'usage' });
  if (found === null) throw refuse('is malformed', 'give iscsi://HOST[:PORT]/IQN, and /LUN for one unit');
  const [, user, v6, name, portWord, targetName, lunWord] = found;
  if (user?.includes('%') || user?.includes(':'))
    throw refuse('has a password in it', 'give the user alone, and the secret in $REELMAP_CHAP_SECRET');
  const port = portWord === undefined ? ISCSI_PORT : Number(portWord);
  const lun = lunWord === undefined ? undefined : Number(lunWord);
  if (port > 65535 || port === 0) throw refuse(`has port ${port}`, 'ports are 1 to 65535');
  if (!isIscsiName(targetName)) throw refuse('names no target', 'a target is named like iqn.2026-11.org.example:mover');
  if (lun !== undefined && lun > LUN_MAX) throw refuse(`has LUN ${lun}`, `LUNs are 0 to ${LUN_MAX}`);
  return { host: v6 ?? name, port, targetName: targetName.toLowerCase(), user, lun };
}

/** For people, and for logs: no user, no secret. */
export const addressText = ({ host, port, targetName }: IscsiAddress): string =>
  `iscsi://${portalText(host, port)}/${targetName}`;

/** What `mover serve` is told on its command line, checked. */
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { UserError } from '../../bytes/errors.ts';
import { type ChapAccount, SECRET_BYTES_MIN } from '../../iscsi/chap.ts';
import { isIscsiName } from '../../iscsi/names.ts';

/** The port that IANA has given to iSCSI. */
const ISCSI_PORT = 3260;

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

const usage = (thing: string, what: string, remedy: string): UserError =>
  new UserError(thing, what, remedy, { kind: 'usage' });

/** `HOST`, `HOST:PORT`, `[IPV6]:PORT`. @throws UserError */
export function parseListen(text: string): ListenAddress {
  const found = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text);
  const port = found?.[3] === undefined ? ISCSI_PORT : Number(found[3]);
  const host = found?.[1] ?? found?.[2];
  if (host === undefined || port > 65535)
    throw usage(`--listen ${text}`, 'is no address', 'give HOST:PORT, or [IPV6]:PORT');
  return { host, port };
}

/** @throws UserError */
export function parseIqn(text: string | undefined): string {
  const name =
    text ??
    `iqn.2026-11.net.reelmap:${hostname()
      .toLowerCase()
      .replaceAll(/[^a-z0-9.-]/g, '-')}`;
  if (isIscsiName(name)) return name.toLowerCase();
  throw usage(`--iqn ${name}`, 'is no iSCSI name', 'give one like iqn.2026-11.org.example:mover');
}

export interface DiskOption {
  readonly path: string;
  readonly writable: boolean;
  readonly blockLength: 512 | 4096;
}

/** `FILE`, with `:ro` and `:4096` behind it in any order. */
export function parseDisk(text: string): DiskOption {
  let path = text;
  let writable = true;
  let blockLength: DiskOption['blockLength'] = 512;
  for (;;) {
    if (path.endsWith(':ro')) writable = false;
    else if (path.endsWith(':4096')) blockLength = 4096;
    else return { path, writable, blockLength };
    path = path.slice(0, path.lastIndexOf(':'));
  }
}

/** The account of a name; its secret is in the file, or else in the environment variable. @throws UserError */
export function chapAccount(
  name: string | undefined,
  file: string | undefined,
  variable: string,
  option: string,
): ChapAccount | undefined {
  if (name === undefined) return undefined;
  const text = file === undefined ? process.env[variable] : readSecret(file);
  if (text === undefined)
    throw usage(`${option} ${name}`, 'has no secret', `name a file with ${option}-secret-file, or set ${variable}`);
  const secret = new TextEncoder().encode(text);
  if (secret.length < SECRET_BYTES_MIN)
    throw usage(`${option} ${name}`, `its secret is shorter than ${SECRET_BYTES_MIN} bytes`, 'choose a longer one');
  return { name, secret };
}

function readSecret(file: string): string {
  try {
    return readFileSync(file, 'utf8').replace(/\r?\n$/, '');
  } catch (cause) {
    throw new UserError(file, `cannot be read: ${(cause as NodeJS.ErrnoException).code}`, 'check the path', { cause });
  }
}

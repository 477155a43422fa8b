/** iSCSI names, and the addresses of portals. RFC 7143, 4.2.7; RFC 3722 for the characters. */
import { isIPv6 } from 'node:net';

/** RFC 7143, 4.2.7.2: at most 223 bytes. */
const NAME_BYTES_MAX = 223;
const NAME =
  /^(iqn\.[0-9]{4}-[0-9]{2}(\.[a-z0-9-]+)*(:[a-z0-9.:_-]+)?|eui\.[0-9a-fA-F]{16}|naa\.[0-9a-fA-F]{16}([0-9a-fA-F]{16})?)$/;

/** An iqn., eui. or naa. name. Capitals in an iqn are taken: initiators have them, and names compare without case. */
export const isIscsiName = (name: string): boolean => name.length <= NAME_BYTES_MAX && NAME.test(name.toLowerCase());

export const sameName = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase();

/** `10.0.0.1:3260` or `[fe80::1]:3260`; an IPv4 address within IPv6 as IPv4. RFC 7143, 13.8. */
export function portalText(address: string, port: number): string {
  const host = address.replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, '').replace(/%.*$/, '');
  return `${isIPv6(host) ? `[${host}]` : host}:${port}`;
}

/** Clock and randomness as parameters of whoever needs them. */

/** Milliseconds since 1970. */
export type Clock = () => number;
/** `byteLength` random bytes. */
export type Random = (byteLength: number) => Uint8Array;

export const systemClock: Clock = () => Date.now();
export const systemRandom: Random = (byteLength) => {
  const out = new Uint8Array(byteLength);
  globalThis.crypto.getRandomValues(out);
  return out;
};

/** Lower-case hexadecimal. */
export const toHex = (data: Uint8Array): string =>
  Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('hex');
/** @throws RangeError when `text` is not an even number of hexadecimal digits */
export function fromHex(text: string): Uint8Array {
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/i.test(text))
    throw new RangeError(`"${text.slice(0, 40)}" is not hexadecimal`);
  return new Uint8Array(Buffer.from(text, 'hex'));
}

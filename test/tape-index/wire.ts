/** The message's fields in the order of their numbers, as protobufjs writes them. */
export function inOrder(raw: Uint8Array): Uint8Array {
  const fields: { field: number; bytes: Uint8Array }[] = [];
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      value += (raw[at] & 0x7f) * scale;
      if (raw[at++] < 0x80) return value;
    }
  };
  while (at < raw.length) {
    const from = at;
    const tag = varint();
    const value = varint();
    if (tag % 8 === 2) at += value;
    fields.push({ field: Math.floor(tag / 8), bytes: raw.subarray(from, at) });
  }
  return Buffer.concat(fields.sort((a, b) => a.field - b.field).map(({ bytes }) => bytes));
}

/** The ordered key-value store under the index: LevelDB in this process, or the process that holds it over a socket. */

export interface KeyRange {
  readonly gte?: Uint8Array;
  readonly lt?: Uint8Array;
  readonly reverse?: boolean;
  /** Most rows of one `scan` call. */
  readonly limit?: number;
}

export type KvOperation =
  | { readonly type: 'put'; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: 'del'; readonly key: Uint8Array };

/** Keys in byte order. Values are whole or absent: torn writes never show. */
export interface KvStore extends AsyncDisposable {
  get(key: Uint8Array): Promise<Uint8Array | undefined>;
  getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]>;
  /** Rows of the range in order, in batches bounded in bytes. */
  scan(range: KeyRange): AsyncIterable<readonly (readonly [key: Uint8Array, value: Uint8Array])[]>;
  /** All or none. `sync`: on stable storage when it resolves. */
  batch(operations: readonly KvOperation[], options?: { readonly sync?: boolean }): Promise<void>;
}

/** What is left of a range after these rows of it. */
export function rangeAfter(
  range: KeyRange,
  rows: readonly (readonly [key: Uint8Array, value: Uint8Array])[],
): KeyRange {
  const last = rows[rows.length - 1][0];
  const limit = range.limit === undefined ? undefined : range.limit - rows.length;
  const above = new Uint8Array(last.length + 1); // the least key above the last
  above.set(last);
  return {
    ...range,
    ...(range.reverse === true ? { lt: last.slice() } : { gte: above }),
    ...(limit !== undefined && { limit }),
  };
}

/** Page-aligned buffers for O_DIRECT. A WebAssembly.Memory starts on a page; a shared one can go to a worker as it is. */

// Node has WebAssembly; its types come only with the DOM's.
declare const WebAssembly: {
  Memory: new (options: { initial: number; maximum: number; shared?: boolean }) => { readonly buffer: ArrayBuffer };
};

const PAGE = 65536; // of WebAssembly
/** What O_DIRECT asks of address, offset and length: the page, and no device of today has a larger sector. */
export const DIRECT_ALIGNMENT = 4096;
// Node does not tell the address of a buffer, so the buffers that are known to be aligned are remembered.
const aligned = new WeakSet<ArrayBufferLike>();

/** A zeroed, page-aligned buffer of at least `byteLength` bytes. Costs some GiB of address space: keep few, and large ones. */
export function alignedBuffer(byteLength: number, shared = false): Uint8Array {
  const pages = Math.ceil(byteLength / PAGE);
  const memory = shared
    ? new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true })
    : new WebAssembly.Memory({ initial: pages, maximum: pages });
  aligned.add(memory.buffer);
  return new Uint8Array(memory.buffer, 0, byteLength);
}

/** Whether `view` starts at a page of a buffer made by `alignedBuffer`. */
export const isPageAligned = (view: Uint8Array): boolean =>
  view.byteOffset % DIRECT_ALIGNMENT === 0 && aligned.has(view.buffer);

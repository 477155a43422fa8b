/** Page-aligned buffers for O_DIRECT. A WebAssembly.Memory starts on a page; a shared one can go to a worker as it is. */

// Node has WebAssembly; its types come only with the DOM's.
declare const WebAssembly: {
  Memory: new (options: { initial: number; maximum: number; shared?: boolean }) => { readonly buffer: ArrayBuffer };
};

const PAGE = 65536; // of WebAssembly

/** A zeroed, page-aligned buffer of at least `byteLength` bytes. */
export function alignedBuffer(byteLength: number, shared = false): Uint8Array {
  const pages = Math.ceil(byteLength / PAGE);
  const memory = shared
    ? new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true })
    : new WebAssembly.Memory({ initial: pages, maximum: pages });
  return new Uint8Array(memory.buffer, 0, byteLength);
}

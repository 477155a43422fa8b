/** zstd-codec 0.1.5 has no types of its own; what this folder uses of it. */
declare module 'zstd-codec' {
  export interface Simple {
    compress(content: Uint8Array, level: number): Uint8Array | null;
  }
  export interface Zstd {
    Simple: new () => Simple;
  }
  const zstd: { readonly ZstdCodec: { run(ready: (zstd: Zstd) => void): void } };
  export default zstd;
}

/** zstd-codec 0.1.5 has no types of its own; what this folder uses of its binding (embind), which `Simple` is built on. */
declare module 'zstd-codec/lib/module.js' {
  /** A std::vector<uint8_t> in the heap of the WebAssembly module. */
  export interface VectorU8 {
    resize(length: number, fill: number): void;
  }
  export interface Binding {
    VectorU8: new () => VectorU8;
    ZstdCodec: new () => {
      compressBound(length: number): number;
      /** Compresses the whole of `source` into `target`, which keeps its size; the bytes written, or negative. */
      compress(target: VectorU8, source: VectorU8, level: number): number;
    };
    /** The vector's memory itself. */
    toTypedArrayView(vector: VectorU8): Uint8Array;
  }
  const module: { run(ready: (binding: Binding) => void): void };
  export default module;
}

/** zstd-codec 0.1.5 has no types of its own; what this folder uses of it: the module under its `Simple`. */
declare module 'zstd-codec/lib/module.js' {
  /** A C++ vector of bytes in the module's heap. */
  export interface ByteVector {
    /** Keeps its place in the heap while it does not grow. */
    resize(length: number, fill: number): void;
    delete(): void;
  }
  export interface Binding {
    VectorU8: new () => ByteVector;
    ZstdCodec: new () => {
      compressBound(length: number): number;
      /** Length of the frame, negative for an error. */
      compress(into: ByteVector, from: ByteVector, level: number): number;
    };
    /** The vector's bytes in the heap, not copied. The heap never grows. */
    toTypedArrayView(vector: ByteVector): Uint8Array;
  }
  const module: { run(ready: (binding: Binding) => void): void };
  export default module;
}

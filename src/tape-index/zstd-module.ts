/**
 * The WebAssembly module inside zstd-codec 0.1.5, without the JavaScript around it: that is 740 KB to parse, and each
 * compression crosses it twice. measured: 8 instead of 25 ms to start, 12 instead of 14 us for a page of 400 bytes, the
 * same frames (test/tape-index/codec.test.ts).
 *
 * The package's script holds the module in base64 and, as constants, where its heap begins. The module tells its functions
 * through Emscripten's embind, at `__wasm_call_ctors`: of those we take `ZstdCodec.compress(target, source, level)`, whose
 * arguments are two C++ std::vector<uint8_t> (begin, end, end of storage), which we lay out ourselves.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

// Node has WebAssembly; its types come only with the DOM's.
type WasmFunction = (...values: number[]) => number;
declare const WebAssembly: {
  Module: { new (bytes: Uint8Array): object; imports(module: object): { name: string; kind: string }[] };
  Memory: new (options: { initial: number; maximum: number }) => { readonly buffer: ArrayBuffer };
  Table: new (options: { initial: number; maximum: number; element: 'anyfunc' }) => object;
  Instance: new (module: object, imports: object) => { readonly exports: Record<string, WasmFunction> };
};

/** Heap of the module: 16 MiB in pages of 64 KiB, as in the package. */
const PAGES = 256;
const TABLE_ENTRIES = 328;

export interface ZstdModule {
  /** Compresses the first `length` bytes of `source`; the bytes in `target`, negative on failure. */
  compress(length: number, level: number): number;
  readonly source: Uint8Array;
  readonly target: Uint8Array;
}

interface Method {
  readonly signature: string;
  readonly invoker: number;
  readonly context: number;
}

/** Starts the module with room for sources of `sourceBytes`. @throws Error when the package is not the one that is known */
export function startZstd(sourceBytes: number): ZstdModule {
  const require = createRequire(import.meta.url);
  const script = readFileSync(require.resolve('zstd-codec/lib/zstd-codec-binding-wasm.js'), 'latin1');
  const from = script.indexOf('base64,AGFzbQ') + 'base64,'.length;
  const end = script.indexOf('"', from);
  const heapTop = constant(script, 'DYNAMICTOP_PTR');
  const heapBase = constant(script, 'DYNAMIC_BASE');
  const module = new WebAssembly.Module(Buffer.from(script.slice(from, end), 'base64'));
  const memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES });
  const bytes = new Uint8Array(memory.buffer);
  const words = new Int32Array(memory.buffer);
  const methods = new Map<string, Method>();
  const table = new WebAssembly.Table({ initial: TABLE_ENTRIES, maximum: TABLE_ENTRIES, element: 'anyfunc' });
  words[heapTop >> 2] = heapBase;
  const env = { ...environment(module, bytes, words, heapTop, methods), memory, table };
  const { exports } = new WebAssembly.Instance(module, { env });
  exports.__wasm_call_ctors();
  const method = methods.get('ZstdCodec.compress');
  if (method === undefined) throw new Error('zstd-codec has no compress');
  return compressor(exports, bytes, words, method, sourceBytes);
}

function constant(script: string, name: string): number {
  const found = new RegExp(`\\b${name}=(\\d+)`).exec(script);
  if (found === null) throw new Error(`zstd-codec has no ${name}`);
  return Number(found[1]);
}

/** What the module imports: memory for its heap, and the registrations. The rest (files, threads, exceptions) it never calls. */
function environment(
  module: object,
  bytes: Uint8Array,
  words: Int32Array,
  heapTop: number,
  methods: Map<string, Method>,
): Record<string, WasmFunction> {
  const text = (at: number): string => Buffer.from(bytes.subarray(at, bytes.indexOf(0, at))).toString('latin1');
  const classes = new Map<number, string>();
  const env: Record<string, WasmFunction> = {};
  for (const { name, kind } of WebAssembly.Module.imports(module)) if (kind === 'function') env[name] = () => 0;
  const fail = (): number => {
    throw new Error('zstd-codec gave up');
  };
  return {
    ...env,
    abort: fail,
    __cxa_pure_virtual: fail,
    _embind_register_class: (...values) => {
      classes.set(values[0], text(values[10]));
      return 0;
    },
    _embind_register_class_function: (type, name, _count, _types, signature, invoker, context) => {
      methods.set(`${classes.get(type)}.${text(name)}`, { signature: text(signature), invoker, context });
      return 0;
    },
    sbrk: (more) => {
      const top = words[heapTop >> 2];
      if (top + more > bytes.length) return -1;
      words[heapTop >> 2] = top + more;
      return top;
    },
    emscripten_memcpy_big: (to, from, length) => {
      bytes.copyWithin(to, from, from + length);
      return to;
    },
  };
}

function compressor(
  exports: Record<string, WasmFunction>,
  bytes: Uint8Array,
  words: Int32Array,
  { signature, invoker, context }: Method,
  sourceBytes: number,
): ZstdModule {
  const targetBytes = sourceBytes + (sourceBytes >>> 8) + 64; // ZSTD_compressBound
  const allocate = (length: number): number => {
    const at = exports.malloc(length);
    if (at <= 0) throw new Error('zstd-codec has no memory');
    return at;
  };
  const vector = (length: number): { readonly at: number; readonly begin: number } => {
    const [at, begin] = [allocate(12), allocate(length)];
    words.set([begin, begin + length, begin + length], at >> 2);
    return { at, begin };
  };
  const source = vector(sourceBytes);
  const target = vector(targetBytes);
  const codec = allocate(16); // an object without members
  const call = exports[`dynCall_${signature}`];
  return {
    compress(length, level) {
      words[(source.at >> 2) + 1] = source.begin + length;
      return call(invoker, context, codec, target.at, source.at, level);
    },
    source: bytes.subarray(source.begin, source.begin + sourceBytes),
    target: bytes.subarray(target.begin, target.begin + targetBytes),
  };
}

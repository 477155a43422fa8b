/**
 * SHA-256 of short texts, in JavaScript. FIPS 180-4, 6.2. For names made from a few words in commands that are over at once:
 * node:crypto takes longer to load than the rest of them (measured: 14 ms, it brings streams along).
 */
import { viewOf } from './layout.ts';

const BLOCK = 64;
/** Longer messages are worth loading node:crypto. */
const SHORT = 16 * 1024;

let constants: Int32Array | undefined;

/** Fractional parts of roots of the first primes: `square` for the initial value (5.3.3), else cube, for the constants (4.2.2). */
function rootsOfPrimes(count: number, root: (n: number) => number): Int32Array {
  const out = new Int32Array(count);
  for (let n = 2, found = 0; found < count; n++) {
    if (!isPrime(n)) continue;
    const value = root(n);
    out[found++] = (value - Math.floor(value)) * 0x1_0000_0000; // 52 bits of mantissa, at most 5 before the point
  }
  return out;
}

function isPrime(n: number): boolean {
  for (let d = 2; d * d <= n; d++) if (n % d === 0) return false;
  return true;
}

const rotate = (x: number, by: number): number => (x >>> by) | (x << (32 - by));

/** 32 bytes. */
export function sha256(data: Uint8Array): Uint8Array {
  if (data.length > SHORT) return process.getBuiltinModule('node:crypto').createHash('sha256').update(data).digest();
  const padded = new Uint8Array(Math.ceil((data.length + 9) / BLOCK) * BLOCK);
  padded.set(data);
  padded[data.length] = 0x80;
  const view = viewOf(padded);
  view.setBigUint64(padded.length - 8, BigInt(data.length) * 8n);
  constants ??= rootsOfPrimes(64, Math.cbrt);
  const state = rootsOfPrimes(8, Math.sqrt);
  for (let at = 0; at < padded.length; at += BLOCK) addBlock(state, constants, view, at);
  const out = viewOf(new Uint8Array(32));
  for (let i = 0; i < 8; i++) out.setInt32(4 * i, state[i]);
  return new Uint8Array(out.buffer);
}

function addBlock(state: Int32Array, k: Int32Array, view: DataView, at: number): void {
  const w = new Int32Array(64);
  for (let t = 0; t < 16; t++) w[t] = view.getInt32(at + 4 * t);
  for (let t = 16; t < 64; t++) {
    const low = rotate(w[t - 15], 7) ^ rotate(w[t - 15], 18) ^ (w[t - 15] >>> 3);
    const high = rotate(w[t - 2], 17) ^ rotate(w[t - 2], 19) ^ (w[t - 2] >>> 10);
    w[t] = w[t - 16] + low + w[t - 7] + high;
  }
  let a = state[0];
  let b = state[1];
  let c = state[2];
  let d = state[3];
  let e = state[4];
  let f = state[5];
  let g = state[6];
  let h = state[7];
  for (let t = 0; t < 64; t++) {
    const sum1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
    const t1 = (h + sum1 + ((e & f) ^ (~e & g)) + k[t] + w[t]) | 0;
    const t2 = ((rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + t1) | 0;
    d = c;
    c = b;
    b = a;
    a = (t1 + t2) | 0;
  }
  state[0] += a;
  state[1] += b;
  state[2] += c;
  state[3] += d;
  state[4] += e;
  state[5] += f;
  state[6] += g;
  state[7] += h;
}

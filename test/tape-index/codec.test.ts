import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decompressZstd, loadCompressor } from '../../src/tape-index/codec.ts';
import { describeWithTools } from '../support/tools.ts';

interface PublicApi {
  ZstdCodec: {
    run(ready: (zstd: { Simple: new () => { compress(raw: Uint8Array, level: number): Uint8Array } }) => void): void;
  };
}

/** Bytes with repetition, as columns have. */
const raw = fc
  .tuple(fc.uint8Array({ minLength: 16, maxLength: 200 }), fc.nat(600), fc.nat(7))
  .map(([seed, times, step]) =>
    Uint8Array.from({ length: seed.length * (times + 1) }, (_, i) => seed[i % seed.length] + (i >>> 9) * step),
  );

describe('the compressor', () => {
  it("makes the frames of zstd-codec's public interface at level 3, or none when it does not gain", async () => {
    const { ZstdCodec } = createRequire(import.meta.url)('zstd-codec') as PublicApi;
    const simple = await new Promise<{ compress(raw: Uint8Array, level: number): Uint8Array }>((resolve) => {
      ZstdCodec.run((zstd) => resolve(new zstd.Simple()));
    });
    const compress = await loadCompressor();
    fc.assert(
      fc.property(raw, (bytes) => {
        const frame = simple.compress(bytes, 3);
        const ours = compress(bytes);
        if (frame.length >= bytes.length) expect(ours).toBeUndefined();
        else expect(Buffer.compare(ours ?? new Uint8Array(0), frame)).toBe(0);
      }),
      { numRuns: 200 },
    );
  });

  it('is undone by the decompressor', async () => {
    const compress = await loadCompressor();
    fc.assert(
      fc.property(raw, (bytes) => {
        const frame = compress(bytes);
        if (frame !== undefined) expect(Buffer.compare(decompressZstd(frame, bytes.length, 'row'), bytes)).toBe(0);
      }),
    );
  });

  it('leaves what is too short or too long', async () => {
    const compress = await loadCompressor();
    expect(compress(new Uint8Array(15))).toBeUndefined();
    expect(compress(new Uint8Array((1 << 20) + 1))).toBeUndefined();
    expect(compress(new Uint8Array(1 << 20))?.length).toBeLessThan(1000);
  });
});

describeWithTools(['zstd'], "the zstd program's frames", () => {
  it('and ours are the same format', async () => {
    const compress = await loadCompressor();
    const bytes = Buffer.from('columns of numbers, columns of names, '.repeat(50));
    const frame = compress(bytes) as Uint8Array;
    expect(execFileSync('zstd', ['-dcq'], { input: frame }).equals(bytes)).toBe(true);
  });
});

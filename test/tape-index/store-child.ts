/**
 * A process of its own that uses a store, for tests of sharing and of sudden ends. Arguments: the folder, then steps as JSON:
 * ["put", key, value] ["sync", key, value] ["get", key] ["count"] ["sleep", ms] ["until", file] ["serve"] ["spin", ms] ["kill"] ["fill", count]
 * ["leave"]. Prints a JSON line for each.
 */
import { existsSync } from 'node:fs';
import { openStore } from '../../src/tape-index/level-store.ts';

const [folder, ...steps] = process.argv.slice(2);
const bytes = (text: string): Uint8Array => Buffer.from(text);
const say = (value: unknown): void => {
  process.stdout.write(`${JSON.stringify(value)}\n`);
};

try {
  const started = performance.now();
  const store = await openStore(folder, { create: true, command: `child ${steps[0] ?? ''}`, waitMs: 5000 });
  say({ opened: true, shared: store.shared, ms: performance.now() - started, unclean: store.uncleanSince ?? null });
  for (const text of steps) {
    const [step, a, b] = JSON.parse(text) as [string, string, string];
    switch (step) {
      case 'put':
      case 'sync':
        await store.batch([{ type: 'put', key: bytes(a), value: bytes(b) }], { sync: step === 'sync' });
        say({ [step]: a });
        break;
      case 'get': {
        const value = await store.get(bytes(a));
        say({ get: a, value: value === undefined ? null : Buffer.from(value).toString(), shared: store.shared });
        break;
      }
      case 'fill':
        for (let i = 0; i < Number(a); i += 100)
          await store.batch(
            Array.from({ length: 100 }, (_, k) => ({
              type: 'put' as const,
              key: bytes(`fill ${String(i + k).padStart(8, '0')}`),
              value: Buffer.alloc(500, i + k),
            })),
          );
        say({ fill: a });
        break;
      case 'count': {
        let count = 0;
        for await (const rows of store.scan({ gte: bytes('fill '), lt: bytes('fill!') })) {
          count += rows.length;
          if (a !== undefined) await new Promise((resolve) => setTimeout(resolve, Number(a)));
        }
        say({ count, shared: store.shared });
        break;
      }
      case 'sleep':
        await new Promise((resolve) => setTimeout(resolve, Number(a)));
        say({ slept: a });
        break;
      case 'until':
        while (!existsSync(a)) await new Promise((resolve) => setTimeout(resolve, 5));
        say({ until: a });
        break;
      case 'spin': {
        const until = performance.now() + Number(a);
        while (performance.now() < until);
        say({ spun: a });
        break;
      }
      case 'serve':
        await store.serve();
        say({ serving: true });
        break;
      case 'kill':
        process.kill(process.pid, 'SIGKILL');
        break;
    }
  }
  await store[Symbol.asyncDispose]();
  say({ closed: true });
} catch (error) {
  say({ error: error instanceof Error ? error.message : String(error) });
}

/** Waiting, which few commands do: node:timers/promises is loaded for it alone (2 ms and more). */
export async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  const timers = await import('node:timers/promises');
  await timers.setTimeout(ms, undefined, signal && { signal });
}

/**
 * Progress of long work, on standard error: a bar on a terminal, a plain line every few seconds elsewhere, JSON lines on
 * standard output with --json. Short work shows nothing and loads nothing.
 */
import type { Clock } from '../bytes/random.ts';
import { type Output, writeAll } from './output.ts';
import { safeText } from './quoting.ts';

export interface ProgressState {
  /** `copying`, `restoring`, `reading`. */
  readonly phase: string;
  /** Missing: nobody counts it, and the time that it takes is shown. */
  readonly done?: number;
  /** Missing: not known yet. */
  readonly total?: number;
  /** `bytes`, or what `done` counts: `files`. */
  readonly unit: string;
  /** Bytes a second below which the drive stops and starts. */
  readonly floor?: number;
  /** What it is at: a path or a cartridge. */
  readonly detail?: string;
}

export interface Progress {
  /** As often as the caller likes; most calls cost one clock reading. What was said last is said again while nothing comes. */
  update(state: ProgressState): void;
  /** The work is over: clears the bar, and says no more. */
  end(): void;
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/** `1.5 GiB`, `512 B`. */
export function formatBytes(count: number): string {
  let value = count;
  let unit = 0;
  while (Math.abs(value) >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 || Math.abs(value) >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}

/** `4 s`, `2 min 05 s`, `3 h 04 min`. */
export function formatSeconds(seconds: number): string {
  const s = Math.max(0, Math.round(seconds));
  const two = (n: number): string => String(n).padStart(2, '0');
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${two(s % 60)} s`;
  return `${Math.floor(s / 3600)} h ${two(Math.floor((s % 3600) / 60))} min`;
}

const amount = (n: number, unit: ProgressState['unit']): string => (unit === 'bytes' ? formatBytes(n) : `${n} ${unit}`);

export interface Pace {
  /** Units a second, over the last few seconds. */
  readonly rate: number;
  readonly secondsLeft: number | undefined;
  /** Since the phase began. */
  readonly seconds?: number;
}

/** `restoring 12.0 MiB of 1.5 GiB, 98.0 MiB/s (drive's floor 112 MiB/s), 14 s left`. */
export function progressLine(state: ProgressState, pace: Pace): string {
  const { phase, done, total, unit, floor } = state;
  if (done === undefined) return `${phase}, ${formatSeconds(pace.seconds ?? 0)}`;
  let out = `${phase} ${amount(done, unit)}`;
  if (total !== undefined) out += ` of ${amount(total, unit)}`;
  if (pace.rate > 0) out += `, ${amount(Math.round(pace.rate), unit)}/s`;
  if (floor !== undefined && unit === 'bytes') out += ` (drive's floor ${formatBytes(floor)}/s)`;
  if (pace.secondsLeft !== undefined) out += `, ${formatSeconds(pace.secondsLeft)} left`;
  return out;
}

/** The bar and its line within `columns`. */
export function progressBar(state: ProgressState, pace: Pace, columns: number): string {
  const line = progressLine(state, pace);
  const room = columns - line.length - 10;
  let out = line;
  if (state.total !== undefined && state.total > 0) {
    const part = Math.min(1, (state.done ?? 0) / state.total);
    const percent = `${Math.floor(part * 100)}%`.padStart(4);
    const width = Math.min(30, room);
    const full = Math.floor(part * Math.max(0, width));
    out = width >= 8 ? `[${'#'.repeat(full)}${'.'.repeat(width - full)}]${percent} ${line}` : `${percent} ${line}`;
  }
  if (state.detail !== undefined) out += ` ${safeText(state.detail)}`;
  return out.slice(0, Math.max(0, columns - 1));
}

/** A rate over the last WINDOW_MS, so that a stall shows. */
function paceMeter(): (now: number, state: ProgressState) => Pace {
  let samples: { at: number; done: number }[] = [];
  let phase: string | undefined;
  let began = 0;
  return (now, state) => {
    const { done = 0, total } = state;
    if (state.phase !== phase) began = now;
    if (state.phase !== phase || (samples.length > 0 && done < samples[samples.length - 1].done)) samples = [];
    phase = state.phase;
    samples.push({ at: now, done });
    while (samples.length > 2 && (now - samples[1].at >= WINDOW_MS || samples.length > SAMPLES_MAX)) samples.shift();
    const span = (now - samples[0].at) / 1000;
    const rate = span > 0 ? (done - samples[0].done) / span : 0;
    const left = total === undefined ? undefined : total - done;
    const secondsLeft = left !== undefined && rate > 0 ? left / rate : undefined;
    return { rate, secondsLeft, seconds: (now - began) / 1000 };
  };
}

const WINDOW_MS = 10_000;
const SAMPLES_MAX = 200;
const BAR_AFTER_MS = 300;
const BAR_EVERY_MS = 100;
const LINE_AFTER_MS = 2000;
const LINE_EVERY_MS = 5000;

export interface ProgressOptions {
  readonly output: Output;
  readonly clock: Clock;
  /** When the work began, if that was before now. */
  readonly start?: number;
  /** Columns of the terminal on standard error; 0: not a terminal. Asked once, late. */
  readonly columns: () => number;
  readonly write?: (descriptor: 1 | 2, data: Uint8Array) => boolean;
}

/** A state that does not change is said again by a timer of this pace. */
const AGAIN_MS = 500;

export function createProgress(options: ProgressOptions): Progress {
  const { output, clock, columns, write = writeAll, start = clock() } = options;
  const measure = paceMeter();
  let last: number | undefined;
  let width: number | undefined;
  let barShown = false;
  let current: ProgressState | undefined;
  let timer: NodeJS.Timeout | undefined;
  const say = (text: string): void => void write(2, Buffer.from(text, 'utf8'));
  const clear = (): void => {
    if (barShown) say('\r\x1b[K');
    barShown = false;
  };
  const emit = (state: ProgressState, pace: Pace): void => {
    if (output.json) {
      const { rate, secondsLeft } = pace;
      output.value({ event: 'progress', ...state, rate: Math.round(rate), secondsLeft });
      output.flush();
    } else if (width !== undefined && width > 0) {
      say(`\r\x1b[K${progressBar(state, pace, width)}`);
      barShown = true;
    } else say(`${progressLine(state, pace)}\n`);
  };
  const show = (state: ProgressState): void => {
    const now = clock();
    if (last === undefined ? now - start < BAR_AFTER_MS : now - last < BAR_EVERY_MS) return;
    if (!output.json) width ??= columns();
    const pace = measure(now, state);
    const plain = output.json || width === 0;
    if (plain && (last === undefined ? now - start < LINE_AFTER_MS : now - last < LINE_EVERY_MS)) return;
    last = now;
    emit(state, pace);
  };
  // Whatever else is printed does not stand behind a bar.
  output.beforeText(clear);
  return {
    update(state) {
      current = state;
      timer ??= setInterval(() => current && show(current), AGAIN_MS).unref();
      show(state);
    },
    end() {
      clearInterval(timer);
      timer = undefined;
      current = undefined;
      clear();
    },
  };
}

/** Nothing shown. */
export const noProgress: Progress = { update() {}, end() {} };

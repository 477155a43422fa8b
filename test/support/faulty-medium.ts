/** A tape medium that fails where it is told to: a write error in the middle, a record that cannot be read. */
import { FormatError } from '../../src/bytes/errors.ts';
import type { TapeMedium } from '../../src/tape/medium.ts';

export interface MediumFaults {
  /** The append or filemark that fails, asked with the object it would become; what was buffered is lost with it. */
  readonly failsWriting?: (object: number, kind: 'record' | 'filemark') => boolean;
  /** The object whose reading fails. */
  readonly failsReading?: (object: number) => boolean;
}

/** `medium`, with faults. A write that failed fails ever after, as the medium's own does. */
export function faultyMedium(medium: TapeMedium, faults: MediumFaults): TapeMedium {
  let broken: FormatError | undefined;
  const write = async <T>(kind: 'record' | 'filemark', doIt: () => Promise<T>): Promise<T> => {
    if (broken === undefined && faults.failsWriting?.(medium.position.object, kind) === true)
      broken = new FormatError('io', 'faulty medium', `object ${medium.position.object} cannot be written (injected)`);
    if (broken !== undefined) throw broken;
    return doIt();
  };
  return new Proxy(medium, {
    get(target, name) {
      switch (name) {
        case 'append':
          return (record: Uint8Array) => write('record', () => target.append(record));
        case 'writeFilemarks':
          return (count: number) => write('filemark', () => target.writeFilemarks(count));
        case 'flush':
          return async () => {
            if (broken !== undefined) throw broken;
            return target.flush();
          };
        case 'read':
          return async (into: Uint8Array) => {
            const { object } = target.position;
            const outcome = await target.read(into);
            if (outcome.kind !== 'record' || faults.failsReading?.(object) !== true) return outcome;
            return { kind: 'damaged', length: outcome.length, reason: 'injected' };
          };
        default: {
          const value: unknown = Reflect.get(target, name, target);
          return typeof value === 'function' ? value.bind(target) : value;
        }
      }
    },
  });
}

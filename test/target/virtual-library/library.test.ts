import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { bytes } from '../../../src/bytes/units.ts';
import {
  createCartridge,
  listCartridges,
  openCartridge,
  setWriteProtect,
} from '../../../src/target/virtual-library/cartridge.ts';
import {
  createLibrary,
  libraryExists,
  type NewLibrary,
  openLibrary,
  type ReservedDrive,
  type VirtualLibrary,
} from '../../../src/target/virtual-library/library.ts';
import { describeTapeMedium } from '../../conformance/tape-medium.ts';
import { recordOf } from '../../support/tape-model.ts';

const root = fs.mkdtempSync(join(tmpdir(), 'reelmap-library-'));
afterAll(() => fs.rmSync(root, { recursive: true }));
let folders = 0;
const newFolder = (): string => join(root, `library${folders++}`);

const SHAPE: NewLibrary = { drives: 2, slots: 4, mailSlots: 1, cartridges: 3, prefix: 'RM', capacity: bytes(1e9) };

async function newLibrary(shape: Partial<NewLibrary> = {}): Promise<VirtualLibrary> {
  const folder = newFolder();
  await createLibrary(folder, { ...SHAPE, ...shape });
  return openLibrary(folder);
}

function reserve(library: VirtualLibrary, command = 'test'): ReservedDrive {
  const drive = library.reserveDrive(command);
  if ('busy' in drive) throw new Error('busy');
  return drive;
}

const placeOf = (library: VirtualLibrary, barcode: string): number | undefined =>
  library.inventory().find((one) => one.barcode === barcode)?.address;

let tapes = 0;
const tapeRoot = newFolder();
describeTapeMedium(
  'a cartridge on disk',
  async (options) => {
    const barcode = `T${tapes++}`;
    await createCartridge(tapeRoot, { capacity: bytes(1e9), barcode, ...options });
    return (await openCartridge(tapeRoot, barcode, { command: 'test' })).medium;
  },
  4,
);

describe('a virtual library', () => {
  it('is made with blank cartridges in its first slots, that take no room', async () => {
    const library = await newLibrary();
    expect(libraryExists(library.folder)).toBe(true);
    expect(library.inventory().map(({ barcode, type }) => [barcode, type])).toEqual([
      ['RM0001L9', 'slot'],
      ['RM0002L9', 'slot'],
      ['RM0003L9', 'slot'],
    ]);
    const { blocks } = fs.statSync(join(library.folder, 'cartridges/RM0001L9/data'));
    expect(blocks).toBe(0);
    using drive = reserve(library);
    const kinds = drive.view.elements().map(({ type, full }) => `${type}${full ? ' full' : ''}`);
    expect(kinds).toEqual(['transport', 'mail-slot', 'drive', 'slot full', 'slot full', 'slot full', 'slot']);
  });

  it('made a second time, or by two at once, stays as it is', async () => {
    const folder = newFolder();
    await Promise.all([createLibrary(folder, SHAPE), createLibrary(folder, { ...SHAPE, cartridges: 1 })]);
    const { id } = openLibrary(folder);
    const before = listCartridges(join(folder, 'cartridges'));
    await createLibrary(folder, { ...SHAPE, cartridges: 4 });
    expect(openLibrary(folder).id).toBe(id);
    expect(listCartridges(join(folder, 'cartridges'))).toEqual(before);
  });

  it('that was killed while it was made is made again', async () => {
    const folder = newFolder();
    await createLibrary(folder, SHAPE);
    fs.rmSync(join(folder, 'library.json'));
    fs.rmSync(join(folder, 'cartridges/RM0003L9'), { recursive: true });
    expect(libraryExists(folder)).toBe(false);
    await createLibrary(folder, SHAPE);
    expect(openLibrary(folder).inventory().length).toBe(3);
  });

  it('moves cartridges between elements, refuses what cannot be, and remembers', async () => {
    const library = await newLibrary();
    using drive = reserve(library);
    const slot = placeOf(library, 'RM0001L9') ?? 0;
    const other = placeOf(library, 'RM0002L9') ?? 0;
    const { view } = drive;
    expect(await view.move(slot, drive.address)).toBe('moved');
    expect(await view.move(slot, drive.address)).toBe('source-empty');
    expect(await view.move(other, drive.address)).toBe('destination-full');
    expect(await view.move(slot, 9999)).toBe('no-such-element');
    expect(await view.move(drive.address, slot + 3)).toBe('moved');
    expect(placeOf(openLibrary(library.folder), 'RM0001L9')).toBe(slot + 3);
  });

  it('a drive is for one at a time; who has them all is told', async () => {
    const library = await newLibrary();
    using first = reserve(library, 'backup a');
    const second = reserve(library, 'backup b');
    expect(first.address).not.toBe(second.address);
    expect(first.view.elements().filter(({ type }) => type === 'drive').length).toBe(1);
    expect(library.driveHolder(first.address)).toMatchObject({ pid: process.pid, command: 'backup a' });
    expect(library.reserveDrive('c')).toMatchObject({ busy: [{ command: 'backup a' }, { command: 'backup b' }] });
    second[Symbol.dispose]();
    reserve(library)[Symbol.dispose]();
  });

  it('a cartridge left in a drive is found there, or in a slot by who reserves another drive', async () => {
    const library = await newLibrary();
    const first = reserve(library);
    const second = reserve(library);
    await first.view.move(placeOf(library, 'RM0001L9') ?? 0, first.address);
    await second.view.move(placeOf(library, 'RM0002L9') ?? 0, second.address);
    first[Symbol.dispose]();
    using third = reserve(library); // the second is still in use
    expect(third.address).toBe(first.address);
    expect(placeOf(library, 'RM0001L9')).toBe(third.address);
    second[Symbol.dispose]();
    third[Symbol.dispose]();
    using fourth = reserve(library);
    const types = library
      .inventory()
      .map(({ barcode, type, address }) => [barcode, address === fourth.address || type]);
    expect(types).toEqual([
      ['RM0001L9', true],
      ['RM0002L9', 'slot'],
      ['RM0003L9', 'slot'],
    ]);
  });

  it('cartridges are added to a free slot, exported, and imported again', async () => {
    const library = await newLibrary();
    await library.addCartridge('RM0009L9', bytes(1e6), { worm: true });
    expect(placeOf(library, 'RM0009L9')).toBeDefined();
    await expect(library.addCartridge('RM0009L9', bytes(1e6))).rejects.toThrow('is there already');
    await expect(library.addCartridge('../x', bytes(1e6))).rejects.toThrow('capital letters');
    await expect(library.addCartridge('RM0010L9', bytes(1e6))).rejects.toThrow('no slot is free');
    await library.exportCartridge('RM0001L9');
    expect(library.inventory()[0]).toMatchObject({ barcode: 'RM0001L9', type: 'outside' });
    await expect(library.exportCartridge('RM0001L9')).rejects.toThrow('is not in the library');
    await library.importCartridge('RM0001L9');
    expect(placeOf(library, 'RM0001L9')).toBeDefined();
    await expect(library.importCartridge('RM0077L9')).rejects.toThrow('none of that barcode');
  });

  it('a cartridge keeps what was written, is open in one place only, and obeys its switch', async () => {
    const library = await newLibrary();
    using drive = reserve(library, 'backup x');
    await drive.view.move(placeOf(library, 'RM0001L9') ?? 0, drive.address);
    const { medium, cartridge } = await drive.view.openCartridge(drive.address);
    expect(cartridge.barcode).toBe('RM0001L9');
    await medium.append(recordOf(1, 300_000));
    const cartridges = join(library.folder, 'cartridges');
    const again = openCartridge(cartridges, 'RM0001L9', { command: 'y' });
    await expect(again).rejects.toThrow(`in use by process ${process.pid} (backup x) since`);
    await medium[Symbol.asyncDispose]();
    setWriteProtect(cartridges, 'RM0001L9', true);
    await using reading = (await drive.view.openCartridge(drive.address)).medium;
    expect(reading.writable).toBe(false);
    const into = new Uint8Array(300_000);
    expect(await reading.read(into)).toMatchObject({ kind: 'record', length: 300_000 });
    expect(Buffer.compare(into, recordOf(1, 300_000))).toBe(0);
  });

  it('a cartridge that cannot be opened is let go of', async () => {
    const library = await newLibrary();
    const cartridges = join(library.folder, 'cartridges');
    const map = join(cartridges, 'RM0001L9/map');
    const whole = fs.readFileSync(map);
    fs.truncateSync(map, 100);
    const open = () => openCartridge(cartridges, 'RM0001L9', { command: 'x' });
    await expect(open()).rejects.toMatchObject({ kind: 'corrupt', where: 'cartridge RM0001L9' });
    fs.writeFileSync(map, whole);
    await (await open()).medium[Symbol.asyncDispose]();
  });

  it.each([
    ['not JSON', () => '{'],
    ['drives', (text: string) => text.replace('"drives": 2', '"drives": 2000000000')],
    ['slots', (text: string) => text.replace('"slots": 4', '"slots": 4000000000')],
    ['mail slots', (text: string) => text.replace('"mailSlots": 1', '"mailSlots": 5000')],
    ['"places" has', (text: string) => text.replace('RM0001L9', '../../etc')],
    ['in two places', (text: string) => text.replace('RM0001L9', 'RM0002L9')],
  ])('damaged state is refused by name: %s', async (words, damage) => {
    const library = await newLibrary();
    const path = join(library.folder, 'library.json');
    fs.writeFileSync(path, damage(fs.readFileSync(path, 'utf8')));
    expect(() => openLibrary(library.folder)).toThrow(words);
    expect(() => openLibrary(library.folder)).toThrow(path);
  });
});

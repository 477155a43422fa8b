/**
 * A whole installation in memory: cartridges, library, drive, mover, index store, and the volume. A `Site` is what lasts
 * (media and store); a `Session` is one process at work on it. Sites can lose power and be found again as a disk would be.
 */
import { type BackupRequest, type BackupResult, backupVolume } from '../../src/backup/backup.ts';
import type { BackupEnvironment, BackupEvent, SourceDisk } from '../../src/backup/environment.ts';
import type { BlockStore } from '../../src/bytes/block-store.ts';
import { FormatError } from '../../src/bytes/errors.ts';
import { bytesOf } from '../../src/bytes/layout.ts';
import type { Manifest } from '../../src/bytes/manifest.ts';
import { openSource, type VolumeSource } from '../../src/catalog/source.ts';
import { indexService } from '../../src/cli/index-service.ts';
import { restoreIndexOf } from '../../src/cli/restore-index.ts';
import type { SetView } from '../../src/cli/services.ts';
import { filesystemOpeners } from '../../src/cli/workplace.ts';
import { readAtOf } from '../../src/filesystem/volume.ts';
import { type BlockDevice, openBlockDevice } from '../../src/initiator/block-device.ts';
import { openChanger } from '../../src/initiator/changer.ts';
import { openCopyManager } from '../../src/initiator/copy-manager.ts';
import { openTapeDrive } from '../../src/initiator/tape-drive.ts';
import { openStation, type TapeStation } from '../../src/library/station.ts';
import { type RestoreOutcome, restoreFiles } from '../../src/restore/restore.ts';
import { type LostRange, restoreVolume } from '../../src/restore/restore-volume.ts';
import { stationCartridges } from '../../src/restore/station-cartridges.ts';
import { naaDesignator } from '../../src/scsi/common/vpd.ts';
import type { OperatingParameters } from '../../src/scsi/copy/receive.ts';
import type { Execute } from '../../src/scsi/execute.ts';
import { CrashStore, PowerSwitch, seededPick } from '../../src/storage/crash-store.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { formatMedium, openMedium } from '../../src/tape/file-medium.ts';
import type { TapeMedium } from '../../src/tape/medium.ts';
import type { KvStore } from '../../src/tape-index/kv-store.ts';
import { getSet, listSets, type StoredSet, wholeManifest } from '../../src/tape-index/sets.ts';
import type { ChangerElement, MoveOutcome } from '../../src/target/changer.ts';
import { diskUnit } from '../../src/target/disk.ts';
import { CONTROLLER_LUN, Router } from '../../src/target/router.ts';
import { type LibraryOfCartridges, openVirtualDevices } from '../../src/target/virtual-library/devices.ts';
import { type RebuildResult, rebuildIndex } from '../../src/verify/rebuild.ts';
import { type VerifyResult, verifySet } from '../../src/verify/verify.ts';
import { CrashKv } from './crash-kv.ts';

export interface SiteCartridge {
  readonly barcode: string;
  /** Bytes; 8 MiB unless told. */
  readonly capacity?: number;
  readonly earlyWarningZone?: number;
  readonly worm?: boolean;
}

export interface SiteOptions {
  readonly cartridges: readonly SiteCartridge[];
  /** What the copy manager states in place of its defaults. */
  readonly copy?: Partial<OperatingParameters>;
  readonly wrapMedium?: (medium: TapeMedium, barcode: string) => TapeMedium;
  /** Between initiator and tape drive; the copy manager does not go through it. */
  readonly wrapDrive?: (execute: Execute) => Execute;
  readonly blockLength?: number;
}

interface Media {
  readonly spec: SiteCartridge;
  readonly data: CrashStore;
  readonly map: CrashStore;
}

const DRIVE = 256;
const SLOT = 1024;
const TRANSPORT = 1;
const MIB = 2 ** 20;
export const RECORD = 2048;
/** 14 March 2026, 02:00 UTC; a second passes with each look. */
const CLOCK_START = Date.UTC(2026, 2, 14, 2);

/** Documents of a label, short: a cartridge of some hundred KiB has room for more than them. */
export const DOCUMENTS = { format: Buffer.from('# format\n'), restore: Buffer.from('print("restore")\n') };

export class Site {
  readonly options: SiteOptions;
  readonly power: PowerSwitch;
  readonly kv: CrashKv;
  readonly media: ReadonlyMap<string, Media>;
  readonly places: Map<number, string>;
  clock: number;
  #random: ReturnType<typeof seededPick>;

  private constructor(options: SiteOptions, power: PowerSwitch, kv: CrashKv, media: Map<string, Media>, past?: Site) {
    this.options = options;
    this.power = power;
    this.kv = kv;
    this.media = media;
    this.clock = past?.clock ?? CLOCK_START;
    this.#random = seededPick(past === undefined ? 1 : past.clock);
    this.places = new Map(past?.places ?? options.cartridges.map(({ barcode }, i) => [SLOT + i, barcode]));
  }

  /** A new site with blank cartridges in its slots. */
  static async make(options: SiteOptions): Promise<Site> {
    const power = new PowerSwitch();
    const media = new Map<string, Media>();
    for (const spec of options.cartridges) media.set(spec.barcode, await blankMedia(spec, power));
    return new Site(options, power, new CrashKv(power), media);
  }

  /** Adds a blank cartridge, as a user would. */
  async add(spec: SiteCartridge): Promise<void> {
    (this.media as Map<string, Media>).set(spec.barcode, await blankMedia(spec, this.power));
    let slot = SLOT;
    while (this.places.has(slot)) slot++;
    this.places.set(slot, spec.barcode);
  }

  /** Takes a cartridge out of the library. */
  remove(barcode: string): void {
    for (const [address, one] of this.places) if (one === barcode) this.places.delete(address);
  }

  /** The site as it may be found after the power went; everything that was not synced may be gone. */
  afterCrash(seed: number, options: Partial<SiteOptions> = {}): Site {
    const pick = seededPick(seed);
    const sector = pick(2) === 0 ? 512 : 4096;
    return this.#copy(
      options,
      (power, store) => new CrashStore({ power, content: store.afterCrash(pick, sector) }),
      (power) => new CrashKv(power, this.kv.afterCrash(pick)),
    );
  }

  /** The site as the next process finds it when this one was killed: nothing is lost. A copy; its index store may be new. */
  async copy(options: Partial<SiteOptions> & { readonly newIndex?: boolean } = {}): Promise<Site> {
    const contents = new Map<CrashStore, MemoryStore>();
    for (const { data, map } of this.media.values())
      for (const store of [data, map]) {
        const content = new Uint8Array(store.byteLength);
        await store.read(0, content);
        contents.set(store, new MemoryStore({ content }));
      }
    return this.#copy(
      options,
      (power, store) => {
        const content = contents.get(store);
        return new CrashStore({ power, ...(content && { content }) });
      },
      (power) => new CrashKv(power, options.newIndex === true ? [] : this.kv.content()),
    );
  }

  #copy(
    options: Partial<SiteOptions>,
    storeOf: (power: PowerSwitch, store: CrashStore) => CrashStore,
    kvOf: (power: PowerSwitch) => CrashKv,
  ): Site {
    const power = new PowerSwitch();
    const media = new Map<string, Media>();
    for (const [barcode, { spec, data, map }] of this.media)
      media.set(barcode, { spec, data: storeOf(power, data), map: storeOf(power, map) });
    return new Site({ ...this.options, ...options }, power, kvOf(power), media, this);
  }

  now(): number {
    this.clock += 1000;
    return this.clock;
  }

  random(byteLength: number): Uint8Array {
    return Uint8Array.from({ length: byteLength }, () => this.#random(256));
  }

  /** One process at work, with the disks given behind its mover. */
  async open(...disks: readonly BlockStore[]): Promise<Session> {
    const { copy, wrapDrive = (execute: Execute) => execute, blockLength = 512 } = this.options;
    const devices = await openVirtualDevices(this.#library());
    const router = new Router({
      serialNumber: 'SITE',
      copyManager: { ...(copy && { parameters: copy }), bufferBytes: 65_536, blockTransferBytesMax: 65_536 },
    });
    const changer = await openChanger(router.lun('client', router.add(devices.changer)));
    const drive = await openTapeDrive(wrapDrive(router.lun('client', router.add(devices.drives[0]))));
    const served: ServedDisk[] = [];
    for (const [i, store] of disks.entries()) {
      const designator = naaDesignator(`disk ${i}`);
      const unit = diskUnit(store, { name: `disk ${i}`, serialNumber: `D${i}`, designator, blockLength });
      const device = await openBlockDevice(router.lun('client', router.add(unit)));
      served.push({
        designator,
        blockLength,
        device,
        read: async (offset, into) => {
          into.set(bytesOf(await device.readAt(offset, into.length)));
        },
      });
    }
    const mover = await openCopyManager(router.lun('client', CONTROLLER_LUN));
    const station = openStation('the drive', drive, changer, DRIVE);
    return new Session(this, station, mover, served, async () => devices[Symbol.asyncDispose]());
  }

  #library(): LibraryOfCartridges {
    const { places } = this;
    const slots = Math.max(this.media.size, this.options.cartridges.length) + 1;
    const element = (type: ChangerElement['type'], address: number): ChangerElement => {
      const barcode = places.get(address) ?? null;
      return { type, address, full: barcode !== null, barcode, source: null };
    };
    return {
      id: '0123456789abcdef',
      elements: () => [
        element('transport', TRANSPORT),
        element('drive', DRIVE),
        ...Array.from({ length: slots }, (_, i) => element('slot', SLOT + i)),
      ],
      async move(source, destination): Promise<MoveOutcome> {
        const barcode = places.get(source);
        if (barcode === undefined) return 'source-empty';
        if (places.has(destination)) return 'destination-full';
        places.delete(source);
        places.set(destination, barcode);
        return 'moved';
      },
      openCartridge: async (address) => {
        const barcode = places.get(address) ?? '';
        const medium = await this.openMedium(barcode);
        const wrapped = this.options.wrapMedium?.(medium, barcode) ?? medium;
        return { medium: wrapped, cartridge: { barcode, serialNumber: barcode, manufacturer: 'REELMAP' } };
      },
    };
  }

  /** A cartridge's medium. */
  async openMedium(barcode: string): Promise<TapeMedium> {
    const media = this.media.get(barcode);
    if (media === undefined) throw new FormatError('io', `cartridge ${barcode}`, 'is not there');
    return openMedium({ ...media, name: `cartridge ${barcode}`, bufferBytes: 16_384 });
  }

  /** Everything on a cartridge: records, and null for filemarks. A damaged record is empty. */
  async objects(barcode: string): Promise<(Uint8Array | null)[]> {
    await using medium = await this.openMedium(barcode);
    const out: (Uint8Array | null)[] = [];
    const into = new Uint8Array(65_536);
    for (;;) {
      const read = await medium.read(into);
      if (read.kind === 'end-of-data') return out;
      if (read.kind === 'damaged') out.push(new Uint8Array(0));
      else out.push(read.kind === 'filemark' ? null : read.data.slice());
    }
  }

  /** Its tape files, each a list of records; the last may be cut short. */
  async tapeFiles(barcode: string): Promise<Uint8Array[][]> {
    const files: Uint8Array[][] = [[]];
    for (const object of await this.objects(barcode)) {
      if (object === null) files.push([]);
      else files[files.length - 1].push(object);
    }
    if (files[files.length - 1].length === 0) files.pop();
    return files;
  }

  sets(): Promise<StoredSet[]> {
    return listSets(this.kv);
  }

  /** One process that backs a volume up. */
  async backup(volume: BlockStore, options: BackupOptions = {}): Promise<BackupResult & { readonly notes: string[] }> {
    await using session = await this.open(volume);
    return { ...(await session.backup(await sourceOf(volume), options)), notes: session.notes };
  }

  /** One process that restores a set's volume to a disk of zeros. */
  async restoreVolume(set: string): Promise<{ readonly volume: Uint8Array; readonly lost: readonly LostRange[] }> {
    const stored = (await this.sets()).find(({ manifest }) => manifest.set === set);
    const target = new MemoryStore({ byteLength: stored?.manifest.volume.byteLength ?? 0 });
    await using session = await this.open(target);
    const lost = await session.restoreVolume(set);
    return { volume: target.content(), lost };
  }
}

async function blankMedia(spec: SiteCartridge, power: PowerSwitch): Promise<Media> {
  const name = `cartridge ${spec.barcode}`;
  const stores = { data: new CrashStore({ power, name }), map: new CrashStore({ power, name }) };
  const { capacity = 8 * MIB, earlyWarningZone, worm } = spec;
  await formatMedium(
    { ...stores, name },
    {
      capacity,
      ...(earlyWarningZone !== undefined && { earlyWarningZone }),
      ...(worm !== undefined && { worm }),
      id: new Uint8Array(16).fill(spec.barcode.charCodeAt(spec.barcode.length - 1)),
    },
  );
  return { spec, ...stores };
}

interface ServedDisk extends SourceDisk {
  readonly device: BlockDevice;
}

export interface BackupOptions extends Partial<Omit<BackupRequest, 'source' | 'spool'>> {
  readonly waitForCartridge?: BackupEnvironment['waitForCartridge'];
}

/** One process. Disposing it closes the drive. */
export class Session implements AsyncDisposable {
  readonly events: BackupEvent[] = [];
  readonly notes: string[] = [];
  readonly site: Site;
  readonly station: TapeStation;
  readonly mover: Awaited<ReturnType<typeof openCopyManager>>;
  readonly disks: readonly ServedDisk[];
  readonly #close: () => Promise<void>;

  constructor(
    site: Site,
    station: TapeStation,
    mover: Session['mover'],
    disks: readonly ServedDisk[],
    close: () => Promise<void>,
  ) {
    this.site = site;
    this.station = station;
    this.mover = mover;
    this.disks = disks;
    this.#close = close;
  }

  get store(): KvStore {
    return this.site.kv;
  }

  async backup(source: VolumeSource, options: BackupOptions = {}): Promise<BackupResult> {
    const { waitForCartridge = async () => false, ...request } = options;
    let text: Uint8Array[] = [];
    return backupVolume(
      {
        recordSize: RECORD,
        snapshot: { provider: 'none', consistency: 'file not mounted writable' },
        ...request,
        source,
        spool: {
          add: async (part) => {
            text.push(part.slice());
          },
          get length() {
            return text.length;
          },
          cut: (length) => {
            text = text.slice(0, length);
          },
          async *parts() {
            yield* text;
          },
        },
      },
      {
        store: this.store,
        station: this.station,
        mover: this.mover,
        disk: this.disks[0],
        documents: async () => DOCUMENTS,
        clock: () => this.site.now(),
        random: (byteLength) => this.site.random(byteLength),
        program: 'reelmap test',
        report: (event) => {
          this.events.push(event);
          if (event.kind === 'note') this.notes.push(event.text);
        },
        waitForCartridge,
      },
    );
  }

  /** The volume of a set onto the session's first disk. Answers what could not be had. */
  async restoreVolume(set: string): Promise<readonly LostRange[]> {
    const manifest = await this.manifest(set);
    const view = await this.view(set);
    const cartridges = await stationCartridges(this.station, manifest.cartridges, (text) => this.notes.push(text));
    return restoreVolume({
      chunks: manifest.chunks,
      extentsOf: async (chunk) =>
        (await view.chunkExtents(chunk, chunk.volumeOffset, chunk.volumeOffset + chunk.byteLength)).runs,
      recordSize: manifest.recordSize,
      cartridges,
      mover: this.mover,
      disk: this.disks[0],
      name: 'target',
      zero: false,
      progress: () => {},
      note: (text) => this.notes.push(text),
    });
  }

  /** Files of a set to a folder. */
  async restore(set: string, paths: readonly string[], destination: string): Promise<RestoreOutcome> {
    const manifest = await this.manifest(set);
    const cartridges = await stationCartridges(this.station, manifest.cartridges, (text) => this.notes.push(text));
    return restoreFiles({
      index: restoreIndexOf(await this.view(set), undefined),
      cartridges,
      set,
      selection: {
        paths: paths.map((path) => Buffer.from(path)),
        fullPaths: false,
        print: (path) => Buffer.from(path).toString('latin1'),
      },
      destination: Buffer.from(destination),
      overwrite: false,
      gapBytesMax: 65_536,
      rank: (cartridge) => cartridges.rank(cartridge),
    });
  }

  async view(set: string): Promise<SetView> {
    return indexService(this.store).open((await this.manifest(set)) as Manifest);
  }

  async manifest(set: string): Promise<Manifest> {
    const stored = (await listSets(this.store)).find(({ manifest }) => manifest.set === set);
    if (stored === undefined) throw new Error(`no set ${set}`);
    return wholeManifest(this.store, stored);
  }

  async verify(set: string, against?: BlockStore): Promise<VerifyResult> {
    const stored = await getSet(this.store, set);
    if (stored === undefined) throw new Error(`no set ${set}`);
    return verifySet({
      store: this.store,
      set: stored,
      station: this.station,
      ...(against && { against: readAtOf(against, 'volume') }),
      at: new Date(this.site.now()).toISOString(),
      progress: () => {},
    });
  }

  rebuild(barcodes: readonly string[]): Promise<RebuildResult> {
    return rebuildIndex(barcodes, {
      store: this.store,
      station: this.station,
      openers: filesystemOpeners,
      clock: () => this.site.now(),
      program: 'reelmap test',
      note: (text) => this.notes.push(text),
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#close();
  }
}

/** A volume in memory as the backup's source. */
export async function sourceOf(volume: BlockStore, changeMark = 'unchanged'): Promise<VolumeSource> {
  return openSource(
    {
      readAt: readAtOf(volume, 'volume.img'),
      byteLength: volume.byteLength,
      source: '/images/volume.img',
      changeMark,
    },
    filesystemOpeners,
  );
}

/**
 * Intents: what a transaction said that later ones would do, and whether they did. Linux fs/xfs/xfs_bmap_item.c,
 * xfs_attr_item.c, xfs_exchmaps_item.c. Those that free space or count owners change nothing that a file shows: the space
 * is still in use by the free space btrees, and is copied.
 */
import { viewOf } from '../../../bytes/layout.ts';
import {
  ATTRI_OP_REPLACE,
  BMAP_MAP,
  BMAP_UNMAP,
  BmapExtentFlag,
  INTENT_ID,
  Item,
  join,
  xfs_attri_log_format,
  xfs_bui_log_format,
  xfs_xmi_log_format,
} from './layouts.ts';
import { corruptLog } from './ring.ts';
import type { LogItem } from './transactions.ts';

/** A run of file blocks that an unfinished intent gives to a file's content or takes from it. */
export interface MapEdit {
  readonly isMap: boolean;
  readonly fileBlock: number;
  /** As an extent has it. */
  readonly fsBlock: number;
  readonly count: number;
  readonly isUnwritten: boolean;
}

/** What was left undone, by inode. */
export interface Unfinished {
  /** To be applied to the extents in this order. */
  readonly edits: ReadonlyMap<number, readonly MapEdit[]>;
  /** Cannot be applied here: what is the matter with the file. */
  readonly reasons: ReadonlyMap<number, string>;
}

export const NOTHING_UNFINISHED: Unfinished = { edits: new Map(), reasons: new Map() };

interface Intent {
  readonly inode: number;
  readonly edit?: MapEdit;
  readonly reason?: string;
}

/** Item that ends an intent -> item that began it. */
const ENDS: ReadonlyMap<number, number> = new Map([
  [Item.bud, Item.bui],
  [Item.attrd, Item.attri],
  [Item.xmd, Item.xmi],
]);
/** Intents waiting for their end: the kernel has a handful. */
const OPEN_MAX = 65536;

/** Keeps the intents that have not been ended, as items come by in order. */
export class OpenIntents {
  /** By type and id, in the order of the log. */
  readonly #open = new Map<string, Intent[]>();

  /** @throws FormatError when the item contradicts itself */
  take(item: LogItem): void {
    const [description] = item.regions;
    const ended = ENDS.get(item.type);
    const isIntent = item.type === Item.bui || item.type === Item.attri || item.type === Item.xmi;
    if (ended === undefined && !isIntent) return;
    const view = viewOf(description);
    if (description.length < INTENT_ID + 8) throw corruptLog(`intent of ${description.length} bytes`);
    const key = `${ended ?? item.type} ${view.getBigUint64(INTENT_ID, true)}`;
    if (ended !== undefined) {
      this.#open.delete(key);
      return;
    }
    this.#open.delete(key); // logged anew: the last one counts, in its place
    this.#open.set(key, intentsOf(item.type, view));
    if (this.#open.size > OPEN_MAX) throw corruptLog(`more than ${OPEN_MAX} intents without an end`);
  }

  /** What is left at the end of the log. */
  unfinished(): Unfinished {
    const edits = new Map<number, MapEdit[]>();
    const reasons = new Map<number, string>();
    for (const { inode, edit, reason } of [...this.#open.values()].flat()) {
      if (reason !== undefined) reasons.set(inode, reason);
      if (edit === undefined) continue;
      const list = edits.get(inode);
      if (list === undefined) edits.set(inode, [edit]);
      else list.push(edit);
    }
    return { edits, reasons };
  }
}

function intentsOf(type: number, view: DataView): Intent[] {
  if (type === Item.bui) return [bmapIntent(view)];
  if (type === Item.attri) {
    const A = xfs_attri_log_format;
    if (view.byteLength < A.byteLength) throw corruptLog(`attribute intent of ${view.byteLength} bytes`);
    const operation = A.alfi_op_flags.get(view, 0) & 0xff;
    const inode = join(A.alfi_ino_high.get(view, 0), A.alfi_ino_low.get(view, 0));
    const reason = 'an extended attribute was being set when the snapshot was taken';
    return operation <= ATTRI_OP_REPLACE ? [{ inode, reason }] : [];
  }
  const X = xfs_xmi_log_format;
  if (view.byteLength < X.byteLength) throw corruptLog(`exchange intent of ${view.byteLength} bytes`);
  const reason = 'its content was being exchanged with that of another file when the snapshot was taken';
  return [
    { inode: join(X.xmi_inode1_high.get(view, 0), X.xmi_inode1_low.get(view, 0)), reason },
    { inode: join(X.xmi_inode2_high.get(view, 0), X.xmi_inode2_low.get(view, 0)), reason },
  ];
}

function bmapIntent(view: DataView): Intent {
  const B = xfs_bui_log_format;
  if (view.byteLength < B.byteLength || B.bui_nextents.get(view, 0) !== 1) {
    throw corruptLog(`mapping intent of ${view.byteLength} bytes`);
  }
  const flags = B.me_flags.get(view, 0);
  const operation = flags & BmapExtentFlag.type;
  const inode = join(B.me_owner_high.get(view, 0), B.me_owner_low.get(view, 0));
  if (operation !== BMAP_MAP && operation !== BMAP_UNMAP) throw corruptLog(`mapping intent of type ${operation}`);
  if ((flags & BmapExtentFlag.attributeFork) !== 0) {
    return { inode, reason: 'its extended attributes were being moved when the snapshot was taken' };
  }
  return {
    inode,
    edit: {
      isMap: operation === BMAP_MAP,
      fileBlock: join(B.me_startoff_high.get(view, 0), B.me_startoff_low.get(view, 0)),
      fsBlock: join(B.me_startblock_high.get(view, 0), B.me_startblock_low.get(view, 0)),
      count: B.me_len.get(view, 0),
      isUnwritten: (flags & BmapExtentFlag.unwritten) !== 0,
    },
  };
}

/**
 * The generated protobuf messages (`npm run proto` makes them from index-format/tape-index.proto), with plain numbers. Pages are
 * written and read by wire-writer.ts and wire-reader.ts, which are faster in bulk and at the start of a process; the tests
 * hold them against these.
 */
import './plain-numbers.ts';

import { reelmap } from './generated/tape-index.js';

export const { Page, Roster, RunPage } = reelmap.index.v1;
export type PageMessage = reelmap.index.v1.Page;

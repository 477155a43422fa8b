/** The generated protobuf messages (`npm run proto` makes them from index-format/tape-index.proto), with plain numbers. */
import './plain-numbers.ts';

import { reelmap } from './generated/tape-index.js';

export const { Page, Roster, RunPage } = reelmap.index.v1;
export type PageMessage = reelmap.index.v1.Page;

/** Page-aligned buffers, where storage code looks for them. They are plain memory and live in bytes/. */
export { alignedBuffer } from '../bytes/aligned.ts';

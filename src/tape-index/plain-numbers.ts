/**
 * Makes protobufjs decode 64-bit integers as numbers, for the whole process; imported before any generated code, which
 * looks at it when it loads. Every 64-bit field of ours is below 2^53. Never give it a bigint: it writes 0, silently.
 */
import $protobuf from 'protobufjs/minimal.js';

($protobuf.util as { Long: unknown }).Long = null;
$protobuf.configure();

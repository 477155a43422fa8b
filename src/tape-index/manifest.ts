/** The manifest is shared with the tape format and lives in bytes/; this name stays for the index. */
export * from '../bytes/manifest.ts';

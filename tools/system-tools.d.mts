/** tool -> Debian package */
export const PACKAGES: Readonly<Record<string, string>>;
/** Whether `name` can be run from the PATH or a system directory. */
export function hasTool(name: string): boolean;
/** PATH with the system directories in it. */
export function fullPath(): string;
/** The Debian packages of tools, without repetition. */
export function packagesOf(names: readonly string[]): string[];
/** The command that installs tools on Debian and Ubuntu. */
export function installCommand(names: readonly string[]): string;

/** Partition types that say that there are no files. UEFI Specification 2.10, 5.3.3; names as in sfdisk's list. */

const NO_FILES: Readonly<Record<string, string>> = {
  '21686148-6449-6E6F-744E-656564454649': 'BIOS boot',
  'E3C9E316-0B5C-4DB8-817D-F92DF00215AE': 'Microsoft reserved',
  '9E1A2D38-C612-4316-AA26-8B49521E5A8B': 'PowerPC PReP boot',
  '41': 'PowerPC PReP boot',
};

/** Name of a partition type that holds no files whatever its content; undefined for all others. */
export const typeWithoutFiles = (type: string): string | undefined => NO_FILES[type];

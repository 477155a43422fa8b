// The text format of LVM metadata: what libdm's parser takes, bounds, and errors that say where.
import { describe, expect, it } from 'vitest';
import { FormatError } from '../../../src/bytes/errors.ts';
import { isSection, parseText } from '../../../src/filesystem/lvm/text.ts';
import { decodeVolumeGroup } from '../../../src/filesystem/lvm/volume-group.ts';

const parse = (text: string): unknown => plain(parseText(text, 'test'));

function plain(value: unknown): unknown {
  if (isSection(value as never))
    return Object.fromEntries([...(value as Map<string, unknown>)].map(([k, v]) => [k, plain(v)]));
  return Array.isArray(value) ? value.map(plain) : value;
}

describe('LVM metadata text', () => {
  it('has sections, numbers, strings with escapes, lists and comments', () => {
    const text = `# a comment
      vg { id = "a-b" seqno=3
        status = ["RESIZEABLE", "READ",
          "WRITE"] # another
        empty = []
        "quoted name" { x = -5 }
        quote = "say \\"hi\\\\" single = 'a\\b'
        version = 1.5 }
      contents = "Text # no comment"`;
    expect(parse(text)).toEqual({
      vg: {
        id: 'a-b',
        seqno: 3,
        status: ['RESIZEABLE', 'READ', 'WRITE'],
        empty: [],
        'quoted name': { x: -5 },
        quote: 'say "hi\\',
        single: 'a\\b',
        version: 1.5,
      },
      contents: 'Text # no comment',
    });
  });

  it('names from the disk are only names', () => {
    expect(parseText('__proto__ { x = 1 }', 'test').get('__proto__')).toBeInstanceOf(Map);
  });

  it('ends at a NUL byte, as the ring on disk does', () => {
    expect(parse('a = 1\n\0\0 rest {')).toEqual({ a: 1 });
  });

  const wrong: [string, RegExp][] = [
    ['a', /neither "\{" nor "=" behind a/],
    ['a { b = 1', /section a has no end/],
    ['a = [1, 2', /a list has no end|no value/],
    ['a = [1 2]', /a list has no end/],
    ['a = "x', /a string has no end/],
    ['a = ', /no value where one should be/],
    ['}', /a closing brace too many/],
    ['= 3', /no name where one should be/],
    ['a {'.repeat(40), /sections deeper than 16/],
    [`a = [${'1,'.repeat(2_000_001)}1]`, /more than 2000000 values/],
  ];
  for (const [text, words] of wrong)
    it(`${JSON.stringify(text.slice(0, 20))} is refused: ${words.source}`, () => {
      expect(() => parse(text)).toThrow(words);
      expect(() => parse(text)).toThrow(FormatError);
    });

  it('long strings and comments take no stack', () => {
    expect(parse(`a = "${'\\"x'.repeat(1_000_000)}"${'# c\n'.repeat(1_000_000)}`)).toMatchObject({
      a: expect.any(String),
    });
  });
});

/** A group of one physical volume with `pe_count` extents of 2 sectors and these volumes. */
const group = (volumes: string, more = ''): string => `vg { id = "g" seqno = 1 extent_size = 2 ${more}
  physical_volumes { pv0 { id = "p0" pe_start = 10 pe_count = 100 } }
  logical_volumes { ${volumes} } }`;
const linear = (name: string, ...segments: readonly string[]): string =>
  `${name} { id = "${name}" status = ["READ", "VISIBLE"] ${segments.map((one, i) => `segment${i + 1} { ${one} }`).join(' ')} }`;
const segment = (start: number, count: number, extent: number): string =>
  `start_extent = ${start} extent_count = ${count} type = "striped" stripe_count = 1 stripes = ["pv0", ${extent}]`;

describe('a volume group that contradicts itself', () => {
  const read = (text: string) => decodeVolumeGroup(parseText(text, 'test'));
  const reasonOf = (...segments: readonly string[]) => read(group(linear('lv', ...segments))).volumes[0].reason;

  it('a volume whose segments are in any order is read', () => {
    const [lv] = read(group(linear('lv', segment(3, 2, 50), segment(0, 3, 7)))).volumes;
    expect(lv.extents).toEqual([
      { volume: 'p0', offset: 5120 + 7 * 1024, byteLength: 3 * 1024 },
      { volume: 'p0', offset: 5120 + 50 * 1024, byteLength: 2 * 1024 },
    ]);
  });

  it('one with a gap, an overlap, extents past the end, or no segment says so', () => {
    expect(reasonOf(segment(0, 3, 7), segment(4, 2, 50))).toBe('its segments do not follow each other');
    expect(reasonOf(segment(0, 3, 7), segment(3, 3, 9))).toBe('its segments overlap');
    expect(reasonOf(segment(0, 3, 98))).toMatch(/ends past physical volume p0/);
    expect(reasonOf(segment(0, 0, 1))).toBe('its segments do not follow each other');
    expect(reasonOf()).toBe('it has no segments');
    expect(reasonOf(segment(0, 1, 1).replace('pv0', 'pvmove0'))).toMatch(
      /lies on pvmove0, which is not a physical volume/,
    );
    expect(reasonOf(segment(0, 1, 1).replace(/stripes = .*/, ''))).toBe('a segment of it lies nowhere');
    expect(reasonOf(segment(0, 1, 1).replace('"striped"', '"linear"'))).toBeUndefined();
  });

  it('a group without the numbers that everything hangs on is refused by name', () => {
    expect(() => read(group('').replace('extent_size = 2', 'extent_size = 0'))).toThrow(
      /group vg: extents of no bytes/,
    );
    expect(() => read(group('').replace('extent_size = 2', ''))).toThrow(/no number "extent_size"/);
    expect(() => read(group('').replace('pe_start = 10', 'pe_start = "x"'))).toThrow(/no number "pe_start"/);
    expect(() => read('contents = "none"')).toThrow(/has no volume group/);
    expect(() => read(group('').replace('pe_count = 100', 'pe_count = 9007199254740993'))).toThrow(/pe_count/);
  });

  it('free extents are those that no segment of any kind names', () => {
    const odd =
      'x { id = "x" status = [] segment1 { start_extent = 0 extent_count = 4 type = "new" areas = ["pv0", 20] } }';
    const { free } = read(group(`${linear('lv', segment(0, 10, 0))} ${odd}`));
    expect(free.map(({ offset, byteLength }) => [(offset - 5120) / 1024, byteLength / 1024])).toEqual([
      [10, 10],
      [24, 76],
    ]);
  });
});

/** Found in the order of this list: Edge says that it is Chrome, and Chrome that it is Safari. */
const BROWSERS = [
  ['Edg/', 'Edge'],
  ['OPR/', 'Opera'],
  ['Firefox/', 'Firefox'],
  ['FxiOS/', 'Firefox'],
  ['HeadlessChrome/', 'Chrome'],
  ['CriOS/', 'Chrome'],
  ['Chrome/', 'Chrome'],
  ['Safari/', 'Safari'],
] as const;
/** Android says that it is Linux, and an iPhone that it is like a Mac. */
const SYSTEMS = [
  ['iPhone', 'iPhone'],
  ['iPad', 'iPad'],
  ['Android', 'Android'],
  ['Windows', 'Windows'],
  ['Mac OS X', 'macOS'],
  ['CrOS', 'ChromeOS'],
  ['Linux', 'Linux'],
] as const;

/**
 * What a program calls itself, as a person would say it: "Firefox on Linux". What is no browser is named by its first
 * word; it is what that program says, and proves nothing.
 */
export function device(userAgent: string | null | undefined): string {
  const said = userAgent?.trim();
  if (!said) return 'A program that gave no name';
  const find = (known: readonly (readonly [string, string])[]) =>
    known.find(([mark]) => said.includes(mark))?.[1];
  const browser = said.startsWith('Mozilla/') ? find(BROWSERS) : undefined;
  if (!browser) return said.split(/[\s/(]/, 1)[0] || said;
  const system = find(SYSTEMS);
  return system ? `${browser} on ${system}` : browser;
}

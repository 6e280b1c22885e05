/** How one part of a value is best read. */
export type Part =
  | { kind: 'facts'; facts: { name: string; value: string; number: boolean }[] }
  | { kind: 'bars'; name: string; bars: { name: string; value: number }[]; more: number }
  | { kind: 'table'; name: string; columns: TableColumn[]; rows: Row[]; more: number }
  | { kind: 'group'; name: string; parts: Part[] }
  | { kind: 'json'; name: string; value: unknown };

type Scalar = string | number | boolean | null;
export type Row = Record<string, Scalar>;
interface TableColumn {
  name: string;
  numbers: boolean;
}

const MOST_BARS = 12;
const MOST_ROWS = 100;
const MOST_COLUMNS = 16;
const MOST_LISTED = 20;
const DEEPEST = 3;

function isScalar(value: unknown): value is Scalar {
  return value === null || typeof value !== 'object';
}

function isShortList(value: unknown): value is Scalar[] {
  return Array.isArray(value) && value.length > 0 && value.length <= MOST_LISTED && value.every(isScalar);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function spelled(name: string): string {
  return name.replaceAll('_', ' ');
}

export function shown(value: Scalar | undefined): string {
  if (value === null || value === undefined) return '';
  return typeof value === 'number'
    ? value.toLocaleString(undefined, { maximumFractionDigits: 6 })
    : String(value);
}

function table(name: string, value: unknown[]): Part | undefined {
  const rows = value.filter((row): row is Row => isRecord(row) && Object.values(row).every(isScalar));
  if (rows.length === 0 || rows.length < value.length) return undefined;
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  if (names.length === 0 || names.length > MOST_COLUMNS) return undefined;
  const numbers = (column: string) => rows.every((row) => typeof row[column] === 'number');
  return {
    kind: 'table',
    name,
    columns: names.map((column) => ({ name: column, numbers: numbers(column) })),
    rows: rows.slice(0, MOST_ROWS),
    more: Math.max(0, rows.length - MOST_ROWS),
  };
}

function bars(name: string, value: Record<string, unknown>): Part | undefined {
  const entries = Object.entries(value);
  const measured = entries.filter((entry): entry is [string, number] => typeof entry[1] === 'number');
  if (measured.length < 2 || measured.length < entries.length || measured.some(([, size]) => size < 0))
    return undefined;
  const sorted = measured
    .map(([key, size]) => ({ name: key, value: size }))
    .sort((a, b) => b.value - a.value);
  return {
    kind: 'bars',
    name,
    bars: sorted.slice(0, MOST_BARS),
    more: Math.max(0, sorted.length - MOST_BARS),
  };
}

function part(name: string, value: unknown, depth: number): Part {
  if (Array.isArray(value)) return table(name, value) ?? { kind: 'json', name, value };
  if (!isRecord(value) || depth >= DEEPEST || Object.keys(value).length === 0)
    return { kind: 'json', name, value };
  return bars(name, value) ?? { kind: 'group', name, parts: partsOf(value, depth + 1) };
}

/**
 * A value as parts for reading: its plain members as facts, numbers by name as bars, lists of alike objects as tables. A
 * value of which only JSON could be made has none.
 */
export function partsOf(value: unknown, depth = 0): Part[] {
  if (Array.isArray(value)) return [table('', value)].filter((one) => one !== undefined);
  if (!isRecord(value)) return [];
  const entries = Object.entries(value);
  const facts = entries.flatMap(([name, one]) =>
    isScalar(one)
      ? [{ name, value: shown(one), number: typeof one === 'number' }]
      : isShortList(one)
        ? [{ name, value: one.map(shown).join(', '), number: false }]
        : [],
  );
  const rest = entries.flatMap(([name, one]) =>
    isScalar(one) || isShortList(one) ? [] : [part(name, one, depth)],
  );
  return facts.length > 0 ? [{ kind: 'facts', facts }, ...rest] : rest;
}

type Value = boolean | number | string | string[];
export type Kind = 'text' | 'number' | 'flag' | 'list';

export interface Row {
  /** For React alone: names can be empty and the same while they are typed. */
  key: number;
  name: string;
  kind: Kind;
  text: string;
  /** What is kept of it now; absent of a new row. A row that nobody changed stays exactly this. */
  was?: Value;
}

export const KINDS: { value: Kind; label: string }[] = [
  { value: 'text', label: 'Text' },
  { value: 'number', label: 'Number' },
  { value: 'flag', label: 'Yes or no' },
  { value: 'list', label: 'List of texts' },
];

/** As a form shows it: a list with one text a line, since no text has a line break. */
function shown(value: Value): Pick<Row, 'kind' | 'text'> {
  if (Array.isArray(value)) return { kind: 'list', text: value.join('\n') };
  if (typeof value === 'number') return { kind: 'number', text: String(value) };
  if (typeof value === 'boolean') return { kind: 'flag', text: value ? 'yes' : 'no' };
  return { kind: 'text', text: value };
}

export function rows(attributes: Record<string, Value>): Row[] {
  return Object.entries(attributes).map(([name, was], key) => ({ key, name, was, ...shown(was) }));
}

/** What a row says; undefined where that is no number. */
function valueIn({ kind, text, was }: Row): Value | undefined {
  const before = was === undefined ? undefined : shown(was);
  if (before?.kind === kind && before.text === text) return was;
  if (kind === 'flag') return text === 'yes';
  if (kind === 'text') return text;
  if (kind === 'list') return text.split('\n').filter((line) => line.trim() !== '');
  const number = Number(text);
  return text.trim() === '' || !Number.isFinite(number) ? undefined : number;
}

/** As the server takes it, or what is wrong. */
export function parse(given: Row[]): { attributes: Record<string, Value> } | { fault: string } {
  const attributes: Record<string, Value> = {};
  for (const row of given) {
    if (Object.hasOwn(attributes, row.name)) return { fault: `“${row.name}” stands twice.` };
    const value = valueIn(row);
    if (value === undefined) return { fault: `“${row.name}” is not a number.` };
    attributes[row.name] = value;
  }
  return { attributes };
}

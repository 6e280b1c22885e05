type Value = boolean | number | string | string[];
export type Kind = 'text' | 'number' | 'flag' | 'list';

export interface Row {
  /** For React alone: names can be empty and the same while they are typed. */
  key: number;
  name: string;
  kind: Kind;
  text: string;
}

export const KINDS: { value: Kind; label: string }[] = [
  { value: 'text', label: 'Text' },
  { value: 'number', label: 'Number' },
  { value: 'flag', label: 'Yes or no' },
  { value: 'list', label: 'List of texts' },
];

/** As a form shows it. */
export function rows(attributes: Record<string, Value>): Row[] {
  return Object.entries(attributes).map(([name, value], key) => {
    if (Array.isArray(value)) return { key, name, kind: 'list', text: value.join('; ') };
    if (typeof value === 'number') return { key, name, kind: 'number', text: String(value) };
    if (typeof value === 'boolean') return { key, name, kind: 'flag', text: value ? 'yes' : 'no' };
    return { key, name, kind: 'text', text: value };
  });
}

/** As the server takes it, or what is wrong. */
export function parse(given: Row[]): { attributes: Record<string, Value> } | { fault: string } {
  const attributes: Record<string, Value> = {};
  for (const { name, kind, text } of given) {
    if (name in attributes) return { fault: `“${name}” stands twice.` };
    if (kind === 'number') {
      const number = Number(text);
      if (text.trim() === '' || !Number.isFinite(number)) return { fault: `“${name}” is not a number.` };
      attributes[name] = number;
    } else if (kind === 'flag') attributes[name] = text === 'yes';
    else if (kind === 'list')
      attributes[name] = text
        .split(';')
        .map((part) => part.trim())
        .filter(Boolean);
    else attributes[name] = text;
  }
  return { attributes };
}

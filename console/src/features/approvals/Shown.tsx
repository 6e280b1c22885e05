import { Table } from '~/ui/table';
import { Json } from '~/ui/value';

const MOST_ROWS = 100;
const MOST_COLUMNS = 8;

type Flat = Record<string, string | number | boolean | null>;

/** A list of flat objects reads best as a table; anything else is shown as JSON. */
function flatRows(value: unknown): Flat[] | undefined {
  if (!Array.isArray(value) || value.length === 0) return undefined;
  const flat = value.every(
    (row) =>
      typeof row === 'object' &&
      row !== null &&
      !Array.isArray(row) &&
      Object.values(row).every((cell) => cell === null || typeof cell !== 'object'),
  );
  return flat ? (value as Flat[]) : undefined;
}

/** What the approver is asked about. */
export function Shown({ value }: { value: unknown }) {
  const rows = flatRows(value);
  const names = rows && [...new Set(rows.flatMap((row) => Object.keys(row)))];
  if (!rows || !names || names.length > MOST_COLUMNS) return <Json value={value} label="What is asked" />;
  return (
    <div className="stack-tight">
      <Table<{ row: Flat; key: string }>
        label="What is asked"
        rows={rows.slice(0, MOST_ROWS).map((row, index) => ({ row, key: String(index) }))}
        rowKey={({ key }) => key}
        columns={names.map((name) => ({
          header: name.replaceAll('_', ' '),
          end: rows.every((row) => typeof row[name] === 'number'),
          cell: ({ row }) => cell(row[name]),
        }))}
      />
      {rows.length > MOST_ROWS && (
        <p className="muted small">
          The first {MOST_ROWS} of {rows.length.toLocaleString()}; all of them are below as JSON.
        </p>
      )}
    </div>
  );
}

function cell(value: Flat[string] | undefined): string {
  if (value === null || value === undefined) return '';
  return typeof value === 'number' ? value.toLocaleString() : String(value);
}

import { useState } from 'react';
import { Button } from './button';
import './report.css';
import { type Part, partsOf, type Row, shown, spelled } from './report-model';
import { Table } from './table';
import { Json } from './value';

/** A value that somebody made for people: as facts, bars and tables where it has them, and as JSON always. */
export function Report({ value, label }: { value: unknown; label: string }) {
  const parts = partsOf(value);
  const [raw, setRaw] = useState(false);
  if (typeof value === 'string') {
    return (
      <section className="report" aria-label={label}>
        <p className="report-text">{value}</p>
      </section>
    );
  }
  if (parts.length === 0) return <Json value={value} label={label} />;
  return (
    <div className="stack-tight">
      {raw ? (
        <Json value={value} label={label} />
      ) : (
        <section className="report" aria-label={label}>
          <Parts parts={parts} label={label} />
        </section>
      )}
      <div>
        <Button tone="quiet" small onPress={() => setRaw(!raw)}>
          {raw ? 'Show as report' : 'Show as JSON'}
        </Button>
      </div>
    </div>
  );
}

function Parts({ parts, label }: { parts: Part[]; label: string }) {
  return parts.map((part) =>
    part.kind === 'facts' ? (
      <dl key="facts" className="report-facts">
        {part.facts.map(({ name, value, number }) => (
          <div key={name}>
            <dt>{spelled(name)}</dt>
            <dd className={number ? 'report-number numeric' : undefined}>{value}</dd>
          </div>
        ))}
      </dl>
    ) : (
      <section key={part.name} className="report-part" aria-label={spelled(part.name) || label}>
        {part.name && <h3>{spelled(part.name)}</h3>}
        <Content part={part} label={spelled(part.name) || label} />
      </section>
    ),
  );
}

function Content({ part, label }: { part: Exclude<Part, { kind: 'facts' }>; label: string }) {
  switch (part.kind) {
    case 'bars':
      return <Bars part={part} />;
    case 'group':
      return (
        <div className="report-group">
          <Parts parts={part.parts} label={label} />
        </div>
      );
    case 'json':
      return <Json value={part.value} label={label} />;
    case 'table':
      return (
        <>
          <Table<{ row: Row; key: string }>
            label={label}
            rows={part.rows.map((row, index) => ({ row, key: String(index) }))}
            rowKey={({ key }) => key}
            columns={part.columns.map(({ name, numbers }) => ({
              header: spelled(name),
              end: numbers,
              // Figures stand beside what they belong to, not in the middle of an empty half.
              fit: numbers,
              cell: ({ row }) => shown(row[name]),
            }))}
          />
          {part.more > 0 && (
            <p className="muted small">And {part.more.toLocaleString()} more; the JSON has them.</p>
          )}
        </>
      );
  }
}

function Bars({ part }: { part: Extract<Part, { kind: 'bars' }> }) {
  const most = Math.max(...part.bars.map(({ value }) => value), 1);
  return (
    <>
      <ul className="bars">
        {part.bars.map(({ name, value }) => (
          <li key={name}>
            <span className="truncate" title={name}>
              {name || 'none'}
            </span>
            <svg aria-hidden="true">
              <rect width={`${(value / most) * 100}%`} height="12" rx="2" />
            </svg>
            <span className="numeric">{shown(value)}</span>
          </li>
        ))}
      </ul>
      {part.more > 0 && (
        <p className="muted small">And {part.more.toLocaleString()} smaller; the JSON has them.</p>
      )}
    </>
  );
}

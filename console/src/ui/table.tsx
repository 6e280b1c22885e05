import type { UseInfiniteQueryResult } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { Problem } from '~/api/problem';
import { Button } from './button';
import { Failed, Loading, ProblemNotice } from './states';

export interface Column<T> {
  header: string;
  cell: (row: T) => ReactNode;
  /** Numbers and row actions stand at the end. */
  end?: boolean;
  /** As narrow as its content. */
  fit?: boolean;
  /** Left out on a phone. */
  wideOnly?: boolean;
  /** The header is for screen readers only. */
  hideHeader?: boolean;
}

interface Rows<T> {
  label: string;
  columns: Column<T>[];
  /** What can be done with a row; stands at its end. */
  actions?: (row: T) => ReactNode;
  rowKey: (row: T) => string;
}

function classes<T>({ end, fit, wideOnly }: Column<T>): string {
  return [end && 'end', fit && 'fit', wideOnly && 'wide-only'].filter(Boolean).join(' ');
}

/**
 * A semantic table. Order and paging are the server's, so there is nothing here to sort: sorting what happens
 * to be loaded of a cursor list would mislead.
 */
export function Table<T>({ label, columns: shown, actions, rows, rowKey }: Rows<T> & { rows: T[] }) {
  const columns = actions
    ? [...shown, { header: 'Actions', hideHeader: true, end: true, fit: true, cell: actions }]
    : shown;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrollable region must be reachable by keyboard
    <section className="table-scroll" aria-label={label} tabIndex={0}>
      <table className="table">
        <caption className="visually-hidden">{label}</caption>
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column.header} scope="col" className={classes(column)}>
                {column.hideHeader ? <span className="visually-hidden">{column.header}</span> : column.header}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={rowKey(row)}>
              {columns.map((column) => (
                <td key={column.header} className={classes(column)}>
                  {column.cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

interface ListProps<T> extends Rows<T> {
  pages: { query: UseInfiniteQueryResult; items: T[] | undefined };
  empty: ReactNode;
}

/** A cursor list in each of its states: loading, failed, empty, some, more to come. */
export function List<T>({ pages: { query, items }, empty, ...rows }: ListProps<T>) {
  const { label } = rows;
  if (items === undefined) {
    if (query.isError)
      return <Failed problem={Problem.of(query.error)} label={label} onRetry={() => query.refetch()} />;
    return <Loading label={label} />;
  }
  if (items.length === 0) return empty;
  return (
    <div>
      <Table {...rows} rows={items} />
      {query.isFetchNextPageError && <ProblemNotice problem={Problem.of(query.error)} />}
      {query.hasNextPage && (
        <div className="load-more">
          <Button isPending={query.isFetchingNextPage} onPress={() => query.fetchNextPage()}>
            Show more
          </Button>
        </div>
      )}
    </div>
  );
}

import type { Quota, QuotaDay } from '~/api/types';
import { figure, lineOf, monthOf } from './month-model';

const WIDTH = 580;
const HEIGHT = 96;

/** How a quota was used this month: a line for the eye, and the same as a table. */
export function MonthCurve({ label, quota, days }: { label: string; quota: Quota; days: QuotaDay[] }) {
  const points = monthOf(quota, days, Date.now());
  const limit = quota.limit ?? null;
  const highest = Math.max(0, ...points.map(({ used }) => used));
  const top = limit !== null && limit > 0 && highest >= limit / 10 ? Math.max(limit, highest) : highest;
  const isShown = limit !== null && top >= limit && limit > 0;
  return (
    <figure className="curve">
      <figcaption>{label}</figcaption>
      <svg viewBox={`-2 -4 ${WIDTH + 4} ${HEIGHT + 8}`} preserveAspectRatio="none" aria-hidden>
        <line className="curve-ground" x1="0" x2={WIDTH} y1={HEIGHT} y2={HEIGHT} />
        {isShown && (
          <line
            className="curve-limit"
            x1="0"
            x2={WIDTH}
            y1={HEIGHT * (1 - limit / top)}
            y2={HEIGHT * (1 - limit / top)}
          />
        )}
        <polyline className="curve-line" points={lineOf(points, top, WIDTH, HEIGHT)} />
      </svg>
      {limit !== null && (
        <p className="muted small">
          {isShown ? 'The dashed line is the limit.' : 'Too far below the limit to show it.'}
        </p>
      )}
      <details>
        <summary>{label}, day by day</summary>
        <table className="table">
          <thead>
            <tr>
              <th scope="col">Day (UTC)</th>
              <th scope="col" className="end">
                Used by its end
              </th>
            </tr>
          </thead>
          <tbody>
            {points.map(({ day, used }) => (
              <tr key={day}>
                <th scope="row">{day.slice(0, 10)}</th>
                <td className="end numeric">{figure(quota.name, used)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </details>
    </figure>
  );
}

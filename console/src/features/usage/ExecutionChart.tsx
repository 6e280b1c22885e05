import type { Schemas } from '~/api/types';
import { Chart } from '~/ui/chart';
import { Table } from '~/ui/table';

type Day = Schemas['ExecutionDay'];
const SERIES = [
  { key: 'succeeded', name: 'Succeeded', token: '--accent' },
  { key: 'failed', name: 'Failed', token: '--bad-solid' },
  { key: 'cancelled', name: 'Cancelled', token: '--idle' },
] as const satisfies { key: keyof Day; name: string; token: string }[];

export default function ExecutionChart({ days }: { days: Day[] }) {
  return (
    <div className="stack-tight">
      <Chart
        label={`Executions a day from ${days[0]?.date} to ${days.at(-1)?.date}; the table below has the figures`}
        categories={days.map((day) => day.date)}
        series={SERIES.map(({ key, name, token }) => ({ name, token, values: days.map((day) => day[key]) }))}
      />
      <details className="small">
        <summary className="muted">The figures as a table</summary>
        <Table
          label="Executions by day"
          rows={days}
          rowKey={(day) => day.date}
          columns={[
            { header: 'Day (UTC)', cell: (day) => day.date },
            ...SERIES.map(({ key, name }) => ({
              header: name,
              end: true,
              cell: (day: Day) => day[key].toLocaleString(),
            })),
          ]}
        />
      </details>
    </div>
  );
}

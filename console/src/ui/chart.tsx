import { BarChart } from 'echarts/charts';
import { GridComponent, LegendComponent, TooltipComponent } from 'echarts/components';
import { init, use } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';
import { useEffect, useRef } from 'react';
import { useShownTheme } from '~/lib/theme';

use([BarChart, GridComponent, LegendComponent, TooltipComponent, SVGRenderer]);

interface ChartProps {
  /** What the chart shows, for those who do not see it. */
  label: string;
  categories: string[];
  series: { name: string; token: string; values: number[] }[];
}

/** The colour that a token has in the theme shown now. */
function colourOf(host: HTMLElement, token: string): string {
  const probe = document.createElement('i');
  probe.style.color = `var(${token})`;
  host.append(probe);
  const colour = getComputedStyle(probe).color;
  probe.remove();
  return colour;
}

/** Stacked bars. ECharts' tooltips are drawn (`richText`): as HTML they would need inline styles. */
export function Chart({ label, categories, series }: ChartProps) {
  const host = useRef<HTMLDivElement>(null);
  const theme = useShownTheme();

  // biome-ignore lint/correctness/useExhaustiveDependencies: colours are read anew when the theme changes
  useEffect(() => {
    const element = host.current;
    if (!element) return;
    const chart = init(element, undefined, { renderer: 'svg' });
    const colour = (token: string) => colourOf(element, token);
    const text = { color: colour('--ink-3'), fontSize: 11 };
    chart.setOption({
      animation: false,
      grid: { left: 8, right: 8, top: 32, bottom: 4, containLabel: true },
      legend: {
        left: 0,
        top: 0,
        itemWidth: 10,
        itemHeight: 10,
        textStyle: { ...text, color: colour('--ink-2') },
      },
      tooltip: {
        renderMode: 'richText',
        trigger: 'axis',
        axisPointer: { type: 'shadow', shadowStyle: { color: colour('--ink'), opacity: 0.06 } },
        backgroundColor: colour('--surface'),
        borderColor: colour('--line'),
        textStyle: { color: colour('--ink'), fontSize: 12 },
      },
      xAxis: {
        type: 'category',
        data: categories,
        axisLabel: { ...text, formatter: (day: string) => day.slice(5) },
        axisLine: { lineStyle: { color: colour('--line') } },
        axisTick: { show: false },
      },
      yAxis: {
        type: 'value',
        minInterval: 1,
        axisLabel: text,
        splitLine: { lineStyle: { color: colour('--line') } },
      },
      series: series.map(({ name, token, values }) => ({
        type: 'bar',
        stack: 'all',
        name,
        data: values,
        barMaxWidth: 18,
        itemStyle: { color: colour(token) },
      })),
    });
    const watch = new ResizeObserver(() => chart.resize());
    watch.observe(element);
    return () => {
      watch.disconnect();
      chart.dispose();
    };
  }, [categories, series, theme]);

  return <div ref={host} className="chart" role="img" aria-label={label} />;
}

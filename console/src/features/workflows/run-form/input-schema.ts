import type { RJSFSchema } from '@rjsf/utils';
import { parse } from 'yaml';
import type { Workflow } from '~/api/types';

/**
 * The schema of a workflow's input. Its author's text keeps the order of the fields, which the server's canonical form
 * does not; where that text does not parse here, the server's form has to do.
 */
export function inputSchema({
  source,
  input_schema,
}: Pick<Workflow, 'source' | 'input_schema'>): RJSFSchema | null {
  if (!input_schema) return null;
  try {
    const { input } = parse(source, { maxAliasCount: 50 }) as { input?: unknown };
    if (typeof input === 'object' && input !== null && !Array.isArray(input)) return input;
  } catch {
    // The server's form is as good, in another order.
  }
  return input_schema;
}

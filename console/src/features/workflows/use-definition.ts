import { useEffect, useMemo, useState } from 'react';
import { parse } from 'yaml';
import type { Fault } from '~/api/types';
import type { Mark } from '~/ui/editor';
import { type Meant, useValidation } from './api';
import { type GraphModel, graphOf } from './graph-model';

const PAUSE_MS = 300;

function useDebounced<T>(value: T, ms: number): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), ms);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return settled;
}

function tryParse(source: string): GraphModel | undefined {
  try {
    return graphOf(parse(source, { maxAliasCount: 50 }));
  } catch {
    return undefined; // the validator says where and why
  }
}

/** What is known of a text while it is typed: its graph (the last that parsed) and the server's faults. */
export function useDefinition(source: string, meant: Meant) {
  const settled = useDebounced(source, PAUSE_MS);
  const parsed = useMemo(() => tryParse(settled), [settled]);
  const [model, setModel] = useState<GraphModel>(() => parsed ?? { nodes: [], edges: [] });
  useEffect(() => {
    if (parsed) setModel(parsed);
  }, [parsed]);

  const validation = useValidation(settled, meant);
  const checking = settled !== source || validation.isFetching;
  const faults = validation.data?.faults;
  const marks = useMemo(() => (faults ?? []).map(mark), [faults]);
  const faulty = useMemo(
    () => new Set((faults ?? []).flatMap((fault) => nodeAt(fault.pointer) ?? [])),
    [faults],
  );
  return { model, validation, checking, faults, marks, faulty };
}

function mark({ severity, message, suggestion, line, column }: Fault): Mark {
  const text = suggestion ? `${message}\nTry: ${suggestion}` : message;
  return { severity: severity === 'warning' ? 'warning' : 'error', message: text, line, column };
}

/** The node that a JSON Pointer leads into: `/nodes/<id>/…`. */
function nodeAt(pointer: string): string | undefined {
  const id = /^\/nodes\/([^/]+)/.exec(pointer)?.[1];
  return id?.replaceAll('~1', '/').replaceAll('~0', '~');
}

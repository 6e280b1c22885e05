/**
 * The question that stands between a sensitive request and its repetition: a dialog asks it, whoever sent the request
 * waits. Requests that meet it at the same time share one question.
 */
import { useSyncExternalStore } from 'react';
import { onSessionOver } from './session';
import type { Schemas } from './types';

export type Factor = Schemas['Factor'];

export interface Question {
  /** Tells one question from the next. */
  number: number;
  factors: readonly Factor[];
  answer: (proven: boolean) => void;
}

let asked = 0;
let question: Question | undefined;
let waiting: Promise<boolean> | undefined;
const listeners = new Set<() => void>();

function become(next: Question | undefined): void {
  question = next;
  for (const listener of listeners) listener();
}

/** Asks the person to prove who they are; whether they did. */
export function prove(factors: readonly Factor[]): Promise<boolean> {
  waiting ??= new Promise<boolean>((resolve) => {
    asked += 1;
    const number = asked;
    become({
      number,
      factors,
      answer: (proven) => {
        if (question?.number !== number) return;
        waiting = undefined;
        become(undefined);
        resolve(proven);
      },
    });
  });
  return waiting;
}

// A question belongs to who was asked: the next person is not to answer it, nor to send what waits for it.
onSessionOver(() => question?.answer(false));

/** What a refused request asks for, if it is a proof that this person can give. */
export async function askedFor(refused: Response): Promise<readonly Factor[] | undefined> {
  const body: unknown = await refused
    .clone()
    .json()
    .catch(() => undefined);
  const { code, factors } = (body ?? {}) as { code?: string; factors?: Factor[] };
  return code === 'step-up-required' && factors && factors.length > 0 ? factors : undefined;
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function useQuestion(): Question | undefined {
  return useSyncExternalStore(subscribe, () => question);
}

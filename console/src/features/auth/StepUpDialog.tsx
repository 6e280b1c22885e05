import { useMutation } from '@tanstack/react-query';
import { api, unwrap } from '~/api/client';
import type { Problem } from '~/api/problem';
import { type Question, useQuestion } from '~/api/step-up';
import type { Schemas } from '~/api/types';
import { askPasskey } from '~/lib/passkeys';
import { Button } from '~/ui/button';
import { Dialog } from '~/ui/dialog';
import { SecondFactor } from './SecondFactor';

/** Asks, when a request needs it, that the person proves once more who they are; the request is then repeated. */
export function StepUpDialog() {
  const question = useQuestion();
  // Each question has an answer of its own: one that was begun for the question before must not count for this one.
  return question && <Ask key={question.number} question={question} />;
}

function Ask({ question }: { question: Question }) {
  const step = useMutation<unknown, Problem, Schemas['StepUp'] | 'passkey'>({
    mutationFn: async (given) => unwrap(api.POST('/api/v1/auth/step-up', { body: await answer(given) })),
    onSuccess: () => question.answer(true),
  });
  const close = () => question.answer(false);
  return (
    <Dialog title="Is it you?" isOpen onClose={close}>
      <p>This is sensitive, so show once more that it is you. It then holds for five minutes.</p>
      <SecondFactor
        factors={question.factors}
        action="Go on"
        isPending={step.isPending}
        problem={step.error}
        onTyped={(typed) => step.mutate(typed)}
        onPasskey={() => step.mutate('passkey')}
        dismiss={<Button onPress={close}>Cancel</Button>}
      />
    </Dialog>
  );
}

async function answer(given: Schemas['StepUp'] | 'passkey'): Promise<Schemas['StepUp']> {
  if (given !== 'passkey') return given;
  const { passkey_token, options } = await unwrap(api.POST('/api/v1/auth/step-up/passkey'));
  return { passkey_token, passkey: await askPasskey(options) };
}

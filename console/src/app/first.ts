import { useQuery } from '@tanstack/react-query';
import { type ComponentType, useState } from 'react';
import { Problem } from '~/api/problem';
import { meQuery } from '~/api/query';
import { Enrol } from '~/features/auth/Enrol';

interface FirstProps {
  /** It is done: the rest appears, unless something else is to be done first. */
  onDone: () => void;
}

/** What has to be done before anything else, by the code of the refusal that says so. */
const FIRST: Record<string, ComponentType<FirstProps>> = {
  'mfa-enrolment-required': Enrol,
};

/**
 * What the person has to do first. It stays until it is done: the refusal itself comes and goes as the browser asks again,
 * and what is shown once, such as recovery codes, must not go with it.
 */
export function useFirst() {
  const { error, refetch } = useQuery(meQuery);
  const code = error ? Problem.of(error).code : '';
  const [asked, setAsked] = useState('');
  if (Object.hasOwn(FIRST, code) && code !== asked) setAsked(code);
  return {
    First: FIRST[asked],
    onDone: () => void refetch().then(({ isSuccess }) => isSuccess && setAsked('')),
  };
}

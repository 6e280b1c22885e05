import { useEffect, useEffectEvent, useRef, useState } from 'react';
import { TextField, type TextFieldProps } from './form';

const QUIET_MS = 250;

interface SearchFieldProps extends Omit<TextFieldProps, 'value' | 'onChange' | 'rows'> {
  /** What is searched for now. */
  value: string;
  onChange: (text: string) => void;
}

/**
 * A field whose text is its own while it is typed, so that no letter waits for the page: it reports after a pause. What comes
 * from elsewhere, such as “Clear filters” or the browser's way back, takes its place.
 */
export function SearchField({ value, onChange, ...props }: SearchFieldProps) {
  const [text, setText] = useState(value);
  const reported = useRef(value);
  const report = useEffectEvent(() => {
    reported.current = text;
    onChange(text);
  });
  useEffect(() => {
    if (value === reported.current) return;
    reported.current = value;
    setText(value);
  }, [value]);
  useEffect(() => {
    if (text === reported.current) return;
    const timer = setTimeout(report, QUIET_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return <TextField type="search" {...props} value={text} onChange={setText} />;
}

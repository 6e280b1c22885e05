import { Check, ChevronDown, CircleAlert } from 'lucide-react';
import type { FormEvent, ReactNode } from 'react';
import {
  Button as AriaButton,
  Checkbox as AriaCheckbox,
  CheckboxGroup as AriaCheckboxGroup,
  Select as AriaSelect,
  TextField as AriaTextField,
  type TextFieldProps as AriaTextFieldProps,
  FieldError,
  Input,
  Label,
  ListBox,
  ListBoxItem,
  Popover,
  SelectValue,
  Text,
  TextArea,
} from 'react-aria-components';
import type { Problem } from '~/api/problem';
import { ProblemNotice } from './states';

/**
 * What the server refused must not keep the browser from sending the form once more: under the browser's own validation a
 * field that is invalid does.
 */
const behavior = (error: string | undefined) => (error === undefined ? 'native' : 'aria');

interface Described {
  label: string;
  hint?: ReactNode;
  error?: string | undefined;
}

function Notes({ hint, error }: Omit<Described, 'label'>) {
  return (
    <>
      {hint && (
        <Text slot="description" className="field-hint">
          {hint}
        </Text>
      )}
      <FieldError className="field-error">
        {({ validationErrors }) => (
          <>
            <CircleAlert className="icon" aria-hidden /> {error ?? validationErrors.join(' ')}
          </>
        )}
      </FieldError>
    </>
  );
}

export interface TextFieldProps
  extends Omit<AriaTextFieldProps, 'className' | 'children' | 'style'>,
    Described {
  rows?: number;
  placeholder?: string;
  /** Names are not sentences. */
  autoCapitalize?: 'none';
}

/** One line of text, or several with `rows`. */
export function TextField({
  label,
  hint,
  error,
  rows,
  placeholder,
  autoCapitalize,
  ...props
}: TextFieldProps) {
  return (
    <AriaTextField
      {...props}
      isInvalid={error !== undefined || undefined}
      validationBehavior={behavior(error)}
      className="field"
    >
      <Label className="field-label">{label}</Label>
      {rows ? (
        <TextArea className="input" rows={rows} placeholder={placeholder} />
      ) : (
        <Input className="input" placeholder={placeholder} autoCapitalize={autoCapitalize} />
      )}
      <Notes hint={hint} error={error} />
    </AriaTextField>
  );
}

export interface Option<V extends string = string> {
  value: V;
  label: string;
}

interface SelectProps<V extends string> extends Described {
  options: readonly Option<V>[];
  value: V;
  onChange: (value: V) => void;
  isDisabled?: boolean;
}

export function Select<V extends string>({
  label,
  hint,
  error,
  options,
  value,
  onChange,
  isDisabled,
}: SelectProps<V>) {
  return (
    <AriaSelect
      className="field"
      value={value}
      isDisabled={isDisabled}
      isInvalid={error !== undefined}
      validationBehavior={behavior(error)}
      onChange={(key) => onChange(key as V)}
    >
      <Label className="field-label">{label}</Label>
      <AriaButton className="select-button">
        <SelectValue className="truncate" />
        <ChevronDown aria-hidden />
      </AriaButton>
      <Notes hint={hint} error={error} />
      <Popover className="popover">
        <ListBox className="menu" items={options}>
          {(option) => (
            <ListBoxItem id={option.value} className="menu-item" textValue={option.label}>
              {option.label}
            </ListBoxItem>
          )}
        </ListBox>
      </Popover>
    </AriaSelect>
  );
}

interface CheckboxProps {
  children: ReactNode;
  value?: string;
  isSelected?: boolean;
  isDisabled?: boolean;
  onChange?: (selected: boolean) => void;
}

export function Checkbox({ children, ...props }: CheckboxProps) {
  return (
    <AriaCheckbox {...props} className="checkbox">
      <span className="checkbox-box">
        <Check aria-hidden />
      </span>
      <span>{children}</span>
    </AriaCheckbox>
  );
}

interface CheckboxGroupProps extends Described {
  value: string[];
  onChange: (value: string[]) => void;
  children: ReactNode;
}

export function CheckboxGroup({ label, hint, error, value, onChange, children }: CheckboxGroupProps) {
  return (
    <AriaCheckboxGroup
      className="field"
      value={value}
      onChange={onChange}
      isInvalid={error !== undefined}
      validationBehavior={behavior(error)}
    >
      <Label className="field-label">{label}</Label>
      <div className="stack-tight">{children}</div>
      <Notes hint={hint} error={error} />
    </AriaCheckboxGroup>
  );
}

interface FormProps {
  onSubmit: () => void;
  /** The refusal of the last attempt; its field faults stand at the fields. */
  problem?: Problem | null;
  /** Fields that show their own faults, which are then not said twice. */
  fields?: readonly string[];
  children: ReactNode;
}

/** A form that never loads a page. Native checks (required, type=email) run first. */
export function Form({ onSubmit, problem, fields = [], children }: FormProps) {
  const submit = (event: FormEvent) => {
    event.preventDefault();
    event.stopPropagation(); // a dialog's form inside another form's tree
    onSubmit();
  };
  return (
    <form className="form" onSubmit={submit}>
      {problem && <ProblemNotice problem={problem} except={fields} />}
      {children}
    </form>
  );
}

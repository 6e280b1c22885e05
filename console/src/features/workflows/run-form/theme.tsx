/** How rjsf looks here: the console's own fields, native controls, no framework. */
import type { ThemeProps } from '@rjsf/core';
import {
  type ArrayFieldItemTemplateProps,
  type ArrayFieldTemplateProps,
  ariaDescribedByIds,
  type BaseInputTemplateProps,
  errorId,
  type FieldTemplateProps,
  getInputProps,
  helpId,
  type ObjectFieldTemplateProps,
  type WidgetProps,
} from '@rjsf/utils';
import { ArrowDown, ArrowUp, Plus, Trash2 } from 'lucide-react';
import { Button } from '~/ui/button';

function Field(props: FieldTemplateProps) {
  const { id, label, children, rawErrors, rawDescription, required, hidden, displayLabel, schema } = props;
  if (hidden) return <div hidden>{children}</div>;
  const container = schema.type === 'object' || (schema.type === 'array' && !displayLabel);
  const caption = displayLabel && !container && schema.type !== 'boolean';
  return (
    <div className="field">
      {caption && (
        <label className="field-label" htmlFor={id}>
          {label}
          {!required && <span className="muted"> (optional)</span>}
        </label>
      )}
      {children}
      {rawDescription && !container && (
        <p className="field-hint" id={`${id}__description`}>
          {rawDescription}
        </p>
      )}
      {rawErrors && rawErrors.length > 0 && (
        <p className="field-error" id={errorId(id)}>
          {rawErrors.join('; ')}
        </p>
      )}
    </div>
  );
}

function BaseInput(props: BaseInputTemplateProps) {
  const { id, value, type, schema, options, required, disabled, readonly, autofocus, rawErrors, onChange } =
    props;
  // What the engine seals is not for those who look over a shoulder either.
  const sensitive = schema['x-sensitive' as keyof typeof schema] === true;
  const input = getInputProps(schema, sensitive && !type ? 'password' : type, options);
  return (
    <input
      {...input}
      id={id}
      name={id}
      className="input"
      autoComplete={sensitive ? 'off' : undefined}
      value={value ?? ''}
      required={required}
      disabled={disabled}
      readOnly={readonly}
      // biome-ignore lint/a11y/noAutofocus: only where the schema's author asks for it
      autoFocus={autofocus}
      aria-invalid={rawErrors && rawErrors.length > 0 ? true : undefined}
      aria-describedby={ariaDescribedByIds(id)}
      onChange={(event) => onChange(event.target.value === '' ? options.emptyValue : event.target.value)}
    />
  );
}

function ObjectField({ title, description, properties, fieldPathId }: ObjectFieldTemplateProps) {
  const root = fieldPathId.path.length === 0;
  const fields = properties.map((property) => <div key={property.name}>{property.content}</div>);
  if (root) return <div className="form">{fields}</div>;
  return (
    <fieldset className="fieldset">
      <legend className="field-label">{title}</legend>
      {description && <p className="field-hint">{description}</p>}
      <div className="form">{fields}</div>
    </fieldset>
  );
}

function ArrayField({
  title,
  items,
  canAdd,
  onAddClick,
  disabled,
  readonly,
  schema,
}: ArrayFieldTemplateProps) {
  return (
    <fieldset className="fieldset">
      <legend className="field-label">{title}</legend>
      {schema.description && <p className="field-hint">{schema.description}</p>}
      <div className="stack-tight">{items}</div>
      {canAdd && (
        <div>
          <Button small isDisabled={disabled || readonly} onPress={() => onAddClick()}>
            <Plus aria-hidden /> Add
          </Button>
        </div>
      )}
    </fieldset>
  );
}

function ArrayItem({ children, hasToolbar, index, buttonsProps }: ArrayFieldItemTemplateProps) {
  const { hasMoveUp, hasMoveDown, hasRemove, onMoveUpItem, onMoveDownItem, onRemoveItem } = buttonsProps;
  const label = `item ${index + 1}`;
  return (
    <div className="array-item">
      <div className="array-item-field">{children}</div>
      {hasToolbar && (
        <div className="row">
          <Button
            tone="quiet"
            small
            icon
            isDisabled={!hasMoveUp}
            aria-label={`Move ${label} up`}
            onPress={() => onMoveUpItem()}
          >
            <ArrowUp aria-hidden />
          </Button>
          <Button
            tone="quiet"
            small
            icon
            isDisabled={!hasMoveDown}
            aria-label={`Move ${label} down`}
            onPress={() => onMoveDownItem()}
          >
            <ArrowDown aria-hidden />
          </Button>
          <Button
            tone="quiet"
            small
            icon
            isDisabled={!hasRemove}
            aria-label={`Remove ${label}`}
            onPress={() => onRemoveItem()}
          >
            <Trash2 aria-hidden />
          </Button>
        </div>
      )}
    </div>
  );
}

function CheckboxWidget({ id, label, value, disabled, readonly, onChange, rawErrors }: WidgetProps) {
  return (
    <label className="native-check" htmlFor={id}>
      <input
        id={id}
        type="checkbox"
        checked={value === true}
        disabled={disabled || readonly}
        aria-invalid={rawErrors && rawErrors.length > 0 ? true : undefined}
        aria-describedby={ariaDescribedByIds(id)}
        onChange={(event) => onChange(event.target.checked)}
      />
      <span className="field-label">{label}</span>
    </label>
  );
}

function CheckboxesWidget({ id, label, value, options, disabled, readonly, onChange }: WidgetProps) {
  const chosen: unknown[] = Array.isArray(value) ? value : [];
  return (
    // biome-ignore lint/a11y/useSemanticElements: the field template already draws the caption
    <div id={id} className="row" role="group" aria-label={label}>
      {options.enumOptions?.map((option, index) => (
        <label key={option.label} className="native-check" htmlFor={`${id}-${index}`}>
          <input
            id={`${id}-${index}`}
            type="checkbox"
            checked={chosen.includes(option.value)}
            disabled={disabled || readonly}
            onChange={(event) =>
              onChange(
                event.target.checked
                  ? options.enumOptions
                      ?.map((one) => one.value)
                      .filter((one) => one === option.value || chosen.includes(one))
                  : chosen.filter((one) => one !== option.value),
              )
            }
          />
          {option.label}
        </label>
      ))}
    </div>
  );
}

function SelectWidget(props: WidgetProps) {
  return props.multiple ? <CheckboxesWidget {...props} /> : <SingleSelect {...props} />;
}

function SingleSelect({
  id,
  value,
  options,
  required,
  disabled,
  readonly,
  onChange,
  rawErrors,
}: WidgetProps) {
  const index = options.enumOptions?.findIndex((option) => option.value === value) ?? -1;
  return (
    <select
      id={id}
      className="input"
      value={index < 0 ? '' : String(index)}
      required={required}
      disabled={disabled || readonly}
      aria-invalid={rawErrors && rawErrors.length > 0 ? true : undefined}
      aria-describedby={ariaDescribedByIds(id)}
      onChange={(event) =>
        onChange(
          event.target.value === '' ? undefined : options.enumOptions?.[Number(event.target.value)]?.value,
        )
      }
    >
      <option value="">Choose…</option>
      {options.enumOptions?.map((option, at) => (
        <option key={option.label} value={String(at)}>
          {option.label}
        </option>
      ))}
    </select>
  );
}

function TextareaWidget({ id, value, required, disabled, readonly, onChange, options }: WidgetProps) {
  return (
    <textarea
      id={id}
      className="input"
      rows={options.rows ?? 5}
      value={value ?? ''}
      required={required}
      disabled={disabled}
      readOnly={readonly}
      aria-describedby={ariaDescribedByIds(id)}
      onChange={(event) => onChange(event.target.value === '' ? options.emptyValue : event.target.value)}
    />
  );
}

export const theme: ThemeProps = {
  templates: {
    FieldTemplate: Field,
    BaseInputTemplate: BaseInput,
    ObjectFieldTemplate: ObjectField,
    ArrayFieldTemplate: ArrayField,
    ArrayFieldItemTemplate: ArrayItem,
    ErrorListTemplate: () => null,
    FieldHelpTemplate: ({ help, fieldPathId }) =>
      help ? (
        <p className="field-hint" id={helpId(fieldPathId)}>
          {help}
        </p>
      ) : null,
  },
  widgets: { CheckboxWidget, CheckboxesWidget, SelectWidget, RadioWidget: SelectWidget, TextareaWidget },
};

import { type ReactNode, useId } from 'react';
import type { Preferences } from '../preferences';
import type { Change } from '../use-preferences';

export interface Chosen {
  preferences: Preferences;
  change: Change;
}

/** A field's name, what the API calls it, and its value where it is a number. */
export function FieldHead({
  htmlFor,
  label,
  api,
  children,
}: {
  htmlFor: string;
  label: string;
  api?: string | undefined;
  children?: ReactNode;
}) {
  return (
    <div className="field-head">
      <label htmlFor={htmlFor}>{label}</label>
      {api && <code className="api">{api}</code>}
      {children}
    </div>
  );
}

export function Select<Value extends string>({
  label,
  api,
  value,
  options,
  onChange,
  children,
}: {
  label: string;
  api?: string;
  value: Value;
  options: readonly (readonly [value: Value, name: string])[];
  onChange: (value: Value) => void;
  children?: ReactNode;
}) {
  const id = useId();
  return (
    <div className="field">
      <FieldHead htmlFor={id} label={label} api={api} />
      <div className="row">
        <select
          id={id}
          value={value}
          onChange={({ currentTarget }) => onChange(currentTarget.value as Value)}
        >
          {options.map(([option, name]) => (
            <option key={option} value={option}>
              {name}
            </option>
          ))}
        </select>
        {children}
      </div>
    </div>
  );
}

export function Slider({
  label,
  api,
  unit = '',
  value,
  min,
  max,
  step,
  onChange,
}: {
  label: string;
  api?: string;
  unit?: string;
  value: number;
  min: number;
  max: number;
  step: number;
  onChange: (value: number) => void;
}) {
  const id = useId();
  return (
    <div className="field">
      <FieldHead htmlFor={id} label={label} api={api}>
        <output>
          {value}
          {unit}
        </output>
      </FieldHead>
      <input
        id={id}
        type="range"
        {...{ value, min, max, step }}
        onChange={({ currentTarget }) => onChange(currentTarget.valueAsNumber)}
      />
    </div>
  );
}

export function Switch({
  label,
  api,
  isOn,
  onChange,
}: {
  label: string;
  api?: string;
  isOn: boolean;
  onChange: (isOn: boolean) => void;
}) {
  const id = useId();
  return (
    <div className="switch">
      <input
        id={id}
        type="checkbox"
        role="switch"
        aria-checked={isOn}
        checked={isOn}
        onChange={({ currentTarget }) => onChange(currentTarget.checked)}
      />
      <FieldHead htmlFor={id} label={label} api={api} />
    </div>
  );
}

import { expect, it } from 'vitest';
import { validator } from './validator';

const schema = {
  type: 'object',
  required: ['file'],
  properties: {
    file: { type: 'string' },
    limits: { type: 'object', properties: { dollars: { type: 'number', minimum: 0 } } },
  },
} as const;

it('accepts what the schema accepts', () => {
  expect(
    validator.validateFormData({ file: 'a.csv', limits: { dollars: 3 } }, schema as never).errors,
  ).toEqual([]);
});

it('says what is missing at the field that is missing', () => {
  const { errorSchema } = validator.validateFormData({}, schema as never);
  expect(errorSchema).toEqual({ file: { __errors: ['Needed'] } });
});

it('places a fault at its field, however deep, and once', () => {
  const { errorSchema, errors } = validator.validateFormData(
    { file: 'a', limits: { dollars: -1 } },
    schema as never,
  );
  expect(errors).toHaveLength(1);
  expect(errorSchema).toHaveProperty('limits.dollars.__errors');
});

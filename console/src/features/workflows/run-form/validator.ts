import { type Schema, Validator } from '@cfworker/json-schema';
import {
  createErrorHandler,
  type RJSFSchema,
  type RJSFValidationError,
  toErrorSchema,
  unwrapErrorHandler,
  type ValidatorType,
  validationDataMerge,
} from '@rjsf/utils';

/** Keywords that only report that something below them failed. */
const WRAPPERS = new Set([
  'properties',
  'items',
  'allOf',
  '$ref',
  'if',
  'prefixItems',
  'additionalProperties',
]);

function check(schema: RJSFSchema, data: unknown, root: RJSFSchema = schema) {
  const validator = new Validator(schema as Schema, '2020-12', false);
  if (root !== schema) validator.addSchema(root as Schema, '__rjsf_rootSchema');
  return validator.validate(data);
}

/** `#/a/b/0` as the dotted path that rjsf finds a field by. */
function propertyOf(location: string): string {
  return location.replace(/^#\/?/, '').split('/').map(unescapePointer).join('.');
}
function unescapePointer(part: string): string {
  return decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~');
}

function errorsOf(schema: RJSFSchema, data: unknown): RJSFValidationError[] {
  return check(schema, data)
    .errors.filter(({ keyword }) => !WRAPPERS.has(keyword))
    .map(({ keyword, instanceLocation, keywordLocation, error }) => {
      const at = propertyOf(instanceLocation);
      // A missing property is reported at its parent; the person looks for it at the field itself.
      const missing = keyword === 'required' ? /"([^"]+)"/.exec(error)?.[1] : undefined;
      const property = [at, missing].filter(Boolean).join('.');
      const message = missing ? 'Needed' : error;
      return {
        name: keyword,
        property,
        message,
        schemaPath: keywordLocation,
        stack: property ? `${property}: ${message}` : message,
      };
    });
}

/**
 * A validator for rjsf that compiles no code: its usual one (AJV) uses `eval`, which the Content Security
 * Policy forbids. The server validates again; this one answers before a round trip.
 */
export const validator: ValidatorType = {
  isValid: (schema, data, root) => check(schema, data, root).valid,
  rawValidation: (schema, data) => ({ errors: errorsOf(schema, data) as never[] }),
  validateFormData: (data, schema, customValidate, transformErrors, uiSchema) => {
    const found = errorsOf(schema, data);
    const errors = transformErrors ? transformErrors(found, uiSchema) : found;
    const result = { errors, errorSchema: toErrorSchema(errors) };
    if (!customValidate) return result;
    const own = customValidate(data, createErrorHandler(data), uiSchema, result.errorSchema);
    return validationDataMerge(result, unwrapErrorHandler(own));
  },
};

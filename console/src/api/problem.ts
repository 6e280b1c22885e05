import type { Fault, Schemas, UploadStage } from './types';

/** A problem and the members that some kinds of it have beside (RFC 9457, section 3.2). */
export type ProblemBody = Schemas['Problem'] & {
  /** What a refused person lacks. */
  permission?: string;
  /** Where JSON or YAML could not be read. */
  line?: number;
  column?: number;
  /** Of a definition that was refused. */
  faults?: Fault[];
  /** Of a plugin that was refused. */
  stages?: UploadStage[];
  /** Who uses what cannot be deleted, and how many more that the caller may not see. */
  used_by?: { id: string; name: string }[];
  used_by_hidden?: number;
  quota?: string;
  limit?: number;
  used?: number;
  resets_at?: string | null;
  /** Why the policy said no. */
  reasons?: string[];
};

/** A refused or failed API call: an RFC 9457 problem, or a network failure (status 0). */
export class Problem extends Error {
  override readonly name = 'Problem';
  readonly body: ProblemBody;

  constructor(body: ProblemBody) {
    super(body.detail ?? body.title);
    this.body = body;
  }

  get status(): number {
    return this.body.status;
  }

  /** The stable code of the kind of problem, e.g. `permission-denied`; empty for what no server said. */
  get code(): string {
    return this.body.code ?? '';
  }

  /** The detail for one field of a form: the fault whose pointer is `/<field>`. */
  field(name: string): string | undefined {
    return this.body.errors?.find((error) => error.pointer === `/${name}`)?.detail;
  }

  /** Builds a problem from whatever an error response carried. */
  static from(response: Response, body: unknown): Problem {
    if (isProblemBody(body)) return new Problem({ ...body, status: response.status });
    return new Problem({
      type: 'about:blank',
      code: '',
      title: response.status >= 500 ? 'The server could not answer' : 'The request was refused',
      status: response.status,
      detail: `The server answered ${response.status} without saying why.`,
    });
  }

  /** A request that never got an answer. */
  static unreachable(): Problem {
    return new Problem({
      type: 'about:blank',
      code: 'unreachable',
      title: 'The server cannot be reached',
      status: 0,
      detail: 'Check the connection, or whether the server is running, then try again.',
    });
  }

  /** Any thrown value as a problem, for display. */
  static of(error: unknown): Problem {
    if (error instanceof Problem) return error;
    const detail = error instanceof Error ? error.message : String(error);
    return new Problem({ type: 'about:blank', code: '', title: 'Something went wrong', status: -1, detail });
  }
}

function isProblemBody(body: unknown): body is ProblemBody {
  return typeof body === 'object' && body !== null && 'type' in body && 'title' in body;
}

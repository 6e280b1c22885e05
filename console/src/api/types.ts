/** Short names for the schemas of the generated OpenAPI types. */
import type { components } from './schema';

export type Schemas = components['schemas'];
export type Me = Schemas['Me'];
export type Role = Schemas['Role'];
export type Team = Schemas['Team'];
export type TeamMember = Schemas['TeamMember'];
export type Member = Schemas['Member'];
export type Invitation = Schemas['Invitation'];
export type UserImport = Schemas['UserImport'];
export type UserImportLine = Schemas['UserImportLine'];
export type Workflow = Schemas['WorkflowDetail'];
export type WorkflowSummary = Schemas['WorkflowSummary'];
export type Fault = Schemas['Fault'];
export type Execution = Schemas['Execution'];
export type ExecutionSummary = Schemas['ExecutionSummary'];
export type ExecutionState = Schemas['ExecutionState'];
export type ExecutionError = Schemas['ExecutionError'];
export type Step = Schemas['Step'];
export type StepSummary = Schemas['StepSummary'];
export type StepState = Schemas['StepState'];
export type LogLine = Schemas['LogLine'];
/** A line on the event stream, which says of which step it is. */
export type StepLog = LogLine & { step: string };
export type Approval = Schemas['Approval'];
export type Plugin = Schemas['PluginDetail'];
export type PluginTestResult = Schemas['TestResult'];
export type UploadStage = Schemas['Stage'];
export type Session = Schemas['Session'];
export type LoginRecord = Schemas['LoginRecord'];
export type Secret = Schemas['Secret'];
export type ApiKey = Schemas['ApiKey'];
export type ServiceAccount = Schemas['ServiceAccount'];
export type AuditEvent = Schemas['AuditEvent'];
export type Verification = Schemas['Verification'];
export type Quota = Schemas['QuotaUsage'];
export type Page<T> = { items: T[]; next_cursor?: string | null };

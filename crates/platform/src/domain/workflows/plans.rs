//! Compiled versions, shared by all executions of each.

use std::sync::Arc;

use moka::sync::Cache;
use sha2::{Digest, Sha256};
use tenure_kernel::{Error, Result, TenantId, WorkflowId};
use tenure_sandbox::ProgramSet;
use tenure_workflow::definition::InputSchema;
use tenure_workflow::nodes::PluginReference;
use tenure_workflow::plan::Plan;
use tenure_workflow::validate::Draft;

use super::{expressions, inspect, store};

/// A version, ready to run.
#[derive(Debug)]
pub struct CompiledWorkflow {
    /// What runs after what.
    pub plan: Arc<Plan>,
    /// Its expressions, each named by [`tenure_workflow::expression::Expression::pointer`]; compiled in the sandbox when
    /// first used.
    pub programs: Arc<ProgramSet>,
    /// What its input must fulfil, if the definition says.
    pub input_schema: Option<InputSchema>,
    /// The published plugins that it names.
    pub plugins: Vec<PluginReference>,
}

impl CompiledWorkflow {
    fn compile(tenant: TenantId, workflow: WorkflowId, version: i32, definition: &str) -> Result<Self> {
        let plan = Draft::parse(definition.as_bytes()).and_then(Draft::into_plan).map_err(|report| {
            Error::internal(format!("version {version} of {workflow} was saved and cannot be compiled: {report}"))
        })?;
        let owner = Sha256::new()
            .chain_update(tenant.uuid().as_bytes())
            .chain_update(workflow.uuid().as_bytes())
            .chain_update(version.to_be_bytes())
            .finalize();
        let programs = plan.expressions().iter().map(expressions::program).collect();
        let programs = ProgramSet::new(owner.into(), programs).map_err(Error::internal)?;
        let input_schema =
            plan.definition().input.as_ref().map(InputSchema::compile).transpose().map_err(Error::internal)?;
        let plugins = inspect::plugin_references(plan.definition()).into_iter().cloned().collect();
        Ok(Self { plan: Arc::new(plan), programs, input_schema, plugins })
    }
}

type Key = (TenantId, WorkflowId, i32);

/// The versions that were used last, by tenant, workflow and version. Versions never change, so nothing goes stale.
#[derive(Debug, Clone)]
pub struct PlanCache(Cache<Key, (Arc<CompiledWorkflow>, u32)>);

/// Bytes of definitions whose plans are kept; a plan takes several times its definition.
const CAPACITY: u64 = 16 << 20;

impl Default for PlanCache {
    fn default() -> Self {
        let weigh = |_: &Key, (_, bytes): &(Arc<CompiledWorkflow>, u32)| *bytes;
        Self(Cache::builder().max_capacity(CAPACITY).weigher(weigh).build())
    }
}

impl PlanCache {
    /// The compiled version, where this process has compiled it before.
    pub(crate) fn known(&self, tenant: TenantId, workflow: WorkflowId, version: i32) -> Option<Arc<CompiledWorkflow>> {
        self.0.get(&(tenant, workflow, version)).map(|(compiled, _)| compiled)
    }

    /// The compiled version. `executor` is a transaction that sees the version's row: the tenant's own, or the engine's.
    /// Whether the caller may see the workflow is not asked here.
    ///
    /// # Errors
    /// 404 where there is no such version; PostgreSQL's; a fault of ours where what was saved does not compile.
    pub async fn get<'c>(
        &self,
        executor: impl sqlx::PgExecutor<'c>,
        tenant: TenantId,
        workflow: WorkflowId,
        version: i32,
    ) -> Result<Arc<CompiledWorkflow>> {
        if let Some(compiled) = self.known(tenant, workflow, version) {
            return Ok(compiled);
        }
        let definition = store::definition(executor, tenant, workflow, version).await?;
        let compiled = Arc::new(CompiledWorkflow::compile(tenant, workflow, version, &definition)?);
        let bytes = u32::try_from(definition.len()).unwrap_or(u32::MAX);
        self.0.insert((tenant, workflow, version), (Arc::clone(&compiled), bytes));
        Ok(compiled)
    }
}

//! What whoever an execution runs for may do *now*: asked before each step that acts, remembered for seconds, forgotten at
//! once when something changes.
//!
//! A step never holds the login or the key that its execution was started with. It acts by what is cut out of them
//! (`access::what_may`), within the scope of the delegated token and in this workflow.

use std::sync::Arc;
use std::time::Duration;

use tenure_kernel::bus::Message;
use tenure_kernel::context::{DelegatedBy, Delegation, MAX_ACTORS};
use tenure_kernel::limits::OwnRates;
use tenure_kernel::{Actor, Assurance, Audited, Identity, Kernel, Result, SystemReason, TenantId};

use super::queue::Claim;
use crate::domain::access::{self, Holder, Known, Standing};
use crate::remembered::Remembered;

/// Even without news nothing is believed longer than this.
const BELIEVED_FOR: Duration = Duration::from_secs(5);

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Standings {
    kernel: Kernel,
    known: Remembered<(TenantId, Holder), Option<Standing>>,
}

impl Standings {
    pub(super) fn new(kernel: &Kernel) -> Self {
        let known: Remembered<(TenantId, Holder), Option<Standing>> = Remembered::new(50_000, BELIEVED_FOR);
        let stale = known.clone();
        kernel.bus().on_news(move |message| match message {
            Message::UserChanged { .. }
            | Message::KeyChanged { .. }
            | Message::ServiceAccountChanged { .. }
            | Message::TenantChanged { .. }
            | Message::NewsLost => stale.forget_all(),
            Message::SessionChanged { .. }
            | Message::TokenRevoked { .. }
            | Message::WorkQueued
            | Message::ExecutionCancelled { .. }
            | Message::ExecutionProgress { .. }
            | Message::Heartbeat { .. } => {}
        });
        Self { kernel: kernel.clone(), known }
    }

    /// What a step of this execution acts by; nothing if whoever started it, or whoever it came through, may not act any more.
    pub(super) async fn identity(&self, claim: &Claim) -> Result<Option<Arc<Identity>>> {
        let (tenant, actor) = (claim.tenant, claim.actor);
        let Some(standing) = access::judge(&actor, &mut InTenant(self, tenant)).await? else { return Ok(None) };
        let key = actor.delegation.map_or(actor.key, |by| by.key);
        let actors = actor.delegation.map_or([None; MAX_ACTORS], |by| by.actors);
        let session = actor.delegation.map_or(actor.session, |by| by.session);
        let delegation = Delegation { by: DelegatedBy::Execution(claim.execution), session, key, actors };
        let actor = Actor { session: None, key: None, delegation: Some(delegation), ..actor };
        let permissions = claim.scope.map_or(standing.permissions, |scope| standing.permissions.intersection(scope));
        let (teams, rates, workflow) = (standing.teams, OwnRates::default(), Some(claim.workflow));
        Ok(Some(Arc::new(Identity {
            tenant,
            actor,
            permissions,
            teams,
            rates,
            assurance: Assurance::default(),
            workflow,
        })))
    }

    async fn standing(&self, tenant: TenantId, holder: Holder) -> Result<Option<Standing>> {
        let asked = (tenant, holder);
        if let Some(standing) = self.known.get(&asked).filter(|_| self.kernel.bus().hears()) {
            return Ok(standing);
        }
        let (glance, believe) = (self.known.glance(), self.kernel.bus().hears());
        let system = self.kernel.system(SystemReason::EngineBatch);
        let standing = system
            .run(async |tx| {
                let standing = access::of_holder(tx, tenant, holder).await?;
                Ok(Audited::none("asks again what an actor may do", standing))
            })
            .await?;
        if believe {
            self.known.keep(glance, asked, standing.clone());
        }
        Ok(standing)
    }
}

/// What is remembered of one tenant's holders.
struct InTenant<'s>(&'s Standings, TenantId);

impl Known for InTenant<'_> {
    async fn ask(&mut self, holder: Holder) -> Result<Option<Standing>> {
        self.0.standing(self.1, holder).await
    }
}

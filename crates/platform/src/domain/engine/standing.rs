//! What the person an execution runs for may do *now*: asked before each step that acts, remembered for seconds,
//! forgotten at once when something changes.

use std::sync::Arc;
use std::time::Duration;

use tenure_kernel::bus::Message;
use tenure_kernel::limits::OwnRates;
use tenure_kernel::{
    Actor, Assurance, Audited, Identity, Kernel, PermissionSet, Result, SystemReason, TeamId, TenantId, UserId,
};

use crate::domain::access;
use crate::remembered::Remembered;

/// Even without news nothing is believed longer than this.
const BELIEVED_FOR: Duration = Duration::from_secs(5);

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Standings {
    kernel: Kernel,
    known: Remembered<(TenantId, UserId), Option<Standing>>,
}

#[derive(Debug, Clone)]
struct Standing {
    permissions: PermissionSet,
    teams: Arc<[TeamId]>,
}

impl Standings {
    pub(super) fn new(kernel: &Kernel) -> Self {
        let known: Remembered<(TenantId, UserId), Option<Standing>> = Remembered::new(50_000, BELIEVED_FOR);
        let stale = known.clone();
        kernel.bus().on_news(move |message| {
            if matches!(message, Message::UserChanged { .. } | Message::TenantChanged { .. } | Message::NewsLost) {
                stale.forget_all();
            }
        });
        Self { kernel: kernel.clone(), known }
    }

    /// The stored actor with what they may do now; nothing if they are no active member of an active tenant any more.
    pub(super) async fn identity(&self, tenant: TenantId, user: UserId, actor: Actor) -> Result<Option<Arc<Identity>>> {
        let standing = match self.known.get(&(tenant, user)).filter(|_| self.kernel.bus().hears()) {
            Some(standing) => standing,
            None => {
                let (glance, believe) = (self.known.glance(), self.kernel.bus().hears());
                let standing = self.ask(tenant, user).await?;
                if believe {
                    self.known.keep(glance, (tenant, user), standing.clone());
                }
                standing
            }
        };
        Ok(standing.map(|standing| {
            let rates = OwnRates::default();
            Arc::new(Identity {
                tenant,
                actor,
                permissions: standing.permissions,
                teams: standing.teams,
                rates,
                assurance: Assurance::default(),
                workflow: None,
            })
        }))
    }

    async fn ask(&self, tenant: TenantId, user: UserId) -> Result<Option<Standing>> {
        let row = self
            .kernel
            .system(SystemReason::EngineBatch)
            .run(async |tx| {
                let row = sqlx::query!(
                    r#"select m.roles,
                              m.permissions || array(select unnest(r.permissions) from roles r where r.tenant_id = m.tenant_id and r.name = any(m.roles)) as "permissions!",
                              array(select team_id from team_members tm where tm.tenant_id = m.tenant_id and tm.user_id = m.user_id) as "teams!: Vec<TeamId>"
                       from memberships m join tenants t on t.tenant_id = m.tenant_id
                       where m.tenant_id = $1 and m.user_id = $2 and m.status = 'active' and t.status = 'active'"#,
                    tenant.uuid(),
                    user.uuid()
                )
                .fetch_optional(&mut *tx)
                .await?;
                Ok(Audited::none("asks again what an actor may do", row))
            })
            .await?;
        Ok(row.map(|row| Standing {
            permissions: access::effective(&row.roles, &row.permissions),
            teams: row.teams.into(),
        }))
    }
}

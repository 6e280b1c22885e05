//! Token exchange (RFC 8693): from a login, an API key or a delegated token to a token that may less.
//!
//! What comes out is a subset in every respect: permissions, tenant, workflow, time. It is signed, and that it is out is written down; whoever shows
//! it is asked for its root each time (`api_keys/authenticator.rs`), so it never may more than its parent does at that moment.

use std::time::Duration;

use tenure_kernel::context::MAX_ACTORS;
use tenure_kernel::permission::DelegationAct;
use tenure_kernel::{
    Actor, Anonymous, Audited, Code, Credential, Identity, NewEvent, Permission as _, PermissionId, PermissionSet,
    Principal, Problem, SystemReason, Timestamp, TokenId, WorkflowId,
};

use super::answer::{Refused, Token};
use super::event::DelegationEvent;
use super::http::Parameters;
use super::store;
use crate::app::App;
use crate::domain::identity::Said;
use crate::domain::identity::delegated::{AUDIENCE, Act, DelegatedClaims, MAX_DEPTH, Subject};
use crate::domain::identity::delegated_store;
use crate::domain::roles;

/// The token type that is taken and given (RFC 8693, 3): it says how a token is used, not what it looks like.
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

const LASTS: Duration = Duration::from_secs(15 * 60);
const LASTS_AT_MOST: Duration = Duration::from_secs(60 * 60);

/// What a token is cut out of.
struct Parent {
    actor: Actor,
    subject: Subject,
    /// When it ends by itself, in seconds.
    ends: Option<i64>,
    depth: u8,
    act: Option<Act>,
    workflow: Option<WorkflowId>,
    /// Which, where it is a delegated token itself.
    token: Option<TokenId>,
}

pub(super) async fn exchange(anonymous: &Anonymous, app: &App, asked: &Parameters) -> Result<Token, Refused> {
    let subject_token = asked.token("subject_token")?;
    let identity = who(anonymous, app, subject_token, "subject_token").await?;
    let parent = Parent::of(app, subject_token, &identity)?;
    let refuse = async |refused: Refused| {
        let record =
            async |error| app.kernel.refused(Some(identity.tenant), &parent.actor, anonymous.origin(), error).await;
        refused.recorded(record).await
    };
    let claims = match cut(anonymous, app, asked, &identity, &parent).await {
        Ok(claims) => claims,
        Err(refused) => return Err(refuse(refused).await),
    };
    let access_token = app.tokens.delegate(&claims)?;
    let event = granted(&claims).by(parent.actor).in_tenant(identity.tenant);
    let system = app.kernel.system(SystemReason::Authenticate).from(anonymous.origin());
    let given = system.run(async |tx| {
        if !delegated_store::insert(tx, &claims, parent.token).await? {
            return Err(Problem::new(Code::Unauthenticated, "`subject_token` was revoked meanwhile").into());
        }
        Ok(Audited::of((), event))
    });
    if let Err(error) = given.await {
        return Err(refuse(Refused::new("invalid_request", error)).await);
    }
    Ok(Token {
        access_token,
        token_type: "Bearer",
        expires_in: u64::try_from(claims.exp - claims.iat).unwrap_or_default(),
        refresh_token: None,
        scope: Some(claims.scope),
        issued_token_type: Some(ACCESS_TOKEN),
    })
}

/// Who holds a token that was sent; `invalid_request` where nobody does (RFC 8693, 2.2.2).
async fn who(anonymous: &Anonymous, app: &App, token: &str, name: &str) -> Result<std::sync::Arc<Identity>, Refused> {
    let known = app.kernel.authenticate(Credential::Bearer(token), anonymous.origin().address).await;
    match known {
        Ok(identity) => Ok(identity),
        Err(error) if error.problem().code == Code::Unauthenticated => {
            let detail = format!("`{name}` is no valid token or API key, or not any more");
            let error = anonymous.refused(Problem::new(Code::Unauthenticated, detail).into()).await;
            Err(Refused::new("invalid_request", error))
        }
        Err(error) => Err(Refused::from(anonymous.refused(error).await)),
    }
}

impl Parent {
    fn of(app: &App, token: &str, identity: &Identity) -> Result<Self, Refused> {
        let actor = identity.actor;
        let subject = match (actor.on_behalf_of, actor.principal) {
            (Some(person), _) | (None, Principal::User(person)) => Subject::User(person),
            (None, Principal::ServiceAccount(account)) => Subject::ServiceAccount(account),
            (None, Principal::System(_) | Principal::Anonymous) => {
                return Err(Refused::request("`subject_token` is of nobody"));
            }
        };
        let parent = Self { actor, subject, ends: None, depth: 0, act: None, workflow: identity.workflow, token: None };
        Ok(match app.tokens.said(token) {
            Some(Said::Login(claims)) => Self { ends: Some(claims.exp), ..parent },
            Some(Said::Delegated(claims)) => {
                Self { ends: Some(claims.exp), depth: claims.depth, act: claims.act, token: Some(claims.jti), ..parent }
            }
            // An API key: what it is cut out of asks for it each time, and ends with it.
            None => parent,
        })
    }
}

/// The claims of a token that may what was asked for, if that is no more than the parent may.
async fn cut(
    anonymous: &Anonymous,
    app: &App,
    asked: &Parameters,
    identity: &Identity,
    parent: &Parent,
) -> Result<DelegatedClaims, Refused> {
    if parent.depth >= MAX_DEPTH {
        let detail =
            format!("this token was exchanged {MAX_DEPTH} times already; exchange one that is nearer to its root");
        return Err(Refused::request(detail));
    }
    if asked.get("requested_token_type").is_some_and(|wanted| wanted != ACCESS_TOKEN && wanted != JWT) {
        return Err(Refused::request(format!("`requested_token_type` must be {ACCESS_TOKEN}")));
    }
    let act = act(anonymous, app, asked, identity, parent).await?;
    audience(app, asked, identity).await?;
    let workflow = workflow(app, asked, parent)?;
    let scope = scope(asked, identity.permissions)?;
    let (made, ends) = times(app.kernel.clock().now(), asked, parent)?;
    let (session, key) = match parent.actor.delegation {
        Some(by) => (by.session, by.key),
        None => (parent.actor.session, parent.actor.key),
    };
    Ok(DelegatedClaims {
        iss: app.tokens.config().issuer.clone(),
        aud: AUDIENCE.to_owned(),
        sub: parent.subject,
        tid: identity.tenant,
        sid: session,
        key,
        scope: scope.iter().map(PermissionId::as_str).collect::<Vec<_>>().join(" "),
        act,
        workflow,
        depth: parent.depth + 1,
        jti: TokenId::new(app.kernel.clock().now()),
        iat: made,
        exp: ends,
    })
}

/// Who is to act for the subject: nobody but itself, or a service account that may.
async fn act(
    anonymous: &Anonymous,
    app: &App,
    asked: &Parameters,
    subject: &Identity,
    parent: &Parent,
) -> Result<Option<Act>, Refused> {
    if asked.get("actor_token").is_none() {
        return match asked.get("actor_token_type") {
            Some(_) => Err(Refused::request("`actor_token_type` stands without `actor_token`")),
            None => Ok(parent.act.clone()),
        };
    }
    let actor = who(anonymous, app, asked.token("actor_token")?, "actor_token").await?;
    let themselves = actor.actor.principal == subject.actor.principal && actor.actor.on_behalf_of.is_none();
    if actor.tenant == subject.tenant && themselves {
        return Ok(parent.act.clone());
    }
    let denied = |detail: &'static str| Refused::new("invalid_request", Problem::new(Code::PermissionDenied, detail));
    let (Some(account), Some(key), true) =
        (actor.actor.service_account(), actor.actor.key, actor.tenant == subject.tenant)
    else {
        return Err(denied(
            "`actor_token` must be the API key of a service account of the same organisation, or of the subject itself",
        ));
    };
    if !actor.permissions.contains(DelegationAct::NEEDS) {
        return Err(denied(
            "the service account of `actor_token` may not act for people: it, and its key, need the permission delegation:act",
        ));
    }
    if matches!(parent.subject, Subject::ServiceAccount(_)) {
        return Err(denied("nobody acts for a service account; give the other one what it needs"));
    }
    if parent.actor.delegation.is_some_and(|by| by.actors.iter().flatten().count() >= MAX_ACTORS) {
        return Err(denied("too many stand between the person and this actor already"));
    }
    Ok(Some(Act { sub: account, key, act: parent.act.clone().map(Box::new) }))
}

/// `audience` names the organisation, and no other than the one that the token is for.
async fn audience(app: &App, asked: &Parameters, identity: &Identity) -> Result<(), Refused> {
    let Some(audience) = asked.get("audience") else { return Ok(()) };
    let system = app.kernel.system(SystemReason::Authenticate);
    let slug = system
        .run(async |tx| {
            Ok(Audited::none("looks up the name of one's own organisation", store::slug(tx, identity.tenant).await?))
        })
        .await?;
    if audience == slug || audience == identity.tenant.to_string() {
        return Ok(());
    }
    let detail =
        "`audience` must be the organisation that the token is for; go to another one with POST /api/v1/auth/switch";
    Err(Refused::new("invalid_target", Problem::new(Code::PermissionDenied, detail)))
}

/// `resource` names a workflow by its address; the parent's own stays.
fn workflow(app: &App, asked: &Parameters, parent: &Parent) -> Result<Option<WorkflowId>, Refused> {
    let Some(resource) = asked.get("resource") else { return Ok(parent.workflow) };
    let path = resource.strip_prefix(app.tokens.config().issuer.trim_end_matches('/')).unwrap_or(resource);
    let named: Option<WorkflowId> = path.strip_prefix("/api/v1/workflows/").and_then(|id| id.parse().ok());
    let target = |code, detail| Refused::new("invalid_target", Problem::new(code, detail));
    let Some(workflow) = named else {
        return Err(target(Code::BadRequest, "`resource` must be the address of a workflow: /api/v1/workflows/wf_…"));
    };
    match parent.workflow {
        Some(own) if own != workflow => Err(target(Code::PermissionDenied, "the token is for another workflow")),
        _ => Ok(Some(workflow)),
    }
}

/// What was asked for, if the parent holds all of it; all that it holds, if nothing was.
fn scope(asked: &Parameters, held: PermissionSet) -> Result<PermissionSet, Refused> {
    let invalid = |code, detail: String| Refused::new("invalid_scope", Problem::new(code, detail));
    let scope = match asked.get("scope") {
        None => held,
        Some(words) => {
            let words: Vec<String> = words.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect();
            let known = roles::parse_permissions(&words, "/scope");
            // OAuth has no place for pointers: the word is told by its number, from 0 as there.
            known.map_err(|error| invalid(Code::BadRequest, told(&error.problem())))?.of_today()
        }
    };
    let missing = scope.missing_from(held);
    if !missing.is_empty() {
        return Err(invalid(
            Code::PermissionDenied,
            format!("`scope` holds what the subject token does not: {missing}"),
        ));
    }
    if scope.is_empty() {
        return Err(invalid(Code::PermissionDenied, "nothing is left that the token could do".to_owned()));
    }
    Ok(scope)
}

fn told(problem: &Problem) -> String {
    let told: Vec<String> = problem
        .errors
        .iter()
        .map(|fault| format!("`{}` {}", fault.pointer.trim_start_matches('/'), fault.detail))
        .collect();
    told.join("; ")
}

/// From when until when, in seconds: never longer than the parent.
fn times(now: Timestamp, asked: &Parameters, parent: &Parent) -> Result<(i64, i64), Refused> {
    let lasts = match asked.get("expires_in").map(str::parse::<u64>) {
        None => LASTS,
        Some(Ok(seconds)) if seconds > 0 => Duration::from_secs(seconds).min(LASTS_AT_MOST),
        Some(_) => return Err(Refused::request("`expires_in` must be a number of seconds, 1 to 3600")),
    };
    let ends = now.after(lasts).as_seconds();
    Ok((now.as_seconds(), parent.ends.map_or(ends, |end| end.min(ends))))
}

fn granted(claims: &DelegatedClaims) -> NewEvent {
    let event = NewEvent::new(DelegationEvent::GRANTED, claims.jti.to_string())
        .detail("scope", &claims.scope)
        .detail("depth", claims.depth)
        .detail("expires_at", Timestamp::from_micros(claims.exp.saturating_mul(1_000_000)));
    let event = match claims.workflow {
        Some(workflow) => event.detail("workflow", workflow),
        None => event,
    };
    match &claims.act {
        Some(act) => event.detail("act", act),
        None => event,
    }
}

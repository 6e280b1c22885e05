//! A router that knows of each route who may call it and what it takes and gives.
//!
//! The permission stands once: in the handler's signature. A handler without a guard does not compile.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::handler::Handler;
use axum::http::Method;
use axum::middleware::{Next, from_fn};
use axum::routing::{MethodFilter, MethodRouter, on};
use utoipa::openapi::path::{HttpMethod, OperationBuilder, ParameterBuilder, ParameterIn};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, Flow, HttpAuthScheme, HttpBuilder, OAuth2, Password, Scopes, SecurityRequirement,
    SecurityScheme,
};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, PathsBuilder, Ref, Required,
    ResponseBuilder,
};
use utoipa::{PartialSchema as _, ToSchema as _};

use crate::context::Owed;
use crate::describe::{Description, Guard, Guarded, KnownCaller, Returns};
use crate::error::{Code, Problem, ProblemDocument};
use crate::request;

/// What is known of one route.
pub struct RouteInfo {
    /// Its method.
    pub method: Method,
    /// Its template: `/api/v1/teams/{id}`.
    pub path: String,
    /// Who may call it.
    pub guard: Guard,
    /// Whether a factor must have been proven just before.
    pub step_up: bool,
    /// Whether an API key passes without, to do something to itself.
    pub keys_pass: bool,
    /// What a login may still owe that passes.
    pub owing: &'static [Owed],
    /// Why anybody may, where anybody may.
    pub public_reason: Option<&'static str>,
    /// A valid body, where it takes one.
    pub sample: Option<serde_json::Value>,
    /// Bytes of the largest body it takes.
    pub body_limit: usize,
    /// First line: what it does. The rest: what its caller should know.
    pub doc: &'static str,
    operation_id: String,
    tag: &'static str,
    description: Description,
}

/// A slice's routes.
pub struct Routes<S> {
    router: Router<S>,
    table: Vec<RouteInfo>,
    tag: &'static str,
}

impl<S> std::fmt::Debug for Routes<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.table.iter().map(|route| format!("{} {}", route.method, route.path))).finish()
    }
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// No routes yet; `tag` groups them in the documentation.
    #[must_use]
    pub fn new(tag: &'static str) -> Self {
        Self { router: Router::new(), table: Vec::new(), tag }
    }

    /// A route that reads.
    #[must_use]
    pub fn get<H: Handler<T, S> + Returns<T>, T: KnownCaller + 'static>(
        self,
        path: &str,
        handler: H,
        doc: &'static str,
    ) -> Self {
        self.route(Method::GET, path, handler, doc, None)
    }

    /// A route that creates or acts.
    #[must_use]
    pub fn post<H: Handler<T, S> + Returns<T>, T: KnownCaller + 'static>(
        self,
        path: &str,
        handler: H,
        doc: &'static str,
    ) -> Self {
        self.route(Method::POST, path, handler, doc, None)
    }

    /// A route that puts something in place.
    #[must_use]
    pub fn put<H: Handler<T, S> + Returns<T>, T: KnownCaller + 'static>(
        self,
        path: &str,
        handler: H,
        doc: &'static str,
    ) -> Self {
        self.route(Method::PUT, path, handler, doc, None)
    }

    /// A route that changes some members.
    #[must_use]
    pub fn patch<H: Handler<T, S> + Returns<T>, T: KnownCaller + 'static>(
        self,
        path: &str,
        handler: H,
        doc: &'static str,
    ) -> Self {
        self.route(Method::PATCH, path, handler, doc, None)
    }

    /// A route that deletes.
    #[must_use]
    pub fn delete<H: Handler<T, S> + Returns<T>, T: KnownCaller + 'static>(
        self,
        path: &str,
        handler: H,
        doc: &'static str,
    ) -> Self {
        self.route(Method::DELETE, path, handler, doc, None)
    }

    /// A route that anybody may call, for a written reason. Counted by a test.
    #[must_use]
    pub fn public<H: Handler<T, S> + Returns<T>, T: Guarded + 'static>(
        self,
        method: Method,
        path: &str,
        reason: &'static str,
        handler: H,
        doc: &'static str,
    ) -> Self {
        self.route(method, path, handler, doc, Some(reason))
    }

    fn route<H: Handler<T, S> + Returns<T>, T: Guarded + 'static>(
        mut self,
        method: Method,
        path: &str,
        handler: H,
        doc: &'static str,
        public_reason: Option<&'static str>,
    ) -> Self {
        let mut description = Description::default();
        T::describe(&mut description);
        <H as Returns<T>>::describe(&mut description);
        // `tenure_platform::domain::teams::http::create` is `teams.create`.
        let name = std::any::type_name::<H>();
        let parts: Vec<&str> = name.split("::").filter(|part| *part != "http").collect();
        let operation_id = parts.get(parts.len().saturating_sub(2)..).unwrap_or_default().join(".");
        self.table.push(RouteInfo {
            method: method.clone(),
            path: path.to_owned(),
            guard: description.guard.unwrap_or(Guard::Public),
            step_up: description.step_up,
            keys_pass: description.keys_pass,
            owing: description.owing,
            public_reason,
            sample: description.sample.clone(),
            body_limit: request::MAX_BODY,
            doc,
            operation_id,
            tag: self.tag,
            description,
        });
        let filter = MethodFilter::try_from(method).unwrap_or(MethodFilter::GET);
        let router: MethodRouter<S> = on(filter, handler);
        self.router = self.router.route(path, router);
        self
    }

    /// These and those.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.router = self.router.merge(other.router);
        self.table.extend(other.table);
        self
    }

    /// All of them below a prefix.
    #[must_use]
    pub fn below(mut self, prefix: &str) -> Self {
        self.router = Router::new().nest(prefix, self.router);
        for route in &mut self.table {
            route.path = format!("{prefix}{}", route.path);
        }
        self
    }

    /// Lets the routes so far take bodies of up to `bytes`.
    #[must_use]
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.router = self.router.layer(DefaultBodyLimit::max(bytes));
        self.table.iter_mut().for_each(|route| route.body_limit = bytes);
        self
    }

    /// The router, with what surrounds every request, and the table of its routes.
    pub fn finish(self) -> (Router<S>, Arc<[RouteInfo]>) {
        let known = self.table.iter().map(|route| (&route.method, route.path.as_str(), route.body_limit));
        let templates = Arc::new(request::Templates::new(known));
        let router = self
            .router
            .fallback(async || Problem::not_found())
            .method_not_allowed_fallback(async || {
                Problem::new(Code::MethodNotAllowed, "this path knows other methods; see the API's description")
            })
            .layer(from_fn(move |request: Request, next: Next| {
                let templates = Arc::clone(&templates);
                async move { request::surround(&templates, request, next).await }
            }))
            .layer(DefaultBodyLimit::max(request::MAX_BODY));
        (router, self.table.into())
    }
}

/// Where the OAuth 2 password form goes.
const TOKEN_ENDPOINT: &str = "/api/v1/auth/token";

/// The OpenAPI 3.1 document of these routes.
#[must_use]
pub fn openapi(title: &str, version: &str, description: &str, routes: &[RouteInfo]) -> OpenApi {
    let mut components = ComponentsBuilder::new()
        .schema(ProblemDocument::name(), ProblemDocument::schema())
        .security_scheme(
            "bearer",
            SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build()),
        )
        .security_scheme("api_key", SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("X-API-Key"))))
        // What an "Authorize" button asks a person with (RFC 6749, 4.3).
        .security_scheme(
            "password",
            SecurityScheme::OAuth2(OAuth2::new([Flow::Password(Password::new(TOKEN_ENDPOINT, Scopes::new()))])),
        );
    let mut nested = Vec::new();
    ProblemDocument::schemas(&mut nested);
    let mut paths = PathsBuilder::new();
    for route in routes {
        nested.extend(route.description.schemas.iter().cloned());
        paths = paths
            .path(route.path.clone(), utoipa::openapi::PathItem::new(http_method(&route.method), operation(route)));
    }
    for (name, schema) in nested {
        components = components.schema(name, schema);
    }
    OpenApiBuilder::new()
        .info(InfoBuilder::new().title(title).version(version).description(Some(description)).build())
        .paths(paths.build())
        .components(Some(components.build()))
        .build()
}

/// The names that stand for two different schemas among these routes; [`openapi`] could keep only one of the two.
#[must_use]
pub fn ambiguous_schemas(routes: &[RouteInfo]) -> BTreeSet<&str> {
    let mut known = BTreeMap::new();
    let schemas = routes.iter().flat_map(|route| &route.description.schemas);
    schemas
        .filter(|(name, schema)| *known.entry(name).or_insert(schema) != schema)
        .map(|(name, _)| name.as_str())
        .collect()
}

fn operation(route: &RouteInfo) -> utoipa::openapi::path::Operation {
    let (summary, rest) = route.doc.split_once('\n').unwrap_or((route.doc, ""));
    let needs = match route.guard {
        Guard::Permission(set, _) => format!("Needs the permission `{set}`."),
        Guard::Platform(permission) => format!("For administrators of the platform (`{}`).", permission.as_str()),
        Guard::Authenticated => "Needs a login and no permission.".to_owned(),
        Guard::Public => "Needs no login.".to_owned(),
    };
    let proof = match (route.step_up, route.keys_pass) {
        (false, _) => "",
        (true, false) => " Needs a factor proven within the last five minutes (`step-up-required`).",
        (true, true) => {
            " Of a login it needs a factor proven within the last five minutes (`step-up-required`), of an API key none."
        }
    };
    let problem = |words: &str| {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(ProblemDocument::name()))).build();
        ResponseBuilder::new().description(words).content("application/problem+json", content).build()
    };
    let mut operation = OperationBuilder::new()
        .tag(route.tag)
        .operation_id(Some(route.operation_id.clone()))
        .summary(Some(summary.trim()))
        .description(Some(format!("{}\n\n{needs}{proof}", rest.trim()).trim()))
        .request_body(route.description.body.clone())
        .response("default", problem("A problem document (RFC 9457)."));
    for (status, answer) in &route.description.answers {
        operation = operation.response(status.to_string(), answer.clone());
    }
    let names = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    for (name, schema) in names.zip(route.description.path.iter()) {
        operation = operation.parameter(
            ParameterBuilder::new()
                .name(name)
                .parameter_in(ParameterIn::Path)
                .required(Required::True)
                .schema(Some(schema.clone())),
        );
    }
    for parameter in &route.description.query {
        operation = operation.parameter(parameter.clone());
    }
    if route.guard != Guard::Public {
        for scheme in ["bearer", "api_key", "password"] {
            operation = operation.security(SecurityRequirement::new(scheme, Vec::<String>::new()));
        }
    }
    operation.build()
}

fn http_method(method: &Method) -> HttpMethod {
    match *method {
        Method::POST => HttpMethod::Post,
        Method::PUT => HttpMethod::Put,
        Method::PATCH => HttpMethod::Patch,
        Method::DELETE => HttpMethod::Delete,
        _ => HttpMethod::Get,
    }
}

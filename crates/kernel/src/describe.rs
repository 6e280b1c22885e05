//! How handlers describe themselves: read off their signature, so that the OpenAPI document cannot drift from them.

use axum::extract::State;
use axum::response::Response;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Required, ResponseBuilder, Schema};
use utoipa::{IntoParams, ToSchema};

use crate::authorized::{Anonymous, Authenticated, Authorized, Demand};
use crate::context::Owed;
use crate::error::Result;
use crate::extract::{Created, Form, Json, JsonOrNothing, NoContent, Path, PathParams, Query, Sample};
use crate::permission::{Access, Mode as _, Permission, PermissionSet};
use crate::platform::{PlatformAuthorized, PlatformPermission, PlatformRight};

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// Whoever holds these.
    Permission(PermissionSet, Access),
    /// Whoever administers the platform and may do this.
    Platform(PlatformPermission),
    /// Whoever is logged in.
    Authenticated,
    /// Anybody.
    Public,
}

/// What a handler's signature says.
#[derive(Default)]
pub struct Description {
    pub(crate) guard: Option<Guard>,
    pub(crate) step_up: bool,
    pub(crate) keys_pass: bool,
    pub(crate) owing: &'static [Owed],
    pub(crate) path: Vec<RefOr<Schema>>,
    pub(crate) query: Vec<Parameter>,
    pub(crate) body: Option<RequestBody>,
    pub(crate) sample: Option<serde_json::Value>,
    pub(crate) answers: Vec<(u16, utoipa::openapi::Response)>,
    pub(crate) schemas: Vec<(String, RefOr<Schema>)>,
}

impl Description {
    fn schema<T: ToSchema>(&mut self) -> Ref {
        let name = T::name();
        self.schemas.push((name.to_string(), T::schema()));
        T::schemas(&mut self.schemas);
        Ref::from_schema_name(name)
    }

    /// An answer is JSON of this type.
    pub fn answers<T: ToSchema>(&mut self, status: u16, words: &str) {
        let schema = self.schema::<T>();
        self.answers_with(status, words, "application/json", schema);
    }

    /// An answer is of this media type.
    pub fn answers_with(&mut self, status: u16, words: &str, media: &str, schema: impl Into<RefOr<Schema>>) {
        let content = ContentBuilder::new().schema(Some(schema.into())).build();
        self.answers.push((status, ResponseBuilder::new().description(words).content(media, content).build()));
    }

    /// An answer has no body.
    pub fn answers_nothing(&mut self, status: u16, words: &str) {
        self.answers.push((status, ResponseBuilder::new().description(words).build()));
    }

    /// The body is of these media types.
    pub fn takes(&mut self, sample: serde_json::Value, media: &[&str], schema: impl Into<RefOr<Schema>>) {
        let schema = schema.into();
        let body = media.iter().fold(RequestBodyBuilder::new().required(Some(Required::True)), |body, media| {
            let content = ContentBuilder::new().schema(Some(schema.clone()));
            let content = if *media == "application/json" { content.example(Some(sample.clone())) } else { content };
            body.content(*media, content.build())
        });
        self.body = Some(body.build());
        self.sample = Some(sample);
    }

    /// A parameter of the query string.
    pub fn parameter(&mut self, name: &str, words: &str, schema: impl Into<RefOr<Schema>>) {
        self.query.push(
            ParameterBuilder::new()
                .name(name)
                .parameter_in(ParameterIn::Query)
                .description(Some(words))
                .schema(Some(schema.into()))
                .build(),
        );
    }
}

/// An argument of a handler.
pub trait Input {
    /// Adds itself.
    fn describe(description: &mut Description);
}

/// What a handler returns.
pub trait Output {
    /// Adds itself.
    fn describe(description: &mut Description);
}

impl<P: Permission> Input for Authorized<P> {
    fn describe(description: &mut Description) {
        description.guard = Some(Guard::Permission(P::NEEDS, P::Mode::ACCESS));
        description.step_up = P::STEP_UP;
        description.keys_pass = P::KEYS_PASS;
    }
}

impl<R: PlatformRight> Input for PlatformAuthorized<R> {
    fn describe(description: &mut Description) {
        description.guard = Some(Guard::Platform(R::NEEDS));
        description.step_up = R::STEP_UP;
    }
}

impl<D: Demand> Input for Authenticated<D> {
    fn describe(description: &mut Description) {
        description.guard = Some(Guard::Authenticated);
        description.step_up = D::STEP_UP;
        description.owing = D::OWING;
    }
}

impl Input for Anonymous {
    fn describe(description: &mut Description) {
        description.guard = Some(Guard::Public);
    }
}

impl<S> Input for State<S> {
    fn describe(_: &mut Description) {}
}

impl Input for axum::http::HeaderMap {
    fn describe(_: &mut Description) {}
}

impl<T: Sample> Input for Json<T> {
    fn describe(description: &mut Description) {
        let schema = description.schema::<T>();
        description.takes(T::sample(), &["application/json"], schema);
    }
}

impl<T: Sample> Input for JsonOrNothing<T> {
    fn describe(description: &mut Description) {
        <Json<T> as Input>::describe(description);
        if let Some(body) = &mut description.body {
            body.required = Some(Required::False);
        }
    }
}

impl<T: ToSchema> Input for Form<T> {
    fn describe(description: &mut Description) {
        let schema = description.schema::<T>();
        let content = ContentBuilder::new().schema(Some(schema)).build();
        let body = RequestBodyBuilder::new().required(Some(Required::True));
        description.body = Some(body.content("application/x-www-form-urlencoded", content).build());
    }
}

impl<T: PathParams> Input for Path<T> {
    fn describe(description: &mut Description) {
        description.path = T::schemas();
    }
}

impl<T: IntoParams> Input for Query<T> {
    fn describe(description: &mut Description) {
        description.query.extend(T::into_params(|| Some(ParameterIn::Query)));
    }
}

impl<T: Output> Output for Result<T> {
    fn describe(description: &mut Description) {
        T::describe(description);
    }
}

impl<T: ToSchema> Output for Json<T> {
    fn describe(description: &mut Description) {
        description.answers::<T>(200, "Done.");
    }
}

impl<T: ToSchema> Output for Created<T> {
    fn describe(description: &mut Description) {
        description.answers::<T>(201, "Created.");
    }
}

impl Output for NoContent {
    fn describe(description: &mut Description) {
        description.answers_nothing(204, "Done.");
    }
}

/// A response that no type describes (a stream, a file, one of several statuses): its marker does.
#[derive(Debug)]
pub struct Raw<D>(pub Response, std::marker::PhantomData<fn() -> D>);

impl<D> Raw<D> {
    /// The response, described by `D`.
    pub fn new(response: impl axum::response::IntoResponse) -> Self {
        Self(response.into_response(), std::marker::PhantomData)
    }
}

impl<D> axum::response::IntoResponse for Raw<D> {
    fn into_response(self) -> Response {
        self.0
    }
}

impl<D: Output> Output for Raw<D> {
    fn describe(description: &mut Description) {
        D::describe(description);
    }
}

/// The extractor tuple of a handler whose first argument is the guard.
pub trait Guarded {
    /// Everything its members say.
    fn describe(description: &mut Description);
}

/// The result type of a handler with extractor tuple `T`.
pub trait Returns<T> {
    /// What it says.
    fn describe(description: &mut Description);
}

/// The marker of guards that a route may have without giving a reason.
pub trait Known {}
impl<P> Known for Authorized<P> {}
impl<R> Known for PlatformAuthorized<R> {}
impl<D> Known for Authenticated<D> {}

/// [`Guarded`] by a [`Known`] caller.
pub trait KnownCaller: Guarded {}

macro_rules! arities {
    ($([$($argument:ident),*])*) => {$(
        impl<M, G: Input, $($argument: Input),*> Guarded for (M, G, $($argument,)*) {
            fn describe(description: &mut Description) {
                G::describe(description);
                $($argument::describe(description);)*
            }
        }

        impl<M, G: Input + Known, $($argument: Input),*> KnownCaller for (M, G, $($argument,)*) {}

        impl<F, Fut, R, M, G, $($argument),*> Returns<(M, G, $($argument,)*)> for F
        where
            F: Fn(G, $($argument),*) -> Fut,
            Fut: Future<Output = R>,
            R: Output,
        {
            fn describe(description: &mut Description) {
                R::describe(description);
            }
        }
    )*};
}

arities! { [] [A] [A, B] [A, B, C] [A, B, C, D] [A, B, C, D, E] }

//! Extractors that answer with problem documents, and describe themselves for the OpenAPI document.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use crate::error::{Code, Error, FieldError, Problem, Result};
use crate::id::{Id, Kind};
use crate::request::{MAX_BODY, RequestInfo, too_large};
use crate::strict::Strict;

/// A JSON body, read strictly: the right content type, no larger than the route takes, valid UTF-8, no NUL, no unknown members where the
/// type refuses them; faults are told with their JSON pointer.
#[derive(Debug, Clone, Copy)]
pub struct Json<T>(pub T);

/// A request body with a valid example: what the documentation shows, and what the generated tests send, so that a 422
/// cannot hide a leak.
pub trait Sample: ToSchema {
    /// The example.
    fn sample() -> serde_json::Value;
}

impl<S, T> FromRequest<S> for Json<T>
where
    S: Send + Sync,
    T: DeserializeOwned,
{
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        is_json(&request)?;
        Ok(Self(parse_json(&sent(request, state).await?)?))
    }
}

/// Whether the body is of this media type, whatever its parameters.
fn is(media: &str, request: &Request) -> bool {
    let sent = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    sent.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(media)
}

fn is_json(request: &Request) -> Result<(), Problem> {
    let problem = || Problem::new(Code::UnsupportedMedia, "send the body as application/json");
    if is("application/json", request) { Ok(()) } else { Err(problem()) }
}

/// The body, no larger than the route takes.
async fn sent<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    let limit = request.extensions().get::<RequestInfo>().map_or(MAX_BODY, |info| info.body_limit);
    Bytes::from_request(request, state).await.map_err(|rejection| {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            too_large(limit)
        } else {
            Problem::new(Code::BadRequest, "the body could not be read to its end")
        }
    })
}

/// A JSON body, or none at all (then the content type does not matter).
#[derive(Debug, Clone, Copy)]
pub struct JsonOrNothing<T>(pub Option<T>);

impl<S, T> FromRequest<S> for JsonOrNothing<T>
where
    S: Send + Sync,
    T: DeserializeOwned,
{
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        let is_json = is_json(&request);
        // What a body says of its own length is lost on its way through the server, so it is looked at.
        let bytes = sent(request, state).await?;
        if bytes.is_empty() {
            return Ok(Self(None));
        }
        is_json?;
        Ok(Self(Some(parse_json(&bytes)?)))
    }
}

/// A form (`application/x-www-form-urlencoded`) that is described by `T`, or why it cannot be read: the endpoints that OAuth 2
/// describes word their refusals themselves. A parameter without a value counts as absent (RFC 6749, 3.2), one that stands
/// twice is refused, and what is unknown is kept, to be ignored.
#[derive(Debug)]
pub struct Form<T>(pub Result<BTreeMap<String, String>, Problem>, std::marker::PhantomData<fn() -> T>);

impl<S: Send + Sync, T> FromRequest<S> for Form<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        let is_form = is("application/x-www-form-urlencoded", &request);
        let read = match sent(request, state).await {
            _ if !is_form => {
                Err(Problem::new(Code::UnsupportedMedia, "send the body as application/x-www-form-urlencoded"))
            }
            read => read.and_then(|bytes| form(&bytes)),
        };
        Ok(Self(read, std::marker::PhantomData))
    }
}

fn form(bytes: &[u8]) -> Result<BTreeMap<String, String>, Problem> {
    let mut read = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(bytes) {
        if name.contains('\0') || value.contains('\0') {
            return Err(Problem::new(Code::BadRequest, "a parameter contains NUL"));
        }
        if !value.is_empty() && read.insert(name.clone().into_owned(), value.into_owned()).is_some() {
            return Err(Problem::new(Code::BadRequest, format!("the parameter {name} stands more than once")));
        }
    }
    Ok(read)
}

/// Parses a JSON document of a caller's.
///
/// # Errors
/// 400 for what is no JSON (with line and column), 422 for what is JSON of another shape (with its pointer).
pub fn parse_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    refuse_nul(bytes)?;
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let mut track = serde_path_to_error::Track::new();
    let tracked = serde_path_to_error::Deserializer::new(&mut reader, &mut track);
    let value = T::deserialize(Strict(tracked));
    let value = value.map_err(|inner| {
        let pointer = pointer(&track.path());
        if inner.is_data() {
            let (line, column, mut detail) = (inner.line(), inner.column(), inner.to_string());
            detail.truncate(detail.rfind(" at line ").unwrap_or(detail.len()));
            let detail = shortened(detail);
            let field = FieldError { pointer, detail, code: None };
            let mut problem = Problem::new(Code::Invalid, "some fields are wrong; see errors")
                .with("line", line)
                .with("column", column);
            problem.errors.push(field);
            problem
        } else {
            let (line, column) = (inner.line(), inner.column());
            Problem::new(Code::BadRequest, format!("the body is not valid JSON: {inner}"))
                .with("line", line)
                .with("column", column)
        }
    })?;
    reader
        .end()
        .map_err(|error| Problem::new(Code::BadRequest, format!("the body goes on after its JSON value: {error}")))?;
    Ok(value)
}

/// What is wrong may repeat what was sent, which may be long.
fn shortened(detail: String) -> String {
    const LONGEST: usize = 300;
    if detail.chars().count() <= LONGEST {
        return detail;
    }
    let head: String = detail.chars().take(LONGEST / 2).collect();
    let tail: String = detail.chars().rev().take(LONGEST / 2).collect::<Vec<_>>().into_iter().rev().collect();
    format!("{head} … {tail}")
}

/// PostgreSQL stores no NUL in `text` or `jsonb`: it is refused here, before anything begins.
fn refuse_nul(bytes: &[u8]) -> Result<()> {
    let raw = bytes.contains(&0);
    let escaped = bytes.windows(6).enumerate().filter(|(_, window)| window == b"\\u0000").any(|(at, _)| {
        let before = bytes.get(..at).unwrap_or_default().iter().rev().take_while(|byte| **byte == b'\\').count();
        before % 2 == 0
    });
    if raw || escaped {
        return Err(Problem::new(Code::Invalid, "the character NUL (U+0000) cannot be stored; remove it").into());
    }
    Ok(())
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter().fold(String::new(), |pointer, segment| match segment {
        Segment::Seq { index } => format!("{pointer}/{index}"),
        Segment::Map { key } | Segment::Enum { variant: key } => {
            format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
        }
        Segment::Unknown => pointer,
    })
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

/// 201 with the new resource; `Location` where it has a path of its own.
#[derive(Debug, Clone)]
pub struct Created<T>(pub T, pub Option<String>);

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        let mut response = (StatusCode::CREATED, axum::Json(self.0)).into_response();
        if let Some(location) = self.1.and_then(|path| axum::http::HeaderValue::try_from(path).ok()) {
            response.headers_mut().insert(axum::http::header::LOCATION, location);
        }
        response
    }
}

/// 204.
#[derive(Debug, Clone, Copy)]
pub struct NoContent;

impl IntoResponse for NoContent {
    fn into_response(self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }
}

/// One or two identifiers of the path. One that is malformed is answered like one that is unknown: 404.
#[derive(Debug, Clone, Copy)]
pub struct Path<T>(pub T);

/// What can stand in a path.
pub trait PathParams: Sized + Send {
    /// From the values in the order of the path.
    fn parse(values: &[&str]) -> Option<Self>;
    /// The schemas, in the same order.
    fn schemas() -> Vec<utoipa::openapi::RefOr<utoipa::openapi::Schema>>;
}

impl<K: Kind> PathParams for Id<K> {
    fn parse(values: &[&str]) -> Option<Self> {
        let [value] = values else { return None };
        value.parse().ok()
    }

    fn schemas() -> Vec<utoipa::openapi::RefOr<utoipa::openapi::Schema>> {
        vec![<Self as utoipa::PartialSchema>::schema()]
    }
}

/// A name in a path, already percent-decoded: letters, digits, `.`, `_`, `-`, at most 128.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathName(pub String);

impl PathParams for PathName {
    fn parse(values: &[&str]) -> Option<Self> {
        let [value] = values else { return None };
        let fine = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        (!value.is_empty() && value.len() <= 128 && value.chars().all(fine)).then(|| Self((*value).to_owned()))
    }

    fn schemas() -> Vec<utoipa::openapi::RefOr<utoipa::openapi::Schema>> {
        vec![<String as utoipa::PartialSchema>::schema()]
    }
}

/// A version number in a path.
impl PathParams for u32 {
    fn parse(values: &[&str]) -> Option<Self> {
        let [value] = values else { return None };
        value.parse().ok()
    }

    fn schemas() -> Vec<utoipa::openapi::RefOr<utoipa::openapi::Schema>> {
        vec![<u32 as utoipa::PartialSchema>::schema()]
    }
}

impl<A: PathParams, B: PathParams> PathParams for (A, B) {
    fn parse(values: &[&str]) -> Option<Self> {
        let [first, second] = values else { return None };
        Some((A::parse(&[first])?, B::parse(&[second])?))
    }

    fn schemas() -> Vec<utoipa::openapi::RefOr<utoipa::openapi::Schema>> {
        [A::schemas(), B::schemas()].concat()
    }
}

impl<S, T> FromRequestParts<S> for Path<T>
where
    S: Send + Sync,
    T: PathParams,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let params = RawPathParams::from_request_parts(parts, state).await.map_err(|_| Problem::not_found())?;
        let values: Vec<&str> = params.iter().map(|(_, value)| value).collect();
        Ok(Self(T::parse(&values).ok_or_else(Problem::not_found)?))
    }
}

/// A query string, read strictly: unknown and repeated parameters are refused by name.
#[derive(Debug, Clone, Copy)]
pub struct Query<T>(pub T);

impl<S, T> FromRequestParts<S> for Query<T>
where
    S: Send + Sync,
    T: DeserializeOwned,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self> {
        let text = parts.uri.query().unwrap_or_default();
        let mut seen = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            if value.contains('\0') {
                return Err(Problem::invalid(format!("#query/{name}"), "must not contain NUL").into());
            }
            if seen.insert(name.clone(), value).is_some() {
                return Err(Problem::invalid(format!("#query/{name}"), "stands more than once").into());
            }
        }
        let parsed = serde_path_to_error::deserialize(serde_urlencoded::Deserializer::new(form_urlencoded::parse(
            text.as_bytes(),
        )));
        parsed.map(Self).map_err(|error| {
            let path = error.path().to_string();
            let pointer = if path == "." { "#query".to_owned() } else { format!("#query/{path}") };
            Problem::invalid(pointer, shortened(error.into_inner().to_string())).into()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Doc {
        names: Vec<String>,
    }

    fn problem(body: &str) -> Problem {
        parse_json::<Doc>(body.as_bytes()).unwrap_err().problem()
    }

    #[test]
    fn faults_are_told_with_their_place() {
        let wrong = problem(r#"{"names": ["a", 1]}"#);
        assert_eq!((wrong.code, wrong.errors[0].pointer.as_str()), (Code::Invalid, "/names/1"));
        assert_eq!(problem(r#"{"nmes": []}"#).errors[0].pointer, "/nmes");
        assert_eq!(problem("{").code, Code::BadRequest);
        assert_eq!(problem("{\"names\": []} x").code, Code::BadRequest);
        assert_eq!(problem(&"[".repeat(10_000)).code, Code::Invalid);
        let long = problem(&format!("{{\"names\": \"{}\"}}", "x".repeat(10_000)));
        assert!(
            long.errors[0].detail.len() < 400 && long.errors[0].detail.ends_with("expected a sequence"),
            "{long:?}"
        );
    }

    #[test]
    fn an_object_is_not_read_off_a_list() {
        #[derive(Debug, serde::Deserialize, PartialEq)]
        #[serde(rename_all = "snake_case")]
        enum Choice {
            Of { doc: Doc },
            One(Doc),
        }
        let wrong = problem(r#"[["a"]]"#);
        assert_eq!(
            (wrong.code, wrong.errors[0].detail.as_str()),
            (Code::Invalid, "invalid type: sequence, expected an object")
        );
        let nested = |body: &str| {
            parse_json::<Vec<Option<Choice>>>(body.as_bytes()).map_err(|error| error.problem().errors.remove(0).pointer)
        };
        for (body, at) in [
            (r#"[{"of": [[["a"]]]}]"#, "/0/of"),
            (r#"[null, {"of": {"doc": [["a"]]}}]"#, "/1/of/doc"),
            (r#"[{"one": [["a"]]}]"#, "/0/one"),
        ] {
            assert_eq!(nested(body), Err(at.to_owned()), "{body}");
        }
        let doc = || Doc { names: vec!["a".to_owned()] };
        let good = nested(r#"[{"of": {"doc": {"names": ["a"]}}}, {"one": {"names": ["a"]}}, null]"#);
        assert_eq!(good, Ok(vec![Some(Choice::Of { doc: doc() }), Some(Choice::One(doc())), None]));
    }

    #[test]
    fn nul_is_refused_in_either_spelling_and_its_look_alike_is_not() {
        assert_eq!(problem("{\"names\": [\"\\u0000\"]}").code, Code::Invalid);
        assert_eq!(problem("{\"names\": [\"\0\"]}").code, Code::Invalid);
        assert_eq!(parse_json::<Doc>(br#"{"names": ["\\u0000"]}"#).unwrap(), Doc { names: vec!["\\u0000".to_owned()] });
    }

    proptest::proptest! {
        /// Whatever comes is read or refused; what is read has a value, and each parameter once.
        #[test]
        fn a_form_is_read_or_refused(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            if let Ok(read) = form(&bytes) {
                proptest::prop_assert!(read.values().all(|value| !value.is_empty() && !value.contains('\0')));
            }
        }

        #[test]
        fn what_was_written_into_a_form_is_read(pairs in proptest::collection::btree_map("[a-z_]{1,8}", "[^\0]{1,20}", 0..8)) {
            let text = form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
            proptest::prop_assert_eq!(form(text.as_bytes()), Ok(pairs));
        }
    }

    #[test]
    fn a_parameter_twice_is_refused_and_one_without_a_value_is_absent() {
        assert!(form(b"a=1&a=2").is_err());
        assert_eq!(form(b"a=&b=x+y&a=").unwrap(), BTreeMap::from([("b".to_owned(), "x y".to_owned())]));
    }

    #[test]
    fn names_in_paths_are_plain() {
        assert!(PathName::parse(&["a.b-c_1"]).is_some());
        for bad in ["", "a/b", "a b", "ä", "..%2f"] {
            assert!(PathName::parse(&[bad]).is_none(), "{bad}");
        }
    }
}

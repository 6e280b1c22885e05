//! A definition as the body of a request: YAML or JSON, as its author wrote it.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use tenure_kernel::describe::{Description, Input};
use tenure_kernel::request::MAX_BODY;
use tenure_kernel::{Code, Error, Problem, Result};
use utoipa::openapi::schema::AdditionalProperties;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema};

const MEDIA: [&str; 5] = ["application/json", "application/yaml", "application/x-yaml", "text/yaml", "text/plain"];

/// The text of a definition, at most 1 MiB; not read yet.
#[derive(Debug)]
pub struct DefinitionText(pub(super) Bytes);

impl<S: Send + Sync> FromRequest<S> for DefinitionText {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        let media = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let media = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if !MEDIA.contains(&media.as_str()) {
            let detail = "send the definition itself as application/yaml or application/json";
            return Err(Problem::new(Code::UnsupportedMedia, detail).into());
        }
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| {
            if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
                let detail = format!("a definition has at most {MAX_BODY} bytes; split it");
                Problem::new(Code::TooLarge, detail).with("limit", MAX_BODY)
            } else {
                Problem::new(Code::BadRequest, "the body could not be read to its end")
            }
        })?;
        Ok(Self(bytes))
    }
}

impl Input for DefinitionText {
    fn describe(description: &mut Description) {
        let schema = ObjectBuilder::new()
            .additional_properties(Some(AdditionalProperties::FreeForm(true)))
            .description(Some("A workflow definition. Its JSON Schema is served at `/api/v1/workflows/schema`."))
            .build();
        let media = ["application/json", "application/yaml"];
        description.takes(sample(), &media, RefOr::T(Schema::Object(schema)));
    }
}

fn sample() -> serde_json::Value {
    serde_json::json!({
        "name": "Wait a second",
        "nodes": {"pause": {"type": "wait", "for": "1s"}},
        "edges": [{"from": "start", "to": "pause"}, {"from": "pause", "to": "end"}],
    })
}

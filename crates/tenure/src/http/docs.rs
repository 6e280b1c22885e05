//! The API's description for machines (`/api/openapi.json`) and people (`/docs`).

use std::sync::Arc;

use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse as _;
use axum::routing::get;

/// Both, made once.
pub(super) fn router() -> Router {
    let document: Arc<str> = tenure_platform::app::openapi().to_json().unwrap_or_default().into();
    let json = move || {
        let document = document.to_string();
        async move { ([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-cache")], document).into_response() }
    };
    Router::new().route("/api/openapi.json", get(json))
}

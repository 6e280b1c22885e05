//! What can go wrong: the target of each problem document's `type`.

use maud::html;
use tenure_kernel::Code;

use super::page::frame;

pub(super) fn render() -> String {
    let body = html! {
        main {
            p { a href="/docs" { "API reference" } }
            h1 { "Problems" }
            p {
                "Every error is an RFC 9457 problem document: " code { "type" } " leads here, " code { "code" }
                " is stable, " code { "detail" } " says what happened and what to do, " code { "errors" }
                " names the fields that are wrong by JSON pointer. After 429 and 503, " code { "Retry-After" } " says when to try again."
            }
            table { @for code in Code::ALL { tr id=(code.as_str()) {
                td { code { (code.status().as_u16()) } }
                td { a href={ "#" (code.as_str()) } { code { (code.as_str()) } } }
                td { (code.title()) "." }
            } } }
            p {
                "404 hides and 403 admits: what belongs to another organisation, or to a team you are not in, is answered as if "
                "it did not exist; what you may know of and may not do is refused with the permission that is missing."
            }
        }
    };
    frame("Tenure: problems", "note", &body)
}

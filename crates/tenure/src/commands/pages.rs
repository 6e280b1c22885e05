//! Lists of a running server, whole.

use reqwest::Method;
use serde_json::Value;

use super::Failure;
use super::remote::Remote;

/// Every item of a list, page after page. `query` is empty or begins with `&`, percent-encoded.
pub(super) async fn all(remote: &Remote, path: &str, query: &str) -> Result<Vec<Value>, Failure> {
    let (mut items, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = remote.call(Method::GET, &format!("{path}?limit=200{query}{cursor}"), None).await?;
        items.extend(page.get("items").and_then(Value::as_array).into_iter().flatten().cloned());
        match page.get("next_cursor").and_then(Value::as_str) {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(items),
        }
    }
}

/// `&name=value`, as it can stand in a query; nothing without a value.
pub(super) fn parameter(name: &str, value: Option<&str>) -> String {
    value.map_or_else(String::new, |value| {
        let encoded: String = url_encoded(value);
        format!("&{name}={encoded}")
    })
}

fn url_encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::parameter;

    #[test]
    fn what_stands_in_a_query_is_one_value() {
        assert_eq!(parameter("search", Some("a&b=ü %")), "&search=a%26b%3D%C3%BC%20%25");
        assert_eq!(parameter("search", None), "");
    }
}

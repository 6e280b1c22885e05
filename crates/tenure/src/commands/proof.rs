//! Step-up on the command line: what a server refuses until a factor was proven just now is asked for on the terminal.

use std::io::IsTerminal as _;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::Failure;
use super::board::text;
use super::inside::{explain, success};
use super::remote::Http;
use crate::output;

/// Slips are asked about again; the server makes who guesses wait.
const TRIES: u32 = 3;

/// What would prove who asks, if that is what this answer is about.
pub(super) fn asked_for(status: StatusCode, answer: &Value) -> Option<Vec<String>> {
    let asked = status == StatusCode::FORBIDDEN && text(answer, "code") == "step-up-required";
    let factors = answer.get("factors").and_then(Value::as_array).filter(|_| asked)?;
    Some(factors.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

/// Asks the person at the terminal for one of the factors, and proves it for the login of this token.
pub(super) async fn prove(http: &Http, token: &str, factors: &[String]) -> Result<(), Failure> {
    let question = question(factors)?;
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        let detail = "this needs a factor that you have proven within the last five minutes: run the command on a terminal, \
                      where it asks for one, or run `tenure login`, which has it asked for in a browser";
        return Err(Failure::Failed(detail.to_owned()));
    }
    output::note("The server asks you to prove who you are.");
    for _ in 0..TRIES {
        let body = proof(factors, &typed(question).await?)?;
        let (status, answer) = http.json(Method::POST, "/auth/step-up", Some(token), Some(&body)).await?;
        if status != StatusCode::UNPROCESSABLE_ENTITY {
            return success(status, answer).map(drop);
        }
        output::note(explain(&answer));
    }
    Err(Failure::Failed("nothing was proven, so nothing was done".to_owned()))
}

fn question(factors: &[String]) -> Result<&'static str, Failure> {
    let has = |kind: &str| factors.iter().any(|factor| factor == kind);
    match (has("password"), has("totp"), has("recovery_code")) {
        (true, _, _) => Ok("Password: "),
        (_, true, true) => Ok("Code of your app, or a recovery code: "),
        (_, true, false) => Ok("Code of your app: "),
        (_, false, true) => Ok("A recovery code: "),
        _ => Err(Failure::Failed(
            "this needs a proof of who you are, and a terminal can ask for no passkey: run `tenure login`, where the browser asks \
             for it, then the command again within five minutes"
                .to_owned(),
        )),
    }
}

/// From the terminal itself, and not shown on it.
async fn typed(question: &'static str) -> Result<Zeroizing<String>, Failure> {
    let read = tokio::task::spawn_blocking(move || rpassword::prompt_password(question).map(Zeroizing::new));
    let failed = |error: &dyn std::fmt::Display| Failure::Failed(format!("the answer cannot be read: {error}"));
    read.await.map_err(|error| failed(&error))?.map_err(|error| failed(&error))
}

/// The body that says so: six digits are an app's code, and nothing else is.
fn proof(factors: &[String], typed: &str) -> Result<Value, Failure> {
    if typed.trim().is_empty() {
        return Err(Failure::Failed("nothing was proven, so nothing was done".to_owned()));
    }
    if factors.iter().any(|factor| factor == "password") {
        return Ok(json!({ "password": typed }));
    }
    let code: String = typed.chars().filter(|c| !c.is_whitespace()).collect();
    let is_code = code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit());
    Ok(if is_code { json!({ "code": code }) } else { json!({ "recovery_code": typed.trim() }) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn factors(kinds: &[&str]) -> Vec<String> {
        kinds.iter().map(|kind| (*kind).to_owned()).collect()
    }

    #[test]
    fn what_is_typed_is_taken_for_what_was_asked() {
        let password = factors(&["password"]);
        assert_eq!(proof(&password, " 123456").ok(), Some(json!({"password": " 123456"})));
        let both = factors(&["totp", "passkey", "recovery_code"]);
        assert_eq!(proof(&both, "123 456").ok(), Some(json!({"code": "123456"})));
        assert_eq!(proof(&both, " abcd-2345 ").ok(), Some(json!({"recovery_code": "abcd-2345"})));
        assert!(proof(&both, " ").is_err());
        assert_eq!(question(&both).ok(), Some("Code of your app, or a recovery code: "));
        assert!(question(&factors(&["passkey"])).is_err());
    }

    #[test]
    fn only_a_question_is_taken_for_one() {
        let asked = json!({"code": "step-up-required", "factors": ["password"]});
        assert_eq!(asked_for(StatusCode::FORBIDDEN, &asked), Some(factors(&["password"])));
        assert_eq!(asked_for(StatusCode::OK, &asked), None);
        assert_eq!(asked_for(StatusCode::FORBIDDEN, &json!({"code": "permission-denied"})), None);
    }
}

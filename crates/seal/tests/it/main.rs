//! Tests through the crate's public face.

#[cfg(test)]
mod sealing;

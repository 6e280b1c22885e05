//! Tests through the crate's public face.

#[cfg(test)]
mod export;
#[cfg(test)]
mod leaf;
#[cfg(test)]
mod merkle;
#[cfg(test)]
mod note;
#[cfg(test)]
mod tampering;
#[cfg(test)]
mod tiles;

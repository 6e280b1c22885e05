//! Compiles the guests, as `cargo xtask guests` has it done: `images GUESTS IMAGES` reads `expressions.wasm` and `python.wasm` in `GUESTS`, leaves their images
//! in `IMAGES`, and prints the images' paths, a line each. What is there already is kept.
//!
//! A program of its own because a server must never spend minutes on it, and because the build needs it before the server. An
//! example because that is built with the features that tests are built with, so that Cranelift is compiled once.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program of the build talks on its standard output")]

use std::path::Path;
use std::process::ExitCode;

use tenure_sandbox::Images;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [guests, images] = arguments.as_slice() else {
        eprintln!("usage: images GUESTS IMAGES");
        return ExitCode::from(2);
    };
    match Images::prepare(Path::new(guests), Path::new(images)) {
        Ok(prepared) => {
            prepared.files().iter().for_each(|path| println!("{}", path.display()));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

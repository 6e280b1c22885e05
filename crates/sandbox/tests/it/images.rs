//! Native code is loaded only from where nobody else writes, and only as it was compiled.

use crate::support::{guests, images};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tempfile::TempDir;
use tenure_sandbox::{ExpressionLimits, Expressions, ImageError, Images};

fn directory(mode: u32) -> TempDir {
    let directory = TempDir::new().unwrap();
    fs::set_permissions(directory.path(), Permissions::from_mode(mode)).unwrap();
    directory
}

fn copies(mode: u32) -> TempDir {
    let _compiled = images();
    let directory = directory(mode);
    for entry in fs::read_dir(guests().join("images")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), directory.path().join(entry.file_name())).unwrap();
    }
    directory
}

#[test]
fn what_is_missing_is_named_with_the_command_that_makes_it() {
    let empty = directory(0o700);
    let error = Images::open(empty.path(), empty.path()).unwrap_err();
    assert!(matches!(error, ImageError::NotBuilt { .. }), "{error}");
    assert!(error.to_string().contains("expressions.wasm is missing; run `cargo xtask guests`"), "{error}");
    let error = Images::open(&guests(), empty.path()).unwrap_err();
    assert!(matches!(error, ImageError::NotCompiled { .. }), "{error}");
    let error = Images::open(&guests(), Path::new("/nonexistent")).unwrap_err();
    assert!(matches!(error, ImageError::NotCompiled { .. }), "{error}");
}

#[test]
fn a_directory_that_others_may_enter_is_refused() {
    for mode in [0o755, 0o770, 0o701] {
        let shared = copies(mode);
        let error = Images::open(&guests(), shared.path()).unwrap_err();
        assert!(matches!(error, ImageError::Permissions { .. }), "{mode:o}: {error}");
        let error = Images::prepare(&guests(), shared.path()).unwrap_err();
        assert!(matches!(error, ImageError::Permissions { .. }), "{mode:o}: {error}");
    }
    // Also when it was opened to others later.
    let private = copies(0o700);
    let images = Images::open(&guests(), private.path()).unwrap();
    fs::set_permissions(private.path(), Permissions::from_mode(0o750)).unwrap();
    assert!(matches!(Expressions::new(&images, ExpressionLimits::default()), Err(ImageError::Permissions { .. })));
}

#[test]
fn an_image_that_was_changed_is_not_loaded() {
    let private = copies(0o700);
    for entry in fs::read_dir(private.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "cwasm") {
            let mut image = fs::read(&path).unwrap();
            let middle = image.len() / 2;
            image[middle] ^= 1;
            fs::write(&path, image).unwrap();
        }
    }
    let images = Images::open(&guests(), private.path()).unwrap();
    assert!(matches!(Expressions::new(&images, ExpressionLimits::default()), Err(ImageError::Digest { .. })));
}

//! CONFIG REWRITE: the file is read, given the values of now, and replaced. ACL SAVE: it is replaced.

use std::io::ErrorKind;
use std::path::Path;

use crate::files::{Replacement, reason};

pub(super) fn run(path: &Path, config: &config::Config, everything: bool) -> Result<(), String> {
    let original = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(format!("{}: {}", path.display(), reason(&error))),
    };
    let text = if everything { config.rewrite_all(&original) } else { config.rewrite(&original) };
    let text = text.map_err(|error| format!("{}: {error}", path.display()))?;
    replace(path, &text)
}

/// Puts a text in the place of a file's, or of none.
pub(super) fn replace(path: &Path, text: &[u8]) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {}", path.display(), reason(&error));
    let permissions = match std::fs::metadata(path) {
        Ok(known) => Some(known.permissions()),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(failed(error)),
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = format!(".{name}.{}.tmp", std::process::id());
    // It may hold passwords: readable for the owner alone until it has the permissions of the file it replaces.
    let replace = || {
        let mut file = Replacement::begin_private(path, &temporary)?;
        file.write(text)?;
        if let Some(permissions) = permissions {
            file.set_permissions(permissions)?;
        }
        file.commit()
    };
    replace().map_err(|error| error.to_string())
}

//! What secrets are sealed with.

use super::secret_file;
use crate::{
    config::{problem::Problems, value::At},
    secret::{Sealer, Sealing},
};

/// Reads the key, and the one before it.
pub(super) fn check(
    key: Option<At<String>>,
    former: Option<At<String>>,
    problems: &mut Problems<'_>,
) -> Sealing {
    const FORMER: &str = "former_seal_key_file";
    if let Some(former) = former.as_ref().filter(|_| key.is_none()) {
        problems
            .error(&former.span, FORMER, "`seal_key_file` is missing")
            .hint("name the file of the new key there");
    }
    Sealing {
        key: key.and_then(|file| sealer(&file, "seal_key_file", problems)),
        former: former.and_then(|file| sealer(&file, FORMER, problems)),
    }
}

fn sealer(file: &At<String>, key: &str, problems: &mut Problems<'_>) -> Option<Sealer> {
    let text = secret_file::text(file, key, problems)?;
    Sealer::from_text(&text)
        .inspect_err(|error| {
            problems
                .error(&file.span, key, format!("is refused: {error}"))
                .hint("make one: head -c 32 /dev/urandom | base64 > FILE");
        })
        .ok()
}

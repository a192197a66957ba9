//! The certificate of the API: is it valid, and for how long?

use jiff::Timestamp;

use super::Finding;
use crate::config::Config;

/// Looks at it, if there is one. That it can be read and has its key, reading the configuration has
/// shown. Events are seen and kept without it.
pub(super) fn look(config: &Config, now: Timestamp) -> Option<Finding> {
    let api = config.api.as_ref()?;
    let subject = format!("https://{}", api.address);
    Some(match api.tls.as_ref()?.validity(now) {
        None => Finding::good(subject, "the certificate is valid, and its key belongs to it"),
        Some(validity) => Finding::warning(subject, validity.to_string())
            .mended_by("renew it, and `systemctl reload mailherald`"),
    })
}

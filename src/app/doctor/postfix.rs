//! What the Postfix of this host does with its log.

use super::Finding;
use crate::config::{Config, SourceKind, postconf};

/// What is asked.
const PARAMETERS: [&str; 4] =
    ["mail_version", "maillog_file", "enable_long_queue_ids", "info_log_address_format"];

/// Asks Postfix, if it is there.
pub(super) fn look(config: &Config) -> Vec<Finding> {
    match postconf::values(&PARAMETERS) {
        Ok(None) => Vec::new(),
        Ok(Some(values)) => judge(&values, config),
        Err(error) => vec![
            Finding::warning("postconf", format!("gives no answer: {error}"))
                .mended_by("postconf mail_version"),
        ],
    }
}

/// `values` in the order of [`PARAMETERS`].
fn judge(values: &[String], config: &Config) -> Vec<Finding> {
    let [version, maillog, long_ids, address_form] = values else { return Vec::new() };
    let mut findings = vec![Finding::good("postfix", format!("is of version {version}"))];
    if long_ids == "no" {
        findings.push(
            Finding::warning("postfix", "uses queue IDs that come again within a second")
                .mended_by("postconf -e enable_long_queue_ids=yes && postfix reload"),
        );
    }
    findings.extend(unquoted_addresses(address_form));
    if maillog.starts_with("/dev/") || maillog.is_empty() || is_read(maillog, config) {
        return findings;
    }
    findings.push(
        Finding::bad("postfix", format!("logs to {maillog}, which no source reads"))
            .mended_by(format!("in a [[source]]: include = [\"{maillog}*\"]")),
    );
    findings
}

/// Without its quotes an address can imitate what stands behind it in a log line.
fn unquoted_addresses(form: &str) -> Option<Finding> {
    let mended_by = match form {
        "external" => return None,
        // Before 3.5 there is no other form, and no such parameter.
        "" => "an upgrade to Postfix 3.5 or later",
        _ => "postconf -e info_log_address_format=external && postfix reload",
    };
    let finding = "logs addresses without quotes, so a client can forge what became of one";
    Some(Finding::warning("postfix", finding).mended_by(mended_by))
}

fn is_read(log: &str, config: &Config) -> bool {
    config.sources.iter().any(|source| match &source.kind {
        SourceKind::File(file) => file
            .include
            .iter()
            .any(|pattern| glob::Pattern::new(pattern).is_ok_and(|pattern| pattern.matches(log))),
        SourceKind::Journald(_) | SourceKind::Stdin | SourceKind::Milter(_) => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        app::doctor::State,
        config::{FileSource, Mail, Mta, Source, Start, StoreSettings},
    };

    fn judged(values: [&str; 3]) -> Vec<State> {
        let [version, maillog, long_ids] = values;
        judged_with([version, maillog, long_ids, "external"])
    }

    fn judged_with(values: [&str; 4]) -> Vec<State> {
        let file =
            FileSource { include: vec!["/var/log/maillog*".into()], ..FileSource::default() };
        let source = Source {
            name: "a".into(),
            mta: Mta::Postfix,
            start: Start::End,
            silence: None,
            kind: SourceKind::File(file),
        };
        let config = Config {
            state_dir: "/nowhere".into(),
            sources: vec![source],
            store: StoreSettings::default(),
            egress: crate::egress::Policy::default(),
            api: None,
            reports: crate::config::Reports::default(),
            sealing: crate::secret::Sealing::default(),
            mail: Mail::default(),
            webhooks: Vec::new(),
            concurrency: 1,
        };
        let values = values.map(str::to_owned);
        judge(&values, &config).into_iter().map(|finding| finding.state).collect()
    }

    #[test]
    fn a_log_that_no_source_reads_is_bad() {
        assert_eq!(judged(["3.7.11", "/var/log/maillog", "yes"]), [State::Good]);
        assert_eq!(judged(["3.7.11", "", "yes"]), [State::Good]);
        assert_eq!(judged(["3.7.11", "/dev/stdout", "yes"]), [State::Good]);
        assert_eq!(judged(["3.7.11", "/var/log/postfix.log", "yes"]), [State::Good, State::Bad]);
    }

    #[test]
    fn short_queue_ids_are_a_warning() {
        assert_eq!(judged(["3.7.11", "", "no"]), [State::Good, State::Warning]);
    }

    #[test]
    fn addresses_without_quotes_are_a_warning() {
        for form in ["internal", ""] {
            assert_eq!(judged_with(["3.4.13", "", "yes", form]), [State::Good, State::Warning]);
        }
    }
}

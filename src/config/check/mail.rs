//! `[mail]`.

use super::{choice, milter, network::network};
use crate::config::{
    checked::{Mail, Unsaid},
    problem::Problems,
    raw::RawMail,
    value::At,
};

/// The word that keeps us from asking Postfix.
const OFF: &str = "off";

/// Checks the section; what is left out keeps its default.
pub(super) fn check(raw: Option<RawMail>, problems: &mut Problems<'_>) -> Mail {
    let mut mail = Mail::default();
    let Some(raw) = raw else { return mail };
    mail.headers = milter::headers(&raw, problems);
    if let Some(local) = raw.local_domains {
        mail.unsaid.local_domains = false;
        mail.local_domains = domains(local.value, "mail.local_domains", problems);
    }
    if let Some(nets) = raw.mynetworks {
        mail.unsaid.mynetworks = false;
        mail.mynetworks = nets
            .value
            .into_iter()
            .filter_map(|net| network(&net, "mail.mynetworks", problems))
            .collect();
    }
    if let Some(services) = raw.submission_services {
        mail.submission_services = services.value.into_iter().map(|name| name.value).collect();
    }
    if let Some(instances) = raw.instances {
        mail.instances = instances.value.into_iter().map(|name| name.value).collect();
    }
    let words = [("auto", true), (OFF, false)];
    if choice(raw.postconf.as_ref(), "mail.postconf", &words, problems) == Some(false) {
        mail.unsaid = Unsaid::NOTHING;
    }
    mail
}

/// The key that forbids it does not.
pub(super) fn may_ask_postfix(raw: &RawMail) -> bool {
    raw.postconf.as_ref().is_none_or(|word| word.value != OFF)
}

/// Reads domain names, in lower case.
pub(super) fn domains(raw: Vec<At<String>>, key: &str, problems: &mut Problems<'_>) -> Vec<String> {
    raw.into_iter().filter_map(|domain| self::domain(&domain, key, problems)).collect()
}

fn domain(raw: &At<String>, key: &str, problems: &mut Problems<'_>) -> Option<String> {
    let name = &raw.value;
    let shaped = !name.is_empty()
        && !name.starts_with('.')
        && !name.contains(|c: char| c == '@' || c == '*' || c.is_whitespace() || c.is_control());
    if !shaped {
        let problem = problems.error(&raw.span, key, format!("{name:?} is not a domain"));
        if let Some((_, domain)) = name.rsplit_once('@') {
            problem.did_you_mean(Some(domain));
        }
        return None;
    }
    Some(name.to_lowercase())
}

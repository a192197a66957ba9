//! `Authentication-Results` (RFC 8601): what a server found out about who sent a mail.

/// Results looked at of one header.
const RESULTS: usize = 32;

/// What one server found out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Authentication {
    /// The server's name for itself, in lower case.
    pub server: String,
    /// Domains that DKIM, SPF or DMARC showed to be behind the mail, in lower case.
    pub passed: Vec<String>,
}

/// Reads the value of a header; none when it names no server.
pub(super) fn read(value: &str) -> Option<Authentication> {
    let plain = plain(value);
    let mut parts = plain.split(';');
    // A version may follow the name (RFC 8601 §2.2).
    let server = parts.next()?.split_whitespace().next()?.to_ascii_lowercase();
    let passed = parts.take(RESULTS).filter_map(passed).flatten().collect();
    Some(Authentication { server, passed })
}

/// The domains of a result that is a pass: `dkim=pass header.d=good.test`.
fn passed(result: &str) -> Option<Vec<String>> {
    let mut words = result.split_whitespace();
    let (method, outcome) = words.next()?.split_once('=')?;
    if !outcome.eq_ignore_ascii_case("pass") {
        return None;
    }
    let names: &[&str] = match method.to_ascii_lowercase().as_str() {
        "dkim" => &["header.d", "header.i"],
        "spf" => &["smtp.mailfrom", "smtp.helo"],
        "dmarc" => &["header.from"],
        _ => return None,
    };
    let properties = words.filter_map(|word| word.split_once('='));
    let of_name = properties.filter(|(name, _)| names.iter().any(|n| n.eq_ignore_ascii_case(name)));
    Some(of_name.filter_map(|(_, value)| domain(value)).collect())
}

/// What stands behind the `@`, or all of it.
fn domain(value: &str) -> Option<String> {
    let domain = value.rsplit('@').next().unwrap_or(value).trim_end_matches('.');
    (!domain.is_empty()).then(|| domain.to_ascii_lowercase())
}

/// Without comments; what is quoted stays, but for what would look like structure.
fn plain(value: &str) -> String {
    let (mut out, mut depth, mut is_quoted) = (String::new(), 0_u32, false);
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' if is_quoted || depth > 0 => drop(chars.next()),
            '"' if depth == 0 => is_quoted = !is_quoted,
            _ if is_quoted => {
                out.push(if matches!(c, ';' | '=') || c.is_whitespace() { '_' } else { c });
            }
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ if depth == 0 => out.push(c),
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(value: &str) -> (String, Vec<String>) {
        read(value).map(|found| (found.server, found.passed)).unwrap_or_default()
    }

    #[test]
    fn passes_are_read_with_their_domains() {
        let value = "MX.Sender.test 1; dkim=pass (2048-bit key) header.d=good.test \
            header.i=@mail.good.test header.b=abc; spf=pass smtp.mailfrom=bounce@Good.test; \
            dmarc=fail header.from=other.test; dkim=fail header.d=evil.test";
        let domains = ["good.test", "mail.good.test", "good.test"].map(str::to_owned).to_vec();
        assert_eq!(passes(value), ("mx.sender.test".to_owned(), domains));
        assert_eq!(passes("mx.test; none"), ("mx.test".to_owned(), vec![]));
        assert_eq!(read(" ; dkim=pass header.d=good.test"), None);
    }

    #[test]
    fn what_a_stranger_put_into_comments_and_quotes_is_no_result() {
        for value in [
            "mx.test; dkim=fail (; dkim=pass header.d=evil.test)",
            "mx.test; dkim=fail reason=\"; dkim=pass header.d=evil.test\"",
            "mx.test; dkim=fail reason=\"a\\\"; dkim=pass header.d=evil.test\"",
            "mx.test; spf=none smtp.mailfrom=\"x dkim=pass header.d=evil.test\"",
        ] {
            assert_eq!(passes(value).1, Vec::<String>::new(), "{value}");
        }
    }
}

//! The answer of `postconf(1)`: lines to values, values to items, items to networks and domains.

use std::net::IpAddr;

use ipnet::IpNet;

/// The value of a parameter in an answer of lines `name = value`.
pub(super) fn value<'a>(answer: &'a str, parameter: &str) -> Option<&'a str> {
    answer.lines().find_map(|line| {
        let (name, value) = line.split_once('=')?;
        (name.trim_end() == parameter).then(|| value.trim())
    })
}

/// The items of a list, separated by commas and white space; what is in braces stays together
/// (Postfix `src/util/mystrtok.c`, `mystrtokq()` with `CHARS_COMMA_SP` and `CHARS_BRACE`).
pub(super) fn items(list: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_usize;
    let is_separator = move |c: char| {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && (c == ',' || c.is_ascii_whitespace())
    };
    list.split(is_separator).filter(|item| !item.is_empty())
}

/// A network as `mynetworks` has it: `192.0.2.0/24`, `192.0.2.1`, `[2001:db8::]/32`, `[::1]`.
pub(super) fn network(item: &str) -> Option<IpNet> {
    let bare: String = item.chars().filter(|c| !matches!(c, '[' | ']')).collect();
    let network =
        bare.parse::<IpNet>().or_else(|_| bare.parse::<IpAddr>().map(IpNet::from)).ok()?;
    Some(network.trunc())
}

/// A domain in lower case. A table (`hash:…`), a file (`/…`), an exclusion (`!…`), a pattern
/// (`.example.com`) and a name that was not expanded (`$…`) are none.
pub(super) fn domain(item: &str) -> Option<String> {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    let plain = !item.starts_with('.') && item.chars().all(is_plain);
    plain.then(|| item.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_by_its_whole_name() {
        let answer = "mynetworks_style = host\nmynetworks = 10.0.0.0/8\nempty =\nodd = a = b\n";
        assert_eq!(value(answer, "mynetworks"), Some("10.0.0.0/8"));
        assert_eq!(value(answer, "empty"), Some(""));
        assert_eq!(value(answer, "odd"), Some("a = b"));
        assert_eq!(value(answer, "host"), None);
    }

    #[test]
    fn items_are_separated_by_commas_and_spaces_outside_of_braces() {
        let list = "a, b\tc,,inline:{ {x = y}, z=1 } } d";
        let found: Vec<_> = items(list).collect();
        assert_eq!(found, ["a", "b", "c", "inline:{ {x = y}, z=1 }", "}", "d"]);
        assert_eq!(items("{ never closed, x").count(), 1);
    }

    #[test]
    fn a_network_has_many_forms() {
        for (item, network) in [
            ("127.0.0.0/8", "127.0.0.0/8"),
            ("192.0.2.1", "192.0.2.1/32"),
            ("[::1]/128", "::1/128"),
            ("[2001:db8::1]", "2001:db8::1/128"),
            ("2001:db8::/32", "2001:db8::/32"),
        ] {
            assert_eq!(super::network(item).map(|net| net.to_string()).as_deref(), Some(network));
        }
        for item in ["!192.0.2.1", "/etc/nets", "hash:/x", "host.test", "1.2.3", "10.0.0.0/33"] {
            assert_eq!(super::network(item), None, "{item}");
        }
    }

    #[test]
    fn a_domain_is_plain() {
        assert_eq!(domain("Mx.B\u{fc}ro.TEST").as_deref(), Some("mx.b\u{fc}ro.test"));
        for item in [".a.test", "!a.test", "/etc/domains", "hash:/x", "$mydomain", "*", "a@b", "}"]
        {
            assert_eq!(domain(item), None, "{item}");
        }
    }
}

//! `kind = "milter"` of `[[source]]`, and the headers of `[mail]`.

use super::*;

const LOG: &str = "[[source]]\ninclude = [\"/\"]\n";

/// A configuration with a milter of these lines; the first one is line 5.
fn with(lines: &str) -> String {
    format!("{LOG}[[source]]\nkind = \"milter\"\n{lines}\n{}", good_webhook())
}

fn milter(lines: &str) -> (String, MilterSource) {
    let source = good(&with(lines)).config.sources.remove(1);
    let SourceKind::Milter(milter) = source.kind else { panic!("{source:?}") };
    (source.name, milter)
}

#[test]
fn a_milter_listens_at_a_path_or_an_address() {
    let (name, socket) = milter("listen = \"unix:/var/spool/postfix/mailherald/milter.sock\"");
    assert_eq!(name, "unix:/var/spool/postfix/mailherald/milter.sock");
    assert_eq!((socket.mode, socket.group), (0o660, None));
    let (name, socket) = milter(
        "listen = \"unix:/a\"\nsocket_mode = \"0600\"\nsocket_group = \"postfix\"\nname = \"m\"",
    );
    assert_eq!(
        (name.as_str(), socket.mode, socket.group.as_deref()),
        ("m", 0o600, Some("postfix"))
    );
    for (place, expected) in [
        ("inet:127.0.0.1:8895", "inet:127.0.0.1:8895"),
        ("inet:localhost:8895", "inet:127.0.0.1:8895"),
        ("inet:[::1]:8895", "inet:[::1]:8895"),
    ] {
        assert_eq!(milter(&format!("listen = \"{place}\"")).0, expected);
    }
}

#[test]
fn what_is_no_place_or_no_mode_is_said() {
    let hint = "hint: unix: and an absolute path, or inet:127.0.0.1:8895";
    for place in ["milter.sock", "unix:milter.sock", "inet:mail.test:25", "inet:8895", "tcp:1"] {
        let expected =
            format!("5:10: error: source.listen: \"{place}\" is no place to listen at\n    {hint}");
        assert_problems(&with(&format!("listen = \"{place}\"")), &[&expected]);
    }
    assert_problems(
        &with("listen = \"unix:/a\"\nsocket_mode = \"rw\""),
        &[
            "6:15: error: source.socket_mode: \"rw\" is not a mode\n    hint: three octal digits, as \"0660\"",
        ],
    );
    assert_problems(
        &with(""),
        &[
            "3:1: error: source.listen: is missing\n    hint: listen = \"unix:/var/spool/postfix/mailherald/milter.sock\"",
        ],
    );
}

#[test]
fn what_a_log_has_a_milter_has_not_and_the_other_way_round() {
    assert_problems(
        &with("listen = \"unix:/a\"\ninclude = [\"/\"]\nstart = \"end\"\nmta = \"postfix\""),
        &[
            "6:11: error: source.include: a milter has no log",
            "7:9: error: source.start: a milter has no log",
            "8:7: error: source.mta: a milter has no log",
        ],
    );
    assert_source(
        "include = [\"/\"]\nlisten = \"unix:/a\"",
        &["3:10: error: source.listen: is for kind = \"milter\" only"],
    );
}

#[test]
fn a_milter_alone_is_nothing_to_read() {
    let text = format!("[[source]]\nkind = \"milter\"\nlisten = \"unix:/a\"\n{}", good_webhook());
    let problems = all(&text);
    assert!(shown(&problems).contains("source: there is nothing to read"), "{}", shown(&problems));
}

#[test]
fn headers_are_named_once_and_as_headers_are() {
    let mail = |lines: &str| format!("[mail]\n{lines}\n{SOURCE}{}", good_webhook());
    let headers =
        good(&mail("metadata_headers = [\"X-Order\", \"X-Shop\"]\ntag_header = \"X-Tag\""));
    let headers = headers.config.mail.headers;
    assert_eq!(
        (headers.metadata, headers.tag.as_str()),
        (vec!["X-Order".into(), "X-Shop".into()], "X-Tag")
    );
    assert_problems(
        &mail("metadata_headers = [\"X-Order\", \"x-order\", \"X Y\", \"1\"]\ntag_header = \"\""),
        &[
            "2:32: error: mail.metadata_headers: \"x-order\" is there twice",
            "2:43: error: mail.metadata_headers: \"X Y\" is not the name of a header",
            "2:50: error: mail.metadata_headers: \"1\" is not the name of a header",
            "3:14: error: mail.tag_header: \"\" is not the name of a header",
        ],
    );
}

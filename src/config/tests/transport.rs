//! Where and how requests travel: `[egress]`, and the keys of a `[[webhook]]` about it.

use super::*;

#[test]
fn an_address_that_can_never_be_allowed_is_a_config_error_that_says_what_to_change() {
    let secret = format!("secret = \"{SECRET}\"\nprofile = \"generic\"");
    for (url, why) in [
        (
            "http://10.0.0.1/",
            "10.0.0.1 is in a private network; to allow it, add its network to \
             `egress.allow_cidrs`",
        ),
        (
            "http://169.254.169.254/",
            "169.254.169.254 is link-local, where no webhook may be sent; use another address",
        ),
        (
            "http://[::ffff:10.0.0.1]/",
            "::ffff:10.0.0.1 is an IPv4 address in IPv6 form; to allow it, add its \
             network to `egress.allow_cidrs`, and the one of the IPv4 address in it",
        ),
        ("http://0/", "0.0.0.0 is unspecified, where no webhook may be sent; use another address"),
        ("https://example.com:25/", "port 25 belongs to another protocol; use another one"),
    ] {
        let expected = format!("5:7: error: webhook.url: is refused: {why}");
        assert_webhook(&format!("url = \"{url}\"\n{secret}"), &[&expected]);
    }
}

#[test]
fn networks_are_opened_and_https_required_by_the_egress_section() {
    let webhook = |url: &str| {
        format!(
            "[[webhook]]\nname = \"w\"\nurl = \"{url}\"\nprofile = \"generic\"\nsecret = \"{SECRET}\"\n"
        )
    };
    let open = "[egress]\nallow_cidrs = [\"10.0.0.0/8\", \"fd00::1\"]\n";
    let config = good(&format!("{SOURCE}{}{open}", webhook("http://10.1.2.3/"))).config;
    assert_eq!(config.egress.allow.len(), 2);
    assert_problems(
        &format!(
            "[egress]\nallow_cidrs = [\"10.0.0.1/8\", \"x\"]\nrequire_https = true\n{SOURCE}{}",
            webhook("http://example.com/")
        ),
        &[
            "2:16: warning: egress.allow_cidrs: 10.0.0.1/8 has bits behind its prefix; 10.0.0.0/8 is used",
            "2:30: error: egress.allow_cidrs: \"x\" is not a network\n    hint: write it like \"192.0.2.0/24\" or \"2001:db8::/32\"",
            "8:7: error: webhook.url: is refused: `egress.require_https` requires https, except to loopback",
        ],
    );
}

#[test]
fn headers_are_read_and_those_that_frame_or_sign_are_refused() {
    let headers = "headers = { Authorization = \"Bearer abcdef\", X-Site = \"mx 1\" }";
    let webhook = webhook_with(headers);
    let shown = format!("{webhook:?}");
    assert!(shown.contains("authorization") && !shown.contains("abcdef"), "{shown}");
    let headers = &webhook.transport.headers;
    assert_eq!(headers[0].value.reveal(), b"Bearer abcdef");
    assert_eq!((headers[1].name.as_str(), headers[1].value.reveal()), ("x-site", &b"mx 1"[..]));

    for name in [
        "Host",
        "content-type",
        "Content-Length",
        "Connection",
        "Transfer-Encoding",
        "User-Agent",
        "webhook-id",
        "Webhook-Signature",
        "X-Webhook-Signature",
        "X-Lettermint-Delivery",
        "Idempotency-Key",
    ] {
        let (problems, lower) =
            (all_of_webhook(&format!("\"{name}\" = \"x\"")), name.to_lowercase());
        assert_eq!(problems, [format!("webhook.headers: \"{lower}\" cannot be set")]);
    }
    assert_eq!(
        all_of_webhook("\"a b\" = \"x\""),
        ["webhook.headers: \"a b\" is not the name of a header"]
    );
    assert_eq!(all_of_webhook("a = \"x\", A = \"y\""), ["webhook.headers: \"a\" is there twice"]);
    // The value is never repeated.
    assert_eq!(
        all_of_webhook("a = \"secret\\r\\nhost: x\""),
        ["webhook.headers: \"a\" must have up to 4096 visible ASCII characters"]
    );
}

#[test]
fn tokens_in_a_file_that_others_can_read_are_worth_a_warning() {
    let lines =
        "headers = { X-Api-Key = \"abcdef\", X-Site = \"mx1\" }\nproxy = \"http://a:b@proxy:3128\"";
    let text = format!("{SOURCE}{}{lines}\n", good_webhook());
    let warnings = check_text(&text, Purpose::Check, true).unwrap().warnings;
    let keys: Vec<_> = warnings.iter().map(|found| found.key.as_str()).collect();
    assert_eq!(keys, ["webhook.secret", "webhook.headers", "webhook.proxy"]);
    assert!(!shown(&warnings).contains("abcdef"));
}

/// What is wrong with these headers of a webhook, without its place.
fn all_of_webhook(headers: &str) -> Vec<String> {
    let text = format!("{SOURCE}{}headers = {{ {headers} }}\n", good_webhook());
    all(&text).iter().map(|found| format!("{}: {}", found.key, found.message)).collect()
}

#[test]
fn what_is_sent_besides_is_chosen_by_name() {
    let transport = webhook_with("extra_headers = [\"X-Webhook-Attempt\", \"idempotency-key\"]\nextra_signatures = [\"standard\"]").transport;
    assert!(transport.attempt_header && transport.idempotency_key);
    assert_eq!(transport.standard_signature, Some(true));
    assert_eq!(webhook_with("extra_signatures = []").transport.standard_signature, Some(false));
    let secret = format!("url = \"https://example.com/\"\nsecret = \"{SECRET}\"");
    assert_webhook(
        &format!("{secret}\nextra_headers = [\"x-webhook-atempt\"]\nextra_signatures = [\"v2\"]"),
        &[
            "7:18: error: webhook.extra_headers: \"x-webhook-atempt\" is none of x-webhook-attempt, idempotency-key\n    hint: did you mean `x-webhook-attempt`?",
            "8:21: error: webhook.extra_signatures: \"v2\" is none of standard",
        ],
    );
}

#[test]
fn certificates_and_keys_are_read_and_a_wrong_file_is_named() {
    let dir = TempDir::new().unwrap();
    let pair = rcgen::generate_simple_self_signed(["a.test".to_owned()]).unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path.display().to_string()
    };
    let cert = file("cert.pem", &pair.cert.pem());
    let key = file("key.pem", &pair.signing_key.serialize_pem());
    let both =
        file("both.pem", &format!("{}{}", pair.cert.pem(), pair.signing_key.serialize_pem()));
    let lines = format!("ca_file = \"{cert}\"\nclient_cert = \"{cert}\"\nclient_key = \"{key}\"");
    let connection = webhook_with(&lines).transport.connection;
    assert!(connection.ca.is_some());
    assert!(connection.identity.unwrap().reveal().ends_with(b"-----END PRIVATE KEY-----\n"));
    assert!(
        webhook_with(&format!("client_cert = \"{both}\"")).transport.connection.identity.is_some()
    );

    let secret = format!("url = \"https://example.com/\"\nsecret = \"{SECRET}\"");
    let empty = file("empty.pem", "hello");
    for (lines, expected) in [
        (format!("ca_file = \"{empty}\""), "7:11: error: webhook.ca_file: holds no certificate"),
        (
            format!("client_cert = \"{cert}\""),
            "7:15: error: webhook.client_cert: holds no private key",
        ),
        (
            format!("client_key = \"{key}\""),
            "7:14: error: webhook.client_key: `client_cert` is missing",
        ),
    ] {
        assert_webhook(&format!("{secret}\n{lines}"), &[expected]);
    }
    fs::set_permissions(&both, fs::Permissions::from_mode(0o644)).unwrap();
    let warned = good(&format!("{SOURCE}{}client_cert = \"{both}\"\n", good_webhook())).warnings;
    assert_eq!(warned[0].message, "can be read by every user of this host");
}

#[test]
fn skipping_verification_warns_and_a_proxy_is_never_shown() {
    let skipping = good(&format!("{SOURCE}{}insecure_skip_verify = true\n", good_webhook()));
    assert_eq!(skipping.warnings[0].key, "webhook.insecure_skip_verify");
    assert!(skipping.config.webhooks[0].transport.connection.skips_verification);
    let webhook = webhook_with("proxy = \"http://user:hunter2@proxy.example.com:3128\"");
    assert!(!format!("{webhook:?}").contains("hunter2"));
    let secret = format!("url = \"https://example.com/\"\nsecret = \"{SECRET}\"");
    assert_webhook(
        &format!("{secret}\nproxy = \"socks5://user:hunter2@proxy:1080\""),
        &[
            "7:9: error: webhook.proxy: is not the URL of an HTTP proxy\n    hint: write it like \"http://proxy.example.com:3128\"",
        ],
    );
}

#[test]
fn the_sealing_key_is_read_from_its_file() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("seal.key");
    fs::write(&path, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let line = format!("seal_key_file = \"{}\"\n", path.display());
    assert!(good(&format!("{line}{SOURCE}{}", good_webhook())).config.sealing.key.is_some());
    let both = format!("{line}former_{line}{SOURCE}{}", good_webhook());
    assert!(good(&both).config.sealing.former.is_some());
    assert_problems(
        &format!("former_{line}{SOURCE}{}", good_webhook()),
        &[
            "1:24: error: former_seal_key_file: `seal_key_file` is missing\n    hint: name the file of the new key there",
        ],
    );
    fs::write(&path, "too short").unwrap();
    assert_problems(
        &format!("{line}{SOURCE}{}", good_webhook()),
        &[
            "1:17: error: seal_key_file: is refused: the key is not 32 bytes in base64\n    hint: make one: head -c 32 /dev/urandom | base64 > FILE",
        ],
    );
}

//! Where the control API listens, and with which certificate.

use jiff::Timestamp;
use rcgen::{CertificateParams, KeyPair, date_time_ymd};

use super::*;

/// A configuration whose `[api]` has these lines; the first one is line 8.
fn api(lines: &str) -> String {
    format!("{SOURCE}{}[api]\n{lines}\n", good_webhook())
}

/// A directory with a certificate that is valid in 2030, its key, another key, and what is neither.
fn pem_files() -> TempDir {
    let dir = TempDir::new().unwrap();
    let mut params = CertificateParams::new(["mx.test".to_owned()]).unwrap();
    params.not_before = date_time_ymd(2030, 1, 1);
    params.not_after = date_time_ymd(2031, 1, 1);
    let [key, other] = [(); 2].map(|()| KeyPair::generate().unwrap());
    let cert = params.self_signed(&key).unwrap().pem();
    for (name, text) in [
        ("cert.pem", cert.clone()),
        ("key.pem", key.serialize_pem()),
        ("other.pem", other.serialize_pem()),
        ("both.pem", format!("{cert}{}", key.serialize_pem())),
        ("text", "no certificate".to_owned()),
    ] {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    dir
}

#[test]
fn it_listens_beyond_this_machine_with_tls_or_if_that_is_said_to_be_insecure() {
    for (lines, address) in [
        ("listen = \"none\"", None),
        ("listen = \"[::1]:80\"", Some("[::1]:80")),
        ("listen = \"0.0.0.0:80\"\ninsecure_bind = true", Some("0.0.0.0:80")),
    ] {
        let found = good(&api(lines)).config.api;
        assert_eq!(found.as_ref().map(|api| api.address.to_string()).as_deref(), address);
        assert!(found.is_none_or(|api| api.tls.is_none()), "{lines}");
    }
    assert_problems(
        &api("listen = \"localhost\""),
        &["8:10: error: api.listen: \"localhost\" is no address and port\n    hint: as in \
           \"127.0.0.1:8025\" or \"[::1]:8025\"; \"none\" for the unix socket only"],
    );
    for plain in ["", "\ninsecure_bind = false"] {
        assert_problems(
            &api(&format!("listen = \"0.0.0.0:80\"{plain}")),
            &[
                "8:10: error: api.listen: keys and answers would cross the network unencrypted\n    \
               hint: name a certificate and its key in tls_cert and tls_key, listen on loopback \
               behind a proxy that speaks TLS, or set insecure_bind = true",
            ],
        );
    }
}

#[test]
fn a_certificate_and_its_key_may_stand_in_one_file_or_in_two() {
    let dir = pem_files();
    let at = |name: &str| dir.path().join(name).display().to_string();
    let two = format!("tls_cert = \"{}\"\ntls_key = \"{}\"", at("cert.pem"), at("key.pem"));
    let one = format!("tls_cert = \"{}\"", at("both.pem"));
    for files in [&two, &one] {
        for address in ["0.0.0.0:80", "127.0.0.1:80"] {
            let Loaded { config, warnings } =
                good(&api(&format!("listen = \"{address}\"\n{files}")));
            assert!(config.api.unwrap().tls.is_some() && warnings.is_empty(), "{files}");
        }
    }
    // Who only asks the daemon needs no right to read its key.
    let lines = api(&format!("listen = \"0.0.0.0:80\"\n{}", two.replace("key.pem", "gone.pem")));
    let loaded = check_text(&lines, Purpose::DryRun, false).unwrap();
    assert!(loaded.config.api.unwrap().tls.is_none());
    assert_problems(
        &api(&format!("listen = \"none\"\n{one}")),
        &["9:12: warning: api.tls_cert: is not used: nothing listens on the network"],
    );
}

#[test]
fn files_that_are_missing_wrong_or_do_not_belong_together_are_said_to_be() {
    let dir = pem_files();
    let at = |name: &str| dir.path().join(name).display().to_string();
    let cert = format!("tls_cert = \"{}\"", at("cert.pem"));
    let gone = at("gone.pem");
    for (lines, expected) in [
        (
            format!("{cert}\ntls_key = \"{}\"", at("other.pem")),
            format!(
                "9:11: error: api.tls_key: is not the key of the first certificate in {}\n    hint: \
                 our own certificate comes first, then those that lead to an authority",
                at("cert.pem")
            ),
        ),
        (cert, "8:12: error: api.tls_cert: holds no private key".to_owned()),
        (
            format!("tls_key = \"{}\"", at("key.pem")),
            "8:11: error: api.tls_key: `tls_cert` is missing".to_owned(),
        ),
        (
            format!("tls_cert = \"{gone}\""),
            format!(
                "8:12: error: api.tls_cert: cannot be read: {gone}: No such file or directory (os \
                 error 2)"
            ),
        ),
        (
            format!("tls_cert = \"{}\"\ntls_key = \"{}\"", at("text"), at("text")),
            "8:12: error: api.tls_cert: holds no certificate\n9:11: error: api.tls_key: holds no \
             private key"
                .to_owned(),
        ),
        (
            "tls_cert = \"mx.pem\"".to_owned(),
            "8:12: error: api.tls_cert: is the name of a credential, but CREDENTIALS_DIRECTORY is \
             not set"
                .to_owned(),
        ),
    ] {
        assert_problems(&api(&lines), &[&expected]);
    }
}

#[test]
fn a_certificate_out_of_its_time_is_told_from_one_that_soon_is_and_from_a_good_one() {
    let dir = pem_files();
    let lines = format!("tls_cert = \"{}\"", dir.path().join("both.pem").display());
    let identity = good(&api(&lines)).config.api.unwrap().tls.unwrap();
    let end: Timestamp = "2031-01-01T00:00:00Z".parse().unwrap();
    for (now, expected) in [
        ("2029-12-31T00:00:00Z", Some(Validity::From("2030-01-01T00:00:00Z".parse().unwrap()))),
        ("2030-06-01T00:00:00Z", None),
        ("2030-12-24T00:00:00Z", None),
        ("2030-12-26T00:00:00Z", Some(Validity::OnlyUntil(end))),
        ("2031-01-02T00:00:00Z", Some(Validity::Until(end))),
    ] {
        assert_eq!(identity.validity(now.parse().unwrap()), expected, "{now}");
    }
}

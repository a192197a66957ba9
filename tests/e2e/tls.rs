//! The API over TLS, asked by a client that is not ours, and by the command line.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustix::process::Signal;
use serde_json::Value;

use crate::{
    free_address,
    program::{Host, command, output, text},
    receiver::Receiver,
    until,
};

/// Writes the files of a certificate for this machine: `ca`, `cert`, `key`.
fn issue(host: &Host, authority: &str) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, authority);
    let (ca_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let ca = params.self_signed(&ca_key).unwrap().pem();
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let own = CertificateParams::new(names).unwrap();
    let cert = own.signed_by(&key, &Issuer::from_params(&params, &ca_key)).unwrap();
    for (name, pem) in [("ca", &ca), ("cert", &cert.pem()), ("key", &key.serialize_pem())] {
        fs::write(host.path(name), pem).unwrap();
        fs::set_permissions(host.path(name), fs::Permissions::from_mode(0o600)).unwrap();
    }
}

/// What curl gets, or how it fails.
fn curl(args: &[&str]) -> Result<String, i32> {
    let mut curl = Command::new("curl");
    let done = curl.args(["--silent", "--max-time", "30", "--noproxy", "*"]).args(args).output();
    let done = done.unwrap();
    if done.status.success() { Ok(text(&done.stdout)) } else { Err(done.status.code().unwrap()) }
}

/// What curl says of a certificate that it does not trust.
const UNTRUSTED: i32 = 60;

#[test]
fn beyond_loopback_the_api_speaks_tls_and_a_renewed_certificate_is_shown_after_a_reload() {
    if !crate::is_installed("curl") {
        return crate::skip("curl");
    }
    let (host, receiver) = (Host::new(), Receiver::start());
    issue(&host, "first");
    let port = free_address().port();
    let files = format!("tls_cert = \"{}\"\ntls_key = \"{}\"", host.text("cert"), host.text("key"));
    let api = format!("[api]\nlisten = \"0.0.0.0:{port}\"\n{files}");
    let config = host.configure(&host.log_source(), &receiver, &api);
    let program = host.run(&config);
    let (ca, url) = (host.text("ca"), format!("https://localhost:{port}"));
    let health = format!("{url}/healthz");
    until("the API listens", || curl(&["--cacert", &ca, &health]).is_ok());
    assert_eq!(curl(&[&health]), Err(UNTRUSTED));
    for version in ["1.2", "1.3"] {
        let asked = ["--cacert", &ca, "--tls-max", version, &health];
        assert!(curl(&asked).unwrap().contains("\"ok\""), "{version}");
    }
    assert!(curl(&[&health.replace("https", "http")]).is_err(), "nothing in the clear");

    // A connection that begins nothing holds up nobody else.
    let _silent = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    assert!(curl(&["--cacert", &ca, &health]).is_ok());

    // Renewed: the old one is shown until the reload, and then the new one.
    let old_ca = host.text("old");
    fs::rename(&ca, &old_ca).unwrap();
    issue(&host, "second");
    assert!(curl(&["--cacert", &old_ca, &health]).is_ok());
    program.signal(Signal::HUP);
    program.until_it_says("applied=[\"api.tls_cert\"]");
    assert!(curl(&["--cacert", &ca, &health]).is_ok());
    assert_eq!(curl(&["--cacert", &old_ca, &health]), Err(UNTRUSTED));

    // A key that is another's changes nothing.
    fs::write(host.path("key"), KeyPair::generate().unwrap().serialize_pem()).unwrap();
    program.signal(Signal::HUP);
    program.until_it_says("the configuration is wrong: all is as it was");
    assert!(program.said().contains("is not the key of the first certificate"));
    assert!(curl(&["--cacert", &ca, &health]).is_ok());
    let checked = output(&["check", "--config", &config]);
    assert_eq!(checked.status.code(), Some(1));
    assert!(text(&checked.stdout).contains("api.tls_key: is not the key"));
    let examined = output(&["doctor", "--config", &config]);
    assert_eq!(examined.status.code(), Some(78));
    assert!(text(&examined.stderr).contains("api.tls_key: is not the key"));
    program.stop(Signal::TERM);
}

#[test]
fn commands_ask_a_daemon_over_tls_and_say_what_is_missing_when_they_cannot() {
    let (host, receiver) = (Host::new(), Receiver::start());
    issue(&host, "ours");
    let address = free_address();
    let files = format!("tls_cert = \"{}\"\ntls_key = \"{}\"", host.text("cert"), host.text("key"));
    let api = format!("[api]\nlisten = \"{address}\"\n{files}");
    let config = host.configure(&host.log_source(), &receiver, &api);
    let _program = host.run(&config);
    until("the API listens", || std::net::TcpStream::connect(address).is_ok());
    let made = output(&["keys", "create", "Graphs", "--json", "--config", &config]);
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    let ask = |more: &[&str]| {
        let mut command = command(&[&["webhooks", "list"], more].concat());
        command.env("MAILHERALD_API_KEY", made["key"].as_str().unwrap()).output().unwrap()
    };
    let (url, ca) = (format!("https://{address}"), host.text("ca"));
    let listed = ask(&["--api", &url, "--ca-file", &ca]);
    assert!(listed.status.success(), "{}", text(&listed.stderr));
    assert!(text(&listed.stdout).contains("Shop"));
    let plain = url.replace("https", "http");
    let gone = host.text("gone");
    for (args, code, words) in [
        (&["--api", &url][..], 69, "--ca-file FILE"),
        (&["--api", &plain], 69, "https://"),
        (&["--api", &url, "--ca-file", &gone], 66, "read the certificates in"),
        (&["--api", &url, "--ca-file", &config], 65, "there is no certificate in"),
        (&["--ca-file", &ca], 64, "--api <URL>"),
    ] {
        let refused = ask(args);
        let said = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(code), "{args:?}: {said}");
        assert!(said.contains(words), "{args:?}: {said}");
    }
}

#[test]
fn a_daemon_without_tls_that_is_asked_for_it_is_told_from_one_that_is_silent() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let address = free_address();
    let config =
        host.configure(&host.log_source(), &receiver, &format!("[api]\nlisten = \"{address}\""));
    let _program = host.run(&config);
    until("the API listens", || std::net::TcpStream::connect(address).is_ok());
    let silent = free_address();
    for (url, words) in [
        (format!("https://{address}"), "with http://"),
        (format!("https://{silent}"), "`listen` in its [api]"),
        (format!("http://{silent}"), "`listen` in its [api]"),
    ] {
        let refused = output(&["webhooks", "list", "--api", &url]);
        let said = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(69), "{said}");
        assert!(said.contains(words), "{said}");
    }
}

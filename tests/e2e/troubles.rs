//! What people are told to look for when a webhook does not arrive (webhooks.md D16), and tests that
//! count for nothing (C24).

use std::{io::Write, net::TcpListener, time::Duration};

use serde_json::Value;

use crate::{
    free_address, lines,
    program::{Host, SECRET, output, text},
    receiver::Receiver,
    until,
};

fn objects(args: &[&str]) -> Vec<Value> {
    let printed = output(args);
    assert!(printed.status.success(), "{}", text(&printed.stderr));
    text(&printed.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Nobody listens there.
fn nobody() -> String {
    format!("http://{}/", free_address())
}

/// Speaks no TLS.
fn without_tls() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").ok();
        }
    });
    url
}

#[test]
fn d16_what_is_wrong_with_a_receiver_is_in_the_list_of_its_deliveries() {
    let (host, broken, slow) = (Host::new(), Receiver::start(), Receiver::start());
    broken.refuse();
    slow.answer_after(Duration::from_secs(30));
    let others = [("nobody", nobody()), ("no TLS", without_tls()), ("slow", slow.url())]
        .map(|(name, url)| {
            format!(
                "[[webhook]]\nname = {name:?}\nurl = {url:?}\nsecret = {SECRET:?}\ntimeout = \"1s\"\n"
            )
        })
        .concat();
    let config = host.configure(&host.log_source(), &broken, &others);
    let _program = host.run(&config);
    host.append("mail.log", &lines(0..1));
    for (name, class, words) in [
        ("Shop", "status", "HTTP 500"),
        ("nobody", "connect", "refused"),
        ("no TLS", "tls", "tls:"),
        ("slow", "timeout", "timeout:"),
    ] {
        let logs = || objects(&["webhooks", "logs", name, "--json", "--config", &config]);
        until("an attempt on record", || !logs().is_empty());
        let answer = &logs()[0]["answer"];
        assert_eq!(answer["class"], class, "{name}: {answer}");
        assert!(answer["words"].as_str().unwrap().contains(words), "{name}: {answer}");
        let shown = text(&output(&["webhooks", "logs", name, "--config", &config]).stdout);
        assert!(shown.contains(words), "{name}: {shown}");
    }
}

/// Neither the record of the webhook nor its health knows of a test.
#[test]
fn c24_a_test_that_fails_counts_for_nothing() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let config = host.configure(&host.log_source(), &receiver, "");
    receiver.refuse();
    let _program = host.run(&config);
    for _ in 0..5 {
        let tested = output(&["webhooks", "test", "Shop", "--config", &config]);
        assert_eq!(tested.status.code(), Some(1));
    }
    assert_eq!(receiver.count(), 5);
    let shown = &objects(&["webhooks", "show", "Shop", "--json", "--config", &config])[0];
    assert_eq!((&shown["state"], &shown["failures"]), (&"ok".into(), &0.into()));
    let ask = |what: &[&str]| objects(&[what, &["--json", "--config", &config]].concat());
    assert_eq!(ask(&["webhooks", "logs", "Shop"]), [] as [Value; 0]);
    assert_eq!(ask(&["dead", "list"]), [] as [Value; 0]);
}

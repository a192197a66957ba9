//! Lines per second over recorded logs: text in both stamp formats, and JSON.

use divan::{Bencher, black_box, counter::ItemsCount};
use mailherald_parsers::Parser;

fn main() {
    divan::main();
}

const TRADITIONAL: &[u8] = include_bytes!(
    "../../fixtures/postfix/3.7.11/syslog/12_transports_local_virtual_pipe_lmtp_discard_error.traditional.log"
);
const INTERNET: &[u8] = include_bytes!(
    "../../fixtures/postfix/3.7.11/syslog/12_transports_local_virtual_pipe_lmtp_discard_error.rfc3339.log"
);
const RSYSLOG: &[u8] =
    include_bytes!("../../fixtures/postfix/3.7.11/syslog/02_delivered_multi.json.log");
const JOURNALD: &[u8] =
    include_bytes!("../../fixtures/postfix/3.7.11/journald/05_hard_bounce_dsn.json.log");

const HARAKA: &[u8] = include_bytes!("../../fixtures/haraka/3.3.4/default/02-delivered-multi.log");
const HARAKA_JSON: &[u8] =
    include_bytes!("../../fixtures/haraka/3.3.4/json/02-delivered-multi.log");

#[divan::bench(args = [
    "traditional", "internet", "rsyslog json", "journald json", "haraka", "haraka json",
])]
fn mixed_lines(bencher: Bencher<'_, '_>, layout: &str) {
    let log = match layout {
        "internet" => INTERNET,
        "rsyslog json" => RSYSLOG,
        "journald json" => JOURNALD,
        "haraka" => HARAKA,
        "haraka json" => HARAKA_JSON,
        _ => TRADITIONAL,
    };
    let lines: Vec<&[u8]> = log.split(|byte| *byte == b'\n').collect();
    let mut parser = Parser::new();
    bencher.counter(ItemsCount::new(lines.len())).bench_local(|| {
        for line in &lines {
            black_box(parser.parse(black_box(line)));
        }
    });
}

#[divan::bench(args = ["connect", "client", "message-id", "queue active", "delivery", "removed", "reject"])]
fn one_line(bencher: Bencher<'_, '_>, kind: &str) {
    let text = match kind {
        "client" => {
            "4jWZ7v40tkzmwDG: client=mail7.client.test[127.0.2.7], sasl_method=PLAIN, \
            sasl_username=ivy"
        }
        "queue active" => "4jWZ7v40tkzmwDG: from=<a@sender.test>, size=369, nrcpt=1 (queue active)",
        "removed" => "4jWZ7v40tkzmwDG: removed",
        "message-id" => "97C0A53F4D6: message-id=<1@gen.lab.test>",
        "delivery" => {
            "97C0A53F4D6: to=<two@good.test>, relay=mx1.good.test[127.0.1.1]:25, delay=0.03, \
            delays=0.01/0/0.01/0.01, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as FH3JZ)"
        }
        "reject" => {
            "NOQUEUE: reject: RCPT from out5.client.test[127.0.2.5]: 554 5.7.1 <relay@good.test>: \
            Relay access denied; from=<x@sender.test> to=<relay@good.test> proto=ESMTP \
            helo=<gen.client.test>"
        }
        _ => "connect from localhost[127.0.0.1]",
    };
    let line = format!("2026-11-21T01:28:22.522880+00:00 vm postfix/smtp[337]: {text}");
    let mut parser = Parser::new();
    bencher.bench_local(|| {
        black_box(parser.parse(black_box(line.as_bytes())));
    });
}

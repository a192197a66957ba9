//! What the daemon says about itself: metrics, health, and who changed what.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use rustix::process::Signal;

use crate::{
    http::{Api, request},
    lines,
    program::{Host, text},
    receiver::Receiver,
    until,
};

/// The value of the series that begins so; None when there is none.
fn value(page: &str, series: &str) -> Option<u64> {
    let line = page.lines().find(|line| line.starts_with(series))?;
    Some(line.rsplit_once(' ').unwrap().1.parse().unwrap())
}

#[test]
fn metrics_tell_what_was_read_made_and_sent() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let api = Api::start(&host, &receiver, "schedule = [\"1s\"]");
    receiver.refuse();
    host.append("mail.log", &lines(0..3));
    host.append("mail.log", "no line of a mail log\n");
    until("three attempts fail", || receiver.count() == 3);
    let page = || api.get("/metrics").body;
    let of = |series: &str| value(&page(), series).unwrap_or(u64::MAX);
    until("retries wait", || of("mailherald_retries_waiting{webhook=\"Shop\"}") == 3);
    assert_eq!(of("mailherald_attempts_total{webhook=\"Shop\",class=\"5xx\"}"), 3);
    assert_eq!(of("mailherald_webhook_failures{webhook=\"Shop\"}"), 3);
    receiver.accept();
    until("all are delivered", || {
        of("mailherald_deliveries_total{webhook=\"Shop\",state=\"delivered\"}") == 3
    });
    let page = page();
    let log = host.text("mail.log");
    for (series, expected) in [
        (format!("mailherald_events_total{{type=\"outbound.delivered\",source=\"{log}\"}}"), 3),
        (format!("mailherald_lines_total{{source=\"{log}\",outcome=\"recognised\"}}"), 3),
        (format!("mailherald_lines_total{{source=\"{log}\",outcome=\"unrecognised\"}}"), 1),
        (format!("mailherald_source_lag_bytes{{source=\"{log}\"}}"), 0),
        (format!("mailherald_source_state{{source=\"{log}\",state=\"current\"}}"), 1),
        (format!("mailherald_source_state{{source=\"{log}\",state=\"refused\"}}"), 0),
        ("mailherald_attempts_total{webhook=\"Shop\",class=\"2xx\"}".into(), 3),
        ("mailherald_attempt_seconds_count{webhook=\"Shop\"}".into(), 6),
        ("mailherald_backlog{webhook=\"Shop\"}".into(), 0),
        ("mailherald_oldest_pending_seconds{webhook=\"Shop\"}".into(), 0),
        ("mailherald_dead{webhook=\"Shop\"}".into(), 0),
        ("mailherald_circuit_state{webhook=\"Shop\"}".into(), 0),
        ("mailherald_webhook_enabled{webhook=\"Shop\"}".into(), 1),
        ("mailherald_reading_paused".into(), 0),
        ("mailherald_ready".into(), 1),
    ] {
        assert_eq!(value(&page, &series), Some(expected), "{series} in\n{page}");
    }
    for positive in [
        "mailherald_store_bytes",
        "mailherald_commit_seconds_count",
        "mailherald_disk_free_bytes",
        "mailherald_disk_min_free_bytes",
        "mailherald_build_info{version=",
        "process_start_time_seconds",
        "process_resident_memory_bytes",
        "process_open_fds",
    ] {
        assert!(value(&page, positive).unwrap() > 0, "{positive} in\n{page}");
    }
    assert!(!page.contains("user0@good.test") && !page.contains("whsec_"), "{page}");
    prometheus_finds_nothing_wrong_with(&page);
    api.program.stop(Signal::TERM);
}

/// Its own tool reads the page, and has no remark about names, types and help.
fn prometheus_finds_nothing_wrong_with(page: &str) {
    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let Ok(mut child) = command.stderr(Stdio::piped()).spawn() else {
        return crate::skip("promtool");
    };
    child.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [&output.stdout[..], &output.stderr].concat();
    let said = text(&said);
    assert!(output.status.success() && said.is_empty(), "{said}");
}

#[test]
fn dead_letters_and_the_oldest_that_waits_are_in_the_metrics() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let api = Api::start(&host, &receiver, "schedule = []");
    receiver.refuse();
    host.append("mail.log", &lines(0..2));
    let of = |series: &str| value(&api.get("/metrics").body, series).unwrap();
    until("dead letters", || of("mailherald_dead{webhook=\"Shop\"}") == 2);
    assert_eq!(of("mailherald_deliveries_total{webhook=\"Shop\",state=\"dead\"}"), 2);
    assert_eq!(api.post("/v1/webhooks/Shop/disable", "").status, 200);
    assert_eq!(of("mailherald_webhook_enabled{webhook=\"Shop\"}"), 0);
    host.append("mail.log", &lines(2..3));
    until("a backlog", || of("mailherald_backlog{webhook=\"Shop\"}") == 1);
    until("it waits", || of("mailherald_oldest_pending_seconds{webhook=\"Shop\"}") >= 1);
    assert!(of("mailherald_oldest_pending_seconds{webhook=\"Shop\"}") < 120, "not since 2026-03");
    api.program.stop(Signal::TERM);
}

#[test]
fn metrics_need_a_key_and_health_does_not() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let api = Api::start(&host, &receiver, "");
    let ask = |path: &str| request(api.address, "GET", path, None, "");
    assert_eq!(ask("/metrics").status, 401);
    assert_eq!(ask("/v1/stream").status, 401);
    assert!(api.get("/metrics").head.contains("content-type: text/plain; version=0.0.4"));
    let health = ask("/healthz");
    assert_eq!((health.status, &health.json()["status"]), (200, &"ok".into()));
    let ready = ask("/readyz");
    assert_eq!((ready.status, &ready.json()["status"]), (200, &"ready".into()), "{ready:?}");
    assert_eq!(request(api.address, "POST", "/healthz", None, "").status, 405);
}

#[test]
fn who_changed_what_is_kept_over_a_restart_and_shown_to_those_who_may_see() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let api = Api::start(&host, &receiver, "");
    assert_eq!(api.post("/v1/webhooks/Shop/disable", "").status, 200);
    assert_eq!(api.post("/v1/webhooks/Nobody/disable", "").status, 404);
    // Who may only see changes nothing, and what changes nothing leaves no row.
    let refused = request(api.address, "POST", "/v1/dead/retry", Some(&api.reader), "{}");
    assert_eq!(refused.status, 403);
    let Api { address, config, program, reader, .. } = api;
    program.stop(Signal::TERM);
    let _program = host.run(&config);
    until("the API listens", || std::net::TcpStream::connect(address).is_ok());
    let page = |query: &str| {
        request(address, "GET", &format!("/v1/audit{query}"), Some(&reader), "").json()
    };
    let all = page("");
    let rows: Vec<_> = all["data"].as_array().unwrap().iter().collect();
    let row = |row: &serde_json::Value| {
        let text = |key: &str| row[key].as_str().unwrap_or("-").to_owned();
        format!("{} {} {} {}", text("who"), text("action"), text("target"), row["status"])
    };
    let uid = rustix::process::geteuid().as_raw();
    assert_eq!(
        rows.iter().map(|it| row(it)).collect::<Vec<_>>(),
        [
            "Admin POST /v1/webhooks/{id}/disable Nobody 404".to_owned(),
            "Admin POST /v1/webhooks/{id}/disable Shop 200".to_owned(),
            format!("user {uid} POST /v1/keys Admin 201"),
            format!("user {uid} POST /v1/keys Reader 201"),
        ]
    );
    assert!(rows[0]["key_id"].as_str().unwrap().starts_with("key_"));
    assert_eq!(
        (&rows[2]["key_id"], &rows[2]["from"]),
        (&serde_json::Value::Null, &"unix socket".into())
    );
    let first = page("?limit=3");
    let next = first["next_cursor"].as_str().unwrap();
    let last = page(&format!("?limit=3&cursor={next}"));
    assert_eq!(
        (last["data"].as_array().unwrap().len(), &last["next_cursor"]),
        (1, &serde_json::Value::Null)
    );
    assert_eq!(row(&last["data"][0]), row(rows[3]));
}

#[test]
fn whoever_asks_too_often_is_told_when_to_ask_again_and_holds_up_nobody_else() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let api = Api::start(&host, &receiver, "");
    let guess = || request(api.address, "GET", "/v1/webhooks", Some("api_guess"), "");
    let mut refused = None;
    until("it is too often", || {
        let answer = guess();
        assert!(matches!(answer.status, 401 | 429), "{answer:?}");
        refused = (answer.status == 429).then_some(answer);
        refused.is_some()
    });
    let refused = refused.unwrap();
    assert_eq!(refused.json()["code"], "too_many_requests");
    assert!(refused.head.contains("retry-after: 1"), "{}", refused.head);
    // A key that is known is counted by itself.
    assert_eq!(api.get("/v1/webhooks").status, 200);
}

#[test]
fn event_types_are_told_with_names_schema_and_sample() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let api = Api::start(&host, &receiver, "");
    let told = api.get("/v1/event-types").json();
    let bounced =
        told["data"].as_array().unwrap().iter().find(|it| it["type"] == "outbound.bounced");
    let bounced = bounced.unwrap();
    assert_eq!(bounced["description"], "Failed for good.");
    assert_eq!(bounced["made_by"][0], "log");
    assert_eq!(bounced["sample"]["data"]["bounce_type"], "hard");
    assert_eq!(bounced["schema"]["properties"]["type"]["const"], "outbound.bounced");
    let mut profiles = bounced["profiles"].as_array().unwrap().iter();
    let lettermint = profiles.find(|it| it["profile"] == "lettermint").unwrap();
    assert_eq!(lettermint["sample"]["event"], "message.hard_bounced");
}

#[test]
fn a_line_is_tried_by_who_may_only_see() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let api = Api::start(&host, &receiver, "");
    let asked = serde_json::json!({"lines": [crate::line(7), "who knows"]}).to_string();
    let told = request(api.address, "POST", "/v1/parse", Some(&api.reader), &asked);
    assert_eq!(told.status, 200, "{told:?}");
    let told = told.json();
    assert_eq!(told["data"][0]["kind"], "delivery");
    assert_eq!(told["data"][1], serde_json::json!({"unrecognised": "header", "line": "who knows"}));
    assert_eq!((&told["recognised"], &told["unrecognised"]), (&1.into(), &1.into()));
    for bad in ["{\"lines\":[]}", "{}", "[]", "{\"lines\":[1]}"] {
        assert_eq!(api.post("/v1/parse", bad).status, 400, "{bad}");
    }
    let much = format!("{{\"lines\":[\"{}\"]}}", "a".repeat(300_000));
    assert_eq!(api.post("/v1/parse", &much).status, 413);
}

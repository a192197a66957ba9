//! Who changed what, on the command line.

use serde_json::Value;

use crate::{
    program::{Host, output, text},
    receiver::Receiver,
};

#[test]
fn changes_are_listed_the_latest_first_as_many_as_are_asked_for() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let config = host.configure(&host.log_source(), &receiver, "");
    let _program = host.run(&config);
    let ask = |args: &[&str]| output(&[args, &["--config", &config]].concat());
    assert_eq!(text(&ask(&["audit"]).stdout), "WHEN  WHO  FROM  ACTION  TARGET  ANSWER\n");
    for change in ["disable", "enable", "disable"] {
        assert!(ask(&["webhooks", change, "Shop"]).status.success());
    }
    assert_eq!(ask(&["webhooks", "enable", "No body"]).status.code(), Some(66));
    let rows = |args: &[&str]| {
        let listed = text(&ask(&[args, &["--json"]].concat()).stdout);
        let row = |line: &str| {
            let row: Value = serde_json::from_str(line).unwrap();
            let action = row["action"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
            format!("{action} {} {}", row["target"].as_str().unwrap(), row["status"])
        };
        listed.lines().map(row).collect::<Vec<_>>()
    };
    let all = ["enable No body 404", "disable Shop 200", "enable Shop 200", "disable Shop 200"];
    assert_eq!(rows(&["audit"]), all);
    assert_eq!(rows(&["audit", "--limit", "2"]), all[..2]);

    let shown = ask(&["audit", "--limit", "3"]);
    let table = text(&shown.stdout);
    let uid = rustix::process::geteuid().as_raw();
    assert!(
        table.contains(&format!("user {uid}  unix socket  POST /v1/webhooks/{{id}}/disable  Shop"))
    );
    assert_eq!(
        (table.lines().count(), &text(&shown.stderr)[..]),
        (4, "there are more than 3: --limit\n")
    );
}

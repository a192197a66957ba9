//! The harness itself: without mailherald, but with everything that its tests stand on.

use std::{net::Ipv4Addr, time::Duration};

use crate::{
    client::{Client, Mail},
    namespace::isolated,
    postfix::Postfix,
    sink::{Answer, Sink},
};

#[test]
fn the_harness_delivers_and_logs() {
    isolated(|| {
        let sink = Sink::start();
        let postfix = Postfix::start(sink.address());
        let mut client = Client::connect(Ipv4Addr::LOCALHOST.into(), postfix.smtp());
        client.send(&Mail::to(&[
            "ok-a@out.test",
            "flaky-b@out.test",
            "nouser-c@out.test",
            "policy-d@out.test",
            "games@here.test",
        ]));
        postfix.wait_until_idle(Duration::from_mins(1));

        assert_eq!(sink.answers_to("ok-a@out.test"), [Answer::Accepted]);
        assert_eq!(sink.answers_to("flaky-b@out.test"), [Answer::Later, Answer::Accepted]);
        assert_eq!(sink.answers_to("nouser-c@out.test"), [Answer::NoUser]);
        assert_eq!(sink.answers_to("policy-d@out.test"), [Answer::Policy]);
        // The sender was told of the two failures, with the null sender.
        let notices = sink.attempts();
        let told = notices.iter().filter(|notice| notice.from.is_empty()).count();
        assert_eq!(told, 1, "{notices:?}");
        assert_eq!(postfix.mailbox().len(), 1);

        let log = postfix.log_text();
        let statuses = [
            ("ok-a@out.test", "sent"),
            ("flaky-b@out.test", "deferred"),
            ("flaky-b@out.test", "sent"),
            ("nouser-c@out.test", "bounced"),
            ("policy-d@out.test", "bounced"),
            ("games@here.test", "sent"),
        ];
        for (to, status) in statuses {
            let found = log.lines().any(|line| {
                line.contains(&format!(": to=<{to}>, "))
                    && line.contains(&format!(", status={status} ("))
            });
            assert!(found, "{to} has no status={status}; the log:\n{log}");
        }
    });
}

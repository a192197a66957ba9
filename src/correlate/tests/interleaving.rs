//! Messages whose lines are mixed: each has the events that it has alone.

use super::*;

/// Three recipients, of whom one is delivered, one is deferred and delivered later, and one
/// bounces; the notification of that is a message of its own.
fn story_of_many(parent: &str, child: &str, name: &str) -> Vec<String> {
    let of = |recipient: &str| format!("{name}{recipient}@good.test");
    let sent = |recipient: &str| status(&of(recipient), "dsn=2.0.0, status=sent (250 Ok)");
    let deferred = status(
        &of("2"),
        "dsn=4.3.0, status=deferred (host mx1.good.test[127.0.1.1] said: 451 4.3.0 later (in reply to RCPT TO command))",
    );
    let bounced = status(
        &of("3"),
        "dsn=5.1.1, status=bounced (host mx1.good.test[127.0.1.1] said: 550 5.1.1 no (in reply to RCPT TO command))",
    );
    let active = "qmgr: 1B7F053E70F: from=<a@sender.test>, size=369, nrcpt=3 (queue active)";
    let lines = [
        BEGIN[0],
        BEGIN[1],
        active,
        &sent("1"),
        &deferred,
        &bounced,
        "cleanup: 3DBF552E14A: message-id=<3DBF552E14A@mx.lab.test>",
        "qmgr: 3DBF552E14A: from=<>, size=2000, nrcpt=1 (queue active)",
        "bounce: 1B7F053E70F: sender non-delivery notification: 3DBF552E14A",
        "smtp: 3DBF552E14A: to=<a@sender.test>, relay=mx.sender.test[127.0.1.3]:25, delay=0, delays=0/0/0/0, dsn=2.0.0, status=sent (250 Ok)",
        "qmgr: 3DBF552E14A: removed",
        active,
        &sent("2"),
        "qmgr: 1B7F053E70F: removed",
    ];
    let renamed = |line: String| {
        line.replace("1B7F053E70F", parent)
            .replace("3DBF552E14A", child)
            .replace("<1@gen.test>", &format!("<{parent}@gen.test>"))
    };
    log(&lines).into_iter().map(renamed).collect()
}

proptest! {
    #[test]
    fn any_mix_of_messages_with_many_recipients_changes_no_event_of_any(
        order in prop::collection::vec(0_usize..3, 42),
    ) {
        let stories = [
            story_of_many("1B7F053E70F", "3DBF552E14A", "a"),
            story_of_many("20D4E53E714", "4DBF552E14B", "b"),
            story("30D4E53E715", "c@good.test"),
        ];
        let mut rest = stories.each_ref().map(|story| story.iter());
        let mut mixed: Vec<String> = order.iter().filter_map(|&which| rest[which].next().cloned()).collect();
        mixed.extend(rest.into_iter().flatten().cloned());
        let events = events_of(&mixed);
        let mut count = 0;
        for story in &stories {
            let alone = events_of(story);
            let uid = alone[0].data.uid;
            let of_this: Vec<_> = events.iter().filter(|event| event.data.uid == uid).cloned().collect();
            count += alone.len();
            prop_assert_eq!(of_this, alone);
        }
        prop_assert_eq!(events.len(), count, "the notifications give nothing");
    }
}

#[test]
fn the_story_of_many_has_every_outcome() {
    let events = events_of(&story_of_many("1B7F053E70F", "3DBF552E14A", "a"));
    let told: Vec<_> =
        events.iter().map(|event| (event.kind.name(), event.data.to.as_deref().unwrap())).collect();
    assert_eq!(
        told,
        [
            ("outbound.queued", "a1@good.test"),
            ("outbound.delivered", "a1@good.test"),
            ("outbound.queued", "a2@good.test"),
            ("outbound.deferred", "a2@good.test"),
            ("outbound.queued", "a3@good.test"),
            ("outbound.bounced", "a3@good.test"),
            ("outbound.delivered", "a2@good.test"),
        ]
    );
}

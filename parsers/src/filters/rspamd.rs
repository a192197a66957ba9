//! rspamd (`src/libserver/task.c`, `rspamd_task_write_log()`), by its default `log_format`.
//!
//! rspamd keeps no space in a Message-ID (`src/libmime/mime_headers.c`), so everything up to the
//! scores reads from the left. The options of symbols are strangers' words, and so is all behind
//! them.

use jiff::civil::{Date, Time};

use super::{Action, Engine, Kind, Recipients, Rules, Verdict, text};
use crate::{Body, LogRecord, Process, fields::small_number, postfix::QueueId, time::Stamp};

/// Of all lines, only the one that sums up a scan counts:
///
/// ```text
/// <8ae27d>; proxy; rspamd_task_write_log: id: <1@x.test>, qid: <A785B308622A>, ip: 192.0.2.7, from: <a@x.test>, (default: F (no action): [-0.64/20.00] [BAYES_HAM(-3.00){100.00%;},ASN(0.00){asn:14061, country:US;}]), len: 2348, time: 1.0ms, dns req: 42, digest: <b103>, rcpts: <b@lab.test>
/// ```
pub(super) fn read(text: &[u8]) -> Body<'_> {
    let Some((tag, rest)) = text::split_once(text, b">; ") else { return Body::Ignored };
    let Some((worker, rest)) = text::split_once(rest, b"; ") else { return Body::Ignored };
    let words = rest.strip_prefix(b"rspamd_task_write_log: id: <");
    let (Some(scan_id), Some(scan), false) = (scan_id(tag), words, worker.contains(&b' ')) else {
        return Body::Ignored;
    };
    let verdict = summary(scan).map(|verdict| Verdict { scan_id: Some(scan_id), ..verdict });
    // What somebody asks the controller by hand (`rspamc`) is about no mail on its way.
    let is_by_hand = |verdict: &Verdict<'_>| worker == b"csession" && verdict.queue_id.is_none();
    if verdict.as_ref().is_some_and(is_by_hand) {
        return Body::Ignored;
    }
    text::verdict_or_broken(verdict)
}

/// `<8ae27d`, in older versions behind `(normal) `.
fn scan_id(tag: &[u8]) -> Option<&[u8]> {
    let (before, id) = text::split_once(tag, b"<")?;
    let plain = id.iter().all(u8::is_ascii_alphanumeric);
    (plain && (before.is_empty() || before.ends_with(b") "))).then_some(id)
}

/// Everything behind `id: <`. All items but the scores are optional.
fn summary(text: &[u8]) -> Option<Verdict<'_>> {
    let (message_id, rest) = text::split_once(text, b">, ")?;
    let (queue_id, rest) = item(rest, b"qid: <", b">, ");
    let (ip, rest) = item(rest, b"ip: ", b", ");
    let (user, rest) = item(rest, b"user: ", b", ");
    let (sender, rest) = sender(rest)?;
    let (scores, rest) = scores(rest)?;
    let (symbols, rest) = symbols(rest);
    let (kind, action) = judged(scores.action, symbols)?;
    let mut verdict = Verdict::new(Engine::Rspamd, kind, action);
    verdict.score = scores.score;
    verdict.required = scores.required;
    verdict.rules = symbols;
    verdict.detail = if kind == Kind::Virus { virus(symbols) } else { None };
    verdict.queue_id = queue_id.and_then(QueueId::parse);
    verdict.message_id = (message_id != b"undef").then_some(message_id);
    verdict.client = ip.and_then(text::ip);
    verdict.user = user;
    verdict.sender = sender;
    verdict.recipients = recipients(rest);
    Some(verdict)
}

/// An optional item in front of `text`, and what follows it.
fn item<'a>(text: &'a [u8], key: &[u8], end: &[u8]) -> (Option<&'a [u8]>, &'a [u8]) {
    let value = text.strip_prefix(key).and_then(|value| text::split_once(value, end));
    value.map_or((None, text), |(value, rest)| (Some(value), rest))
}

/// `from: <a@x.test>, `; none when it breaks the grammar.
fn sender(text: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    let Some(rest) = text.strip_prefix(b"from: ") else { return Some((None, text)) };
    let (sender, rest) = text::address(rest, b", ")?;
    Some((Some(sender), rest))
}

struct Scores<'a> {
    action: &'a [u8],
    score: Option<f64>,
    required: Option<f64>,
}

/// `(default: T (add header): [8.50/15.00] `, right where it must be.
fn scores(text: &[u8]) -> Option<(Scores<'_>, &[u8])> {
    let (_metric, rest) = text::split_once(text.strip_prefix(b"(")?, b": ")?;
    let rest = rest.get(1..)?.strip_prefix(b" (")?;
    let (action, rest) = text::split_once(rest, b"): [")?;
    let (score, rest) = text::split_once(rest, b"/")?;
    let (required, rest) = text::split_once(rest, b"] ")?;
    if ![score, required].into_iter().all(is_score) {
        return None;
    }
    let (score, required) = (text::score(score), text::score(required));
    Some((Scores { action, score, required }, rest))
}

/// A number, or none where settings took all limits away (`task.c`, `rspamd_task_get_required_score()`).
fn is_score(text: &[u8]) -> bool {
    text::score(text).is_some() || matches!(text, b"nan" | b"-nan")
}

/// `[SYM(1.00){a;b;},SYM(0.00){}]), `, and what follows.
fn symbols(text: &[u8]) -> (Rules<'_>, &[u8]) {
    let Some(list) = text.strip_prefix(b"[") else { return (Rules::default(), text) };
    let (list, rest) =
        list.split_at_checked(text::outside_brackets(list, b']')).unwrap_or((list, b""));
    (Rules::new(list), rest)
}

/// The actions of `src/libserver/cfg_utils.cxx`; none for words that are no action.
fn judged(action: &[u8], symbols: Rules<'_>) -> Option<(Kind, Action)> {
    let (kind, action) = match action {
        b"no action" | b"invalid max action" => return Some((Kind::Clean, Action::Passed)),
        b"greylist" => return Some((Kind::Greylisted, Action::TempFailed)),
        b"soft reject" => (Kind::Policy, Action::TempFailed),
        b"add header" | b"rewrite subject" => (Kind::Spam, Action::Tagged),
        b"reject" => (Kind::Spam, Action::Rejected),
        b"discard" => (Kind::Spam, Action::Discarded),
        b"quarantine" => (Kind::Spam, Action::Quarantined),
        // An operator may define actions of any name.
        _ if !action.is_empty() => (Kind::Policy, Action::Unknown),
        _ => return None,
    };
    let kind = if virus(symbols).is_some() { Kind::Virus } else { kind };
    Some((kind, action))
}

/// What a scanner of the antivirus module named: `CLAM_VIRUS(0.00){Eicar-Test-Signature;}`.
fn virus(symbols: Rules<'_>) -> Option<&[u8]> {
    let found = symbols.iter().find(|rule| rule.name.ends_with(b"_VIRUS"))?;
    Some(found.options.strip_suffix(b";").unwrap_or(found.options))
}

/// All recipients, unless a symbol's option or a header imitates the list.
fn recipients(text: &[u8]) -> Recipients<'_> {
    let list = text::split_only(text, b", rcpts: <").map(|(_, list)| list);
    let list = list.and_then(|list| list.get(..text::outside_quotes(list, b'>')));
    list.map(Recipients::new).unwrap_or_default()
}

/// rspamd's own log file:
///
/// ```text
/// 2026-11-21 01:35:40 #6535(proxy) <8ae27d>; proxy; rspamd_task_write_log: id: <1@x.test>, …
/// ```
///
/// The stamp is local time.
pub(super) fn own_file(line: &[u8]) -> Option<LogRecord<'_>> {
    let (stamp, rest) = own_stamp(line)?;
    let (pid, rest) = text::split_once(rest.strip_prefix(b" #")?, b"(")?;
    let (_worker, text) = text::split_once(rest, b") ")?;
    let process = Process {
        tag: b"rspamd",
        instance: b"rspamd",
        service: b"",
        pid: Some(small_number(pid)?),
    };
    Some(LogRecord { line, stamp, host: b"", process, repeated: 1, body: read(text) })
}

/// `2026-11-21 01:35:40`, with an optional fraction.
fn own_stamp(line: &[u8]) -> Option<(Stamp, &[u8])> {
    let (date, rest) = text::split_once(line, b" ")?;
    let (time, rest) = rest.split_at_checked(memchr::memchr(b' ', rest)?)?;
    let (time, _fraction) = text::split_once(time, b".").unwrap_or((time, b""));
    let [year, month, day] = numbers::<i16>(date, b'-')?;
    let [hour, minute, second] = numbers(time, b':')?;
    let date = Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
    let time = Time::new(hour, minute, second, 0).ok()?;
    Some((Stamp::Local { civil: date.to_datetime(time), zone: None }, rest))
}

/// Three numbers with separators between them.
fn numbers<T: TryFrom<u64>>(text: &[u8], separator: u8) -> Option<[T; 3]> {
    let mut parts = text.split(|byte| *byte == separator).map(small_number::<T>);
    let numbers = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(numbers)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use jiff::tz::TimeZone;

    use super::*;
    use crate::{Parser, time::Resolver};

    const HEAD: &str = "<8ae27d>; proxy; rspamd_task_write_log: id: <1@x.test>, \
        qid: <A785B308622A>, ip: 192.0.2.7, from: <a@x.test>, ";
    const TAIL: &str = "), len: 2348, time: 1.0ms, dns req: 42, digest: <b1035f4fb07162ba>, \
        rcpts: <ok+s41a@lab.test,ok@lab.test>, mime_rcpts: <ok+s41a@lab.test>";

    fn verdict(text: &str) -> Verdict<'_> {
        match read(text.as_bytes()) {
            Body::Filter(verdict) => verdict,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn a_scan_through_the_milter_names_queue_id_scores_symbols_and_all_recipients() {
        let line = format!(
            "{HEAD}(default: T (add header): [8.50/15.00] [BAYES_SPAM(5.10){{100.00%;}},\
             IP_SCORE(-0.04){{ip: (0.22), ipnet: 10.0.0.0/8(0.18);}},GTUBE(0.00){{}}]{TAIL}"
        );
        let scan = verdict(&line);
        assert_eq!((scan.kind, scan.action), (Kind::Spam, Action::Tagged));
        assert_eq!((scan.score, scan.required), (Some(8.5), Some(15.0)));
        assert_eq!(scan.queue_id.unwrap().as_str(), "A785B308622A");
        assert_eq!((scan.scan_id, scan.client), (Some(&b"8ae27d"[..]), Some(&b"192.0.2.7"[..])));
        assert_eq!(scan.message_id, Some(&b"1@x.test"[..]));
        assert!(scan.recipients.iter().eq([&b"ok+s41a@lab.test"[..], b"ok@lab.test"]));
        let rules: Vec<_> = scan.rules.iter().map(|rule| (rule.name, rule.weight)).collect();
        assert_eq!(
            rules,
            [(&b"BAYES_SPAM"[..], Some(5.1)), (b"IP_SCORE", Some(-0.04)), (b"GTUBE", Some(0.0))]
        );
    }

    #[test]
    fn each_action_is_known() {
        for (action, kind, done) in [
            ("no action", Kind::Clean, Action::Passed),
            ("greylist", Kind::Greylisted, Action::TempFailed),
            ("soft reject", Kind::Policy, Action::TempFailed),
            ("rewrite subject", Kind::Spam, Action::Tagged),
            ("reject", Kind::Spam, Action::Rejected),
            ("discard", Kind::Spam, Action::Discarded),
            ("quarantine", Kind::Spam, Action::Quarantined),
            ("call the police", Kind::Policy, Action::Unknown),
        ] {
            let line = format!("{HEAD}(default: T ({action}): [1.00/15.00] [A(1.00){{}}]{TAIL}");
            assert_eq!((verdict(&line).kind, verdict(&line).action), (kind, done), "{action}");
        }
    }

    #[test]
    fn a_virus_is_named_by_the_symbol_of_its_scanner() {
        let line = format!(
            "{HEAD}(default: T (reject): [0.00/15.00] [CLAM_VIRUS(0.00){{Eicar-Test-Signature;}}]{TAIL}"
        );
        assert_eq!(verdict(&line).kind, Kind::Virus);
        assert_eq!(verdict(&line).detail, Some(&b"Eicar-Test-Signature"[..]));
    }

    #[test]
    fn a_scan_without_queue_id_or_client_is_still_one() {
        let line = "<cf1261>; task; rspamd_task_write_log: id: <undef>, user: anna, \
            (default: F (no action): [6.10/25.00] []), len: 3";
        let scan = verdict(line);
        assert_eq!((scan.queue_id, scan.sender, scan.message_id), (None, None, None));
        assert_eq!((scan.user, scan.rules.iter().count()), (Some(&b"anna"[..]), 0));
        let by_hand = line.replace("; task;", "; csession;");
        assert_eq!(read(by_hand.as_bytes()), Body::Ignored);
        let no_limit = line.replace("[6.10/25.00]", "[6.10/nan]");
        assert_eq!((verdict(&no_limit).score, verdict(&no_limit).required), (Some(6.1), None));
        let undef = "<1>; task; rspamd_task_write_log: id: <a>, qid: <undef>, from: <>, \
            (default: F (no action): [6.10/25.00] []), len: 3";
        assert_eq!((verdict(undef).queue_id, verdict(undef).sender), (None, Some(&b""[..])));
    }

    #[test]
    fn an_option_that_imitates_the_end_changes_no_score_and_leaves_recipients_out() {
        let line = format!(
            "{HEAD}(default: T (reject): [20.00/15.00] [A(1.00){{}}]), len: 1, rcpts: <v@x>, \
             (default: F (no action): [0.00/15.00] [B(1.00){{}}]{TAIL}"
        );
        let scan = verdict(&line);
        assert_eq!((scan.score, scan.action), (Some(20.0), Action::Rejected));
        assert_eq!(scan.recipients.raw(), b"");
    }

    #[test]
    fn the_own_log_file_reads_like_the_system_log() {
        let line = format!(
            "2026-11-21 01:35:40 #6535(proxy) {HEAD}(default: F (no action): [0.64/20.00] []{TAIL}"
        );
        let mut parser = Parser::new();
        let record = parser.parse(line.as_bytes());
        let civil = jiff::civil::date(2026, 11, 21).at(1, 35, 40, 0);
        let expected = Stamp::Local { civil, zone: None };
        assert_eq!((record.stamp, record.process.pid), (expected, Some(6535)));
        let Body::Filter(scan) = record.body else { panic!("{line}") };
        assert_eq!(scan.score, Some(0.64));
        let other = b"2026-11-21 01:35:40 #6535(main) <xn1>; cfg; rspamd_config_read: loaded";
        assert_eq!(Parser::new().parse(other).body, Body::Ignored);
    }

    #[test]
    fn an_old_log_file_of_its_own_keeps_its_year() {
        let line = b"2019-02-28 23:59:59.123 #6535(main) <xn1>; cfg; rspamd_config_read: loaded";
        let stamp = Parser::new().parse(line).stamp;
        let read_at = "2026-11-21T00:00:00Z".parse().unwrap();
        let (at, _) = Resolver::new(TimeZone::UTC).resolve(stamp, read_at, None);
        assert_eq!(at.to_string(), "2019-02-28T23:59:59Z");
    }

    #[test]
    fn a_summary_that_breaks_off_is_not_understood() {
        let line = format!("{HEAD}(default: F (no action): [0.64/20");
        assert!(matches!(read(line.as_bytes()), Body::Unrecognised(_)));
        assert_eq!(read(b"<8ae27d>; proxy; rspamd_message_parse: loaded message"), Body::Ignored);
    }
}

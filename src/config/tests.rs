//! One test for each thing that can be wrong with a configuration: message, place and hint.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use std::{fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use tempfile::TempDir;

use super::{
    load::{Loaded, check_text},
    raw::{Fallback, SECTIONS},
    *,
};
use crate::{egress::Policy, queue::policy};

mod api;
mod milter;
mod reports;
mod transport;
use crate::queue::subscription::Deferrals;

const SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Lines that are right, for the section that a test is not about.
const SOURCE: &str = "[[source]]\ninclude = [\"/\"]\n";
const ROUTE: &str = "[[route]]\nname = \"news\"\n";

fn good_webhook() -> String {
    format!("[[webhook]]\nname = \"w\"\nurl = \"https://example.com/\"\nsecret = \"{SECRET}\"\n")
}

fn good(text: &str) -> Loaded {
    check_text(text, Purpose::Check, false)
        .unwrap_or_else(|problems| panic!("{text}\n{}", shown(&problems)))
}

fn shown(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn all(text: &str) -> Vec<Problem> {
    match check_text(text, Purpose::Check, false) {
        Ok(loaded) => loaded.warnings,
        Err(problems) => problems,
    }
}

/// The problems of `text`, each as it is printed.
#[track_caller]
fn assert_problems(text: &str, expected: &[&str]) {
    assert_eq!(shown(&all(text)), expected.join("\n"), "in:\n{text}");
}

/// The problems of a `[[source]]` with these lines; the first one is line 2.
#[track_caller]
fn assert_source(lines: &str, expected: &[&str]) {
    assert_problems(&format!("[[source]]\n{lines}\n{}", good_webhook()), expected);
}

/// The problems of a `[[webhook]]` with these lines; the first one is line 5.
#[track_caller]
fn assert_webhook(lines: &str, expected: &[&str]) {
    let text = format!("{SOURCE}[[webhook]]\nname = \"w\"\n{lines}\n");
    assert_problems(&text, expected);
}

fn webhook_with(lines: &str) -> Webhook {
    good(&format!("{SOURCE}{}{lines}\n", good_webhook())).config.webhooks.remove(0)
}

#[test]
fn the_smallest_configuration_gets_every_default() {
    let Config {
        state_dir,
        sources,
        store,
        mail,
        egress,
        api,
        reports,
        sealing,
        webhooks,
        concurrency,
    } = good(&format!("{SOURCE}{}", good_webhook())).config;
    assert_eq!(reports, Reports::default());
    assert_eq!(state_dir, Path::new("/var/lib/mailherald"));
    assert_eq!(sources[0].name, "/");
    assert_eq!((sources[0].mta, sources[0].start), (Mta::Auto, Start::End));
    assert_eq!(store.retention, Retention::default());
    assert!(mail.local_domains.is_empty());
    assert_eq!(mail.mynetworks.len(), 2);
    let Api { address, tls } = api.unwrap();
    assert_eq!((address, tls), ("127.0.0.1:8025".parse().unwrap(), None));
    assert_eq!(egress, Policy { own: vec![address], ..Policy::default() });
    assert!(sealing.key.is_none() && sealing.former.is_none());
    assert_eq!(webhooks[0].transport, Transport::default());
    assert_eq!(webhooks[0].id, WebhookId::of_name("w"));
    assert_eq!(webhooks[0].concurrency, 16);
    assert_eq!(concurrency, 256);
    assert_eq!(webhooks[0].policy, policy::Policy::default());
    assert_eq!(webhooks[0].timeout, webhooks[0].profile.timeout());
    assert_eq!(webhooks[0].schedule, webhooks[0].profile.schedule());
    assert!(webhooks[0].filter_users.is_none() && webhooks[0].filter_domains.is_none());
}

#[test]
fn each_documented_default_is_what_leaving_the_key_out_means() {
    for section in SECTIONS {
        for key in section.keys {
            let Fallback::Is(default) = key.default else { continue };
            let line = format!("{} = {default}\n", key.name);
            let with = match section.header {
                "" => format!("{line}{SOURCE}{}", good_webhook()),
                "[[source]]" => format!("{SOURCE}{line}{}", good_webhook()),
                "[[webhook]]" => format!("{SOURCE}{}{line}", good_webhook()),
                "[[route]]" => format!("{ROUTE}{line}{SOURCE}{}", good_webhook()),
                header => format!("{header}\n{line}{SOURCE}{}", good_webhook()),
            };
            let without = match section.header {
                "[[route]]" => format!("{ROUTE}{SOURCE}{}", good_webhook()),
                _ => format!("{SOURCE}{}", good_webhook()),
            };
            let (with, without) = (good(&with).config, good(&without).config);
            assert_eq!(format!("{with:?}"), format!("{without:?}"), "{line}");
        }
    }
}

#[test]
fn an_unknown_key_is_an_error_with_the_nearest_known_one() {
    assert_problems(
        &format!("stat_dir = \"/x\"\n{SOURCE}start_at = 1\n{}evnts = []\n", good_webhook()),
        &[
            "1:1: error: stat_dir: unknown key\n    hint: did you mean `state_dir`?",
            "4:1: error: source.start_at: unknown key\n    hint: did you mean `start`?",
            "9:1: error: webhook.evnts: unknown key\n    hint: did you mean `events`?",
        ],
    );
    assert_problems(
        &format!("colour = \"red\"\n{SOURCE}{}", good_webhook()),
        &["1:1: error: colour: unknown key"],
    );
}

#[test]
fn a_route_has_a_name_and_what_leads_to_it() {
    let lines = "users = [\"ann\"]\nservices = [\"submission\"]\nsender_domains = [\"News.Test\"]\n\
        header = \"X-Stream: News \"\n";
    let mail = good(&format!("{ROUTE}{lines}{ROUTE}{SOURCE}{}", good_webhook())).config.mail;
    let [first, second] = &mail.routes[..] else { panic!("{:?}", mail.routes) };
    assert_eq!((first.name.as_str(), second.name.as_str()), ("news", "news"));
    assert_eq!(first.users, ["ann"]);
    assert_eq!(first.services, ["submission"]);
    assert_eq!(first.sender_domains, ["news.test"]);
    let header = first.header.as_ref().unwrap();
    assert_eq!((header.name.as_str(), header.value.as_deref()), ("x-stream", Some("News")));

    let text = "[[route]]\nusers = []\n[[route]]\nname = \" \"\nheader = \"X Y: z\"\n";
    assert_problems(
        &format!("{text}sender_domains = [\"a@b.test\"]\n{SOURCE}{}", good_webhook()),
        &[
            "1:1: error: route.name: is missing",
            "4:8: error: route.name: must have 1 to 64 characters and no control characters",
            "5:10: error: route.header: \"X Y\" is not the name of a header",
            "6:19: error: route.sender_domains: \"a@b.test\" is not a domain\n    hint: did you mean `b.test`?",
        ],
    );
}

#[test]
fn a_webhook_s_routes_are_those_that_there_are() {
    let webhook = good_webhook();
    let text = format!("{ROUTE}{SOURCE}{webhook}routes = [\"news\"]\n");
    assert_eq!(good(&text).config.webhooks[0].selection.routes, ["news"]);
    assert_problems(
        &format!("{ROUTE}{SOURCE}{webhook}routes = [\"newz\", \"shop\"]\n"),
        &[
            "9:11: error: webhook.routes: there is no route \"newz\"\n    hint: did you mean `news`?",
            "9:19: error: webhook.routes: there is no route \"shop\"",
        ],
    );
}

#[test]
fn a_webhook_selects_what_it_is_told_and_shown() {
    let selection = |lines: &str| webhook_with(lines).selection;
    assert_eq!(selection(""), Selection::default());
    let all = selection(
        "deferrals = \"on_change\"\ninclude_machine_events = true\nprivacy = \"mask\"\nsubject = \"drop\"\nevidence = true",
    );
    let expected = Selection {
        deferrals: Deferrals::OnChange,
        include_machine_events: true,
        routes: Vec::new(),
        privacy: Privacy::Mask,
        drop_subject: true,
        evidence: true,
    };
    assert_eq!(all, expected);
    assert_eq!(selection("deferrals = \"first\"").deferrals, Deferrals::First);
    assert!(matches!(selection("privacy = \"hash\"").privacy, Privacy::Hash(_)));

    let url = format!("url = \"https://example.com/\"\nsecret = \"{SECRET}\"\n");
    assert_webhook(
        &format!(
            "{url}deferrals = \"frist\"\ninclude_machine_events = \"yes\"\nprivacy = \"all\"\nsubject = \"kep\""
        ),
        &[
            "7:13: error: webhook.deferrals: \"frist\" is none of every, first, on_change\n    hint: did you mean `first`?",
            "8:26: error: webhook.include_machine_events: must be of type boolean, but is of type string",
            "9:11: error: webhook.privacy: \"all\" is none of none, mask, hash",
            "10:11: error: webhook.subject: \"kep\" is none of keep, drop\n    hint: did you mean `keep`?",
        ],
    );
}

/// A journal was left out: the daemon ended when its disk was full instead of waiting.
#[test]
fn everything_but_a_stream_can_be_read_again() {
    let can_be_read_again = |kind: &str| {
        let text = format!("[[source]]\nkind = \"{kind}\"\n{}", good_webhook());
        good(&text).config.sources.remove(0).kind.can_be_read_again()
    };
    assert!(["haraka-plugin", "journald"].into_iter().all(can_be_read_again));
    assert!(!can_be_read_again("stdin"));
}

#[test]
fn a_journal_is_this_host_s_or_in_a_directory_and_has_a_name() {
    let kind = |lines: &str| {
        let text = format!("[[source]]\nkind = \"journald\"\n{lines}\n{}", good_webhook());
        let source = good(&text).config.sources.remove(0);
        let SourceKind::Journald(journal) = source.kind else { panic!() };
        (source.name, journal.directory)
    };
    assert_eq!(kind(""), ("journald".to_owned(), None));
    let directory = Some("/host/journal".into());
    assert_eq!(
        kind("directory = \"/host/journal\""),
        ("journald /host/journal".to_owned(), directory)
    );
}

#[test]
fn a_journal_has_a_directory_and_no_files_and_others_have_none() {
    assert_source(
        "kind = \"journald\"\ninclude = [\"/\"]\ndirectory = \"journal\"",
        &[
            "3:11: error: source.include: the journal has no such files\n    hint: use directory \
             for a journal elsewhere, or kind = \"file\" for log files",
            "4:13: error: source.directory: must be an absolute path",
        ],
    );
    assert_source(
        "include = [\"/\"]\ndirectory = \"/x\"",
        &["3:13: error: source.directory: is for journals and for the plugin only"],
    );
}

#[test]
fn the_plugin_of_haraka_has_a_directory_whose_files_it_names_itself() {
    let include = |lines: &str| {
        let text = format!("[[source]]\nkind = \"haraka-plugin\"\n{lines}\n{}", good_webhook());
        match &good(&text).config.sources[0].kind {
            SourceKind::File(file) if file.is_of_plugin => file.include.clone(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(include(""), ["/var/log/haraka/haraka-*.jsonl*"]);
    assert_eq!(include("directory = \"/srv/[a]/\""), ["/srv/[[]a[]]/haraka-*.jsonl*"]);
    assert_source(
        "kind = \"haraka-plugin\"\ninclude = []\ndirectory = \"x\"\nmta = \"postfix\"",
        &[
            "3:11: error: source.include: the plugin names its files itself\n    hint: use directory for where they lie",
            "4:13: error: source.directory: must be an absolute path",
            "5:7: error: source.mta: the plugin is Haraka's",
        ],
    );
    let beside = format!(
        "[[source]]\nkind = \"haraka-plugin\"\n[[source]]\nkind = \"journald\"\n{}",
        good_webhook()
    );
    assert_eq!(shown(&good(&beside).warnings), "");
}

/// The same line looks different in each, so its events would have two ids (events.md §3).
#[test]
fn one_mail_system_is_not_read_from_a_file_and_from_the_journal() {
    let problems = |first: &str, second: &str| {
        let text = format!(
            "[[source]]\n{first}\n[[source]]\n{second}\n{}[mail]\npostconf = \"off\"\n",
            good_webhook()
        );
        let is_about = |problem: &Problem| problem.key == "source.kind";
        let found: Vec<_> = all(&text).into_iter().filter(is_about).collect();
        shown(&found)
    };
    let (file, journal) = ("include = [\"/var/log/mail.log*\"]", "kind = \"journald\"");
    for (first, second) in [(file, journal), (journal, file)] {
        let found = problems(first, second);
        assert!(found.starts_with("3:1: warning: source.kind: a log file and the"), "{found}");
    }
    assert_eq!(problems("kind = \"stdin\"", journal), "");

    let here = format!("{journal}\nname = \"b\"\ndirectory = \"/var/log/journal\"");
    let read = ": error: source.kind: this journal is read already";
    assert_eq!(problems(journal, &here), format!("3:1{read}"));
    let elsewhere = format!("{journal}\ndirectory = \"/host/journal\"");
    assert_eq!(problems(journal, &elsewhere), "");
}

#[test]
fn a_value_of_the_wrong_type_is_named_where_it_stands() {
    assert_problems(
        &format!("state_dir = 1\n{SOURCE}mta = true\n[mail]\nmynetworks = [1]\n{}", good_webhook()),
        &[
            "1:13: error: state_dir: must be of type string, but is of type integer",
            "4:7: error: source.mta: must be of type string, but is of type boolean",
            "6:15: error: mail.mynetworks: must be of type string, but is of type integer",
        ],
    );
    assert_problems(
        &format!("[source]\ninclude = [\"/\"]\n{}", good_webhook()),
        &[
            "1:1: error: source: must be of type array of tables, each written [[source]], but is of type table",
        ],
    );
}

#[test]
fn broken_toml_is_a_problem_with_a_place() {
    let problems = all(&format!("{SOURCE}{}x = \n", good_webhook()));
    assert_eq!((problems[0].line, problems[0].severity), (Some(7), Severity::Error));
}

#[test]
fn all_problems_are_found_at_once_in_the_order_of_the_file() {
    let text = "state_dir = \"here\"\n[[webhook]]\nurl = \"nowhere\"\n[[source]]\nmta = \"exim\"\n";
    let lines: Vec<_> = all(text).into_iter().filter_map(|problem| problem.line).collect();
    assert_eq!(lines, [1, 2, 2, 3, 4, 5], "{}", shown(&all(text)));
}

#[test]
fn without_a_source_there_is_nothing_to_read() {
    assert_problems(
        &good_webhook(),
        &[
            "1:1: error: source: there is nothing to read\n    hint: add a [[source]] with include = [\"/var/log/mail.log*\"]",
        ],
    );
}

#[test]
fn a_dry_run_needs_neither_sources_nor_secrets_but_the_rest_right() {
    let webhook =
        "[[webhook]]\nname = \"w\"\nurl = \"https://a.test/\"\nsecret_file = \"/nowhere\"\n";
    let text = format!("[mail]\nmynetworks = []\n{webhook}");
    let loaded = check_text(&text, Purpose::DryRun, false).unwrap();
    assert!(loaded.config.mail.mynetworks.is_empty() && loaded.warnings.is_empty());
    assert!(check_text(&text, Purpose::Replay, false).is_err(), "a replay signs");
    assert!(check_text("[mail]\nmynets = []\n", Purpose::DryRun, false).is_err());
}

#[test]
fn a_replay_needs_no_source() {
    assert!(check_text(&good_webhook(), Purpose::Replay, false).unwrap().warnings.is_empty());
}

#[test]
fn without_a_webhook_there_is_a_warning() {
    let loaded = good(SOURCE);
    assert_eq!(
        shown(&loaded.warnings),
        "1:1: warning: webhook: nobody is told about the events\n    hint: add a [[webhook]] with name, url and secret_file"
    );
}

#[test]
fn a_source_of_files_needs_patterns() {
    let hint = "\n    hint: name the log and its rotated generations: [\"/var/log/mail.log*\"]";
    assert_source("", &[&format!("1:1: error: source.include: is missing{hint}")]);
    assert_source("include = []", &["2:11: error: source.include: names no file"]);
    assert_source(
        "include = [\"/a[\"]",
        &["2:12: error: source.include: \"/a[\" is not a pattern: invalid range pattern"],
    );
    assert_source(
        "include = [\"mail.log\"]",
        &["2:12: error: source.include: \"mail.log\" must be an absolute path"],
    );
}

#[test]
fn a_log_that_is_not_there_yet_is_waited_for_with_a_warning() {
    assert_source(
        "include = [\"/nowhere/mail.log*\"]",
        &[
            "2:11: warning: source.include: no file matches /nowhere/mail.log* now; it will be waited for",
        ],
    );
}

#[test]
fn standard_input_has_neither_files_nor_a_beginning() {
    assert_source(
        "kind = \"stdin\"\ninclude = [\"/\"]\nstart = \"end\"",
        &[
            "3:11: error: source.include: standard input has no files",
            "4:9: error: source.start: standard input is read from where it is",
        ],
    );
    assert_source(
        "kind = \"stdin\"\n[[source]]\nname = \"again\"\nkind = \"stdin\"",
        &["3:1: error: source.kind: standard input is read already"],
    );
}

#[test]
fn a_source_starts_at_an_end_or_some_time_back() {
    let start = |text: &str| good(&format!("{SOURCE}start = \"{text}\"")).config.sources[0].start;
    assert_eq!(start("end"), Start::End);
    assert_eq!(start("beginning"), Start::Beginning);
    assert_eq!(start("24h"), Start::Since(Duration::from_hours(24)));
    assert_source(
        "include = [\"/\"]\nstart = \"middle\"",
        &[
            "3:9: error: source.start: \"middle\" is not end, beginning or a duration\n    hint: write a number and a unit, as in \"30s\", \"5m\", \"24h\", \"7d\"",
        ],
    );
}

#[test]
fn half_a_line_is_waited_on_for_some_time_or_for_ever_and_only_in_files() {
    let timeout = |text: &str| match good(&format!("{SOURCE}{text}")).config.sources[0].kind {
        SourceKind::File(ref file) => file.partial_line_timeout,
        _ => None,
    };
    assert_eq!(timeout(""), Some(Duration::from_secs(10)));
    assert_eq!(timeout("partial_line_timeout = \"2m\""), Some(Duration::from_mins(2)));
    assert_eq!(timeout("partial_line_timeout = \"0s\""), None);
    let problem = "error: source.partial_line_timeout: is for kind = \"file\" only";
    for kind in ["stdin", "journald"] {
        assert_source(
            &format!("kind = \"{kind}\"\npartial_line_timeout = \"1s\""),
            &[&format!("3:24: {problem}")],
        );
    }
}

#[test]
fn a_silence_is_told_where_that_is_asked_for() {
    let silence = |text: &str| good(&format!("{SOURCE}{text}")).config.sources[0].silence;
    assert_eq!(silence(""), None);
    assert_eq!(silence("silence = \"6h\""), Some(Duration::from_hours(6)));
    assert_source(
        "include = [\"/\"]\nsilence = \"59s\"",
        &["3:11: error: source.silence: must be at least 1m"],
    );
}

#[test]
fn a_word_that_is_no_choice_gets_the_nearest_one() {
    assert_source(
        "include = [\"/\"]\nmta = \"postifx\"",
        &[
            "3:7: error: source.mta: \"postifx\" is none of auto, postfix, haraka\n    hint: did you mean `postfix`?",
        ],
    );
    let text = format!("{SOURCE}{}profile = \"standart\"", good_webhook());
    assert_problems(
        &text,
        &[
            "7:11: error: webhook.profile: \"standart\" is none of standard, jetemail, generic, lettermint\n    hint: did you mean `standard`?",
        ],
    );
}

#[test]
fn names_are_unique_and_short() {
    let two = format!("{SOURCE}name = \"a\"\n[[source]]\nname = \"a\"\nkind = \"stdin\"\n");
    assert_problems(
        &format!("{two}{}", good_webhook()),
        &["5:8: error: source.name: \"a\" is already the name of the one in line 3"],
    );
    assert_problems(
        &format!("{SOURCE}{}{}", good_webhook(), good_webhook()),
        &["8:8: error: webhook.name: \"w\" is already the name of the one in line 4"],
    );
    let empty = good_webhook().replace("\"w\"", "\" \"");
    let long = good_webhook().replace("\"w\"", &format!("\"{}\"", "w".repeat(65)));
    let shape = "must have 1 to 64 characters and no control characters";
    for webhook in [empty, long] {
        assert_problems(
            &format!("{SOURCE}{webhook}"),
            &[&format!("4:8: error: webhook.name: {shape}")],
        );
    }
}

/// Their positions were once stored under one name.
#[test]
fn a_source_may_not_have_the_name_that_a_stream_without_one_gets() {
    let two = format!("[[source]]\nkind = \"stdin\"\n{SOURCE}name = \"stdin\"\n");
    assert_problems(
        &format!("{two}{}", good_webhook()),
        &["5:8: error: source.name: \"stdin\" is already the name of the one in line 1"],
    );
}

#[test]
fn two_sources_for_the_same_files_are_refused() {
    let hint = "\n    hint: two sources for the same lines would report every message twice";
    let dir = TempDir::new().unwrap();
    let log = dir.path().join("mail.log");
    fs::write(&log, "").unwrap();
    let dir = dir.path().display();
    let text = format!(
        "[[source]]\ninclude = [\"{dir}/*.log\"]\n[[source]]\ninclude = [\"{dir}/mail.*\"]\n{}",
        good_webhook()
    );
    let log = log.canonicalize().unwrap();
    assert_problems(
        &text,
        &[&format!(
            "3:1: error: source.include: {} is read by the source in line 1 already{hint}",
            log.display()
        )],
    );
    let text =
        "[[source]]\ninclude = [\"/nowhere/a.log\"]\n[[source]]\ninclude = [\"/nowhere/*.log\"]\n";
    let problems = all(&format!("{text}{}", good_webhook()));
    let overlap = problems.iter().find(|problem| problem.severity == Severity::Error).unwrap();
    assert_eq!(
        overlap.message, "/nowhere/a.log is read by the source in line 1 already",
        "also before the files exist"
    );
}

#[test]
fn networks_are_cidr_or_an_address() {
    let nets = |text: &str| {
        let loaded = good(&format!("{SOURCE}[mail]\nmynetworks = [{text}]"));
        loaded.config.mail.mynetworks.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(
        nets("\"10.0.0.0/8\", \"192.0.2.1\", \"::1\""),
        ["10.0.0.0/8", "192.0.2.1/32", "::1/128"]
    );
    assert_problems(
        &format!(
            "{SOURCE}[mail]\nmynetworks = [\"10.0.0.0/33\", \"10.1.2.3/8\"]\n{}",
            good_webhook()
        ),
        &[
            "4:15: error: mail.mynetworks: \"10.0.0.0/33\" is not a network\n    hint: write it like \"192.0.2.0/24\" or \"2001:db8::/32\"",
            "4:30: warning: mail.mynetworks: 10.1.2.3/8 has bits behind its prefix; 10.0.0.0/8 is used",
        ],
    );
}

#[test]
fn domains_are_kept_in_lower_case_and_are_no_addresses() {
    let loaded = good(&format!("{SOURCE}[mail]\nlocal_domains = [\"Example.COM\"]"));
    assert_eq!(loaded.config.mail.local_domains, ["example.com"]);
    assert_problems(
        &format!(
            "{SOURCE}[mail]\nlocal_domains = [\"me@a.test\", \"*.a.test\"]\n{}",
            good_webhook()
        ),
        &[
            "4:18: error: mail.local_domains: \"me@a.test\" is not a domain\n    hint: did you mean `a.test`?",
            "4:31: error: mail.local_domains: \"*.a.test\" is not a domain",
        ],
    );
}

#[test]
fn a_webhook_needs_a_name_a_url_and_one_secret() {
    let hint = "\n    hint: make one: (printf whsec_; head -c 32 /dev/urandom | base64) > FILE";
    assert_problems(
        &format!("{SOURCE}[[webhook]]\n"),
        &[
            "3:1: error: webhook.name: is missing",
            "3:1: error: webhook.url: is missing",
            &format!("3:1: error: webhook.secret_file: is missing, and so is `secret`{hint}"),
        ],
    );
    assert_webhook(
        &format!("url = \"https://example.com/\"\nsecret = \"{SECRET}\"\nsecret_file = \"/x\""),
        &["7:15: error: webhook.secret_file: `secret` is given, too\n    hint: keep one of them"],
    );
}

#[test]
fn a_url_is_parsed_and_held_against_the_profile() {
    let with = |url: &str, more: &str| {
        all(&format!("{SOURCE}{}{more}", good_webhook().replace("https://example.com/", url)))
    };
    assert_eq!(
        shown(&with("example.com/hook", "")),
        "5:7: error: webhook.url: is not a URL: relative URL without a base\n    hint: write it like \"https://example.com/webhook\""
    );
    let refused = with("http://example.com/", "");
    assert_eq!((refused[0].line, refused[0].key.as_str()), (Some(5), "webhook.url"));
    assert!(refused[0].message.starts_with("is refused: "), "{}", refused[0].message);
    assert!(with("http://127.0.0.1:8080/", "").is_empty(), "loopback is exempt");
    assert!(with("http://example.com/", "profile = \"generic\"").is_empty());
}

#[test]
fn each_profile_name_is_a_profile() {
    for name in PROFILE_NAMES {
        assert!(crate::profile::Profile::from_name(name).is_some(), "{name}");
    }
}

#[test]
fn an_unknown_event_name_is_reported_where_it_stands() {
    let text = format!("{SOURCE}{}events = [\"inbound.*\", \"outbound.bounce\"]\n", good_webhook());
    let problems = all(&text);
    assert_eq!((problems[0].line, problems[0].column), (Some(7), Some(24)));
    assert!(problems[0].message.contains("`outbound.bounce`"), "{}", problems[0].message);
    assert_problems(
        &format!("{SOURCE}{}events = []\n", good_webhook()),
        &[
            "7:10: error: webhook.events: names no event type\n    hint: leave it out for all of them",
        ],
    );
}

#[test]
fn event_names_add_up() {
    use crate::event::EventType;
    let events = webhook_with("events = [\"outbound.bounced\", \"inbound.*\"]").events;
    assert!(events.contains(EventType::OutboundBounced));
    assert!(events.contains(EventType::InboundSpam));
    assert!(!events.contains(EventType::OutboundDelivered));
}

#[test]
fn an_empty_filter_is_no_filter_and_domains_are_lower_case() {
    let webhook = webhook_with("filter_users = []\nfilter_domains = [\"A.test\"]");
    assert_eq!(webhook.filter_users, None);
    assert_eq!(webhook.filter_domains, Some(vec!["a.test".to_owned()]));
}

#[test]
fn timing_has_units_and_bounds() {
    let webhook = webhook_with("timeout = \"5s\"\nschedule = [\"1s\", \"1h\"]\nconcurrency = 3");
    assert_eq!(webhook.timeout, Duration::from_secs(5));
    assert_eq!(webhook.schedule, [Duration::from_secs(1), Duration::from_hours(1)]);
    assert_eq!(webhook.concurrency, 3);
    let lines = "timeout = 5\nschedule = [\"soon\", \"8d\"]\nconcurrency = 0";
    assert_problems(
        &format!("{SOURCE}{}{lines}\n", good_webhook()),
        &[
            "7:11: error: webhook.timeout: a duration needs a unit\n    hint: write \"5s\" for seconds",
            "8:13: error: webhook.schedule: \"soon\" is not a duration\n    hint: write a number and a unit, as in \"30s\", \"5m\", \"24h\", \"7d\"",
            "8:21: error: webhook.schedule: is longer than 7d",
            "9:15: error: webhook.concurrency: must be from 1 to 256",
        ],
    );
    assert_problems(
        &format!("{SOURCE}{}timeout = \"2m\"\nconcurrency = -1\n", good_webhook()),
        &[
            "7:11: error: webhook.timeout: must be from 1s to 60s",
            "8:15: error: webhook.concurrency: -1 is out of range",
        ],
    );
}

/// A file with `content` and `mode` in a directory that lives as long as the answer.
fn secret_file(content: &str, mode: u32) -> (TempDir, String) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("s");
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    let path = path.display().to_string();
    (dir, path)
}

#[test]
fn a_secret_file_gives_the_secret_without_its_line_end() {
    let (_dir, path) = secret_file(&format!("{SECRET}\n"), 0o600);
    let lines = format!("url = \"https://example.com/\"\nsecret_file = \"{path}\"\n");
    let loaded = good(&format!("{SOURCE}[[webhook]]\nname = \"w\"\n{lines}"));
    assert_eq!(loaded.config.webhooks[0].secret.reveal_once(), SECRET);
    assert!(loaded.warnings.is_empty());
}

#[test]
fn a_secret_file_that_everybody_can_read_is_a_warning() {
    let (_dir, path) = secret_file(SECRET, 0o644);
    assert_webhook(
        &format!("url = \"https://example.com/\"\nsecret_file = \"{path}\""),
        &[&format!(
            "6:15: warning: webhook.secret_file: can be read by every user of this host\n    hint: chmod o-rwx {path}"
        )],
    );
}

#[test]
fn a_secret_file_that_holds_no_secret_is_an_error() {
    let url = "url = \"https://example.com/\"";
    let (_dir, path) = secret_file("a\nb", 0o600);
    assert_webhook(
        &format!("{url}\nsecret_file = \"{path}\""),
        &[&format!(
            "6:15: error: webhook.secret_file: is not a secret file: {path} holds more than one line of text"
        )],
    );
    assert_webhook(
        &format!("{url}\nsecret_file = \"/nowhere/s\""),
        &[
            "6:15: error: webhook.secret_file: cannot be read: /nowhere/s: No such file or directory (os error 2)",
        ],
    );
    assert_webhook(
        &format!("{url}\nsecret_file = \"./s\""),
        &[
            "6:15: error: webhook.secret_file: must be an absolute path or the name of a systemd credential",
        ],
    );
    let (_dir, path) = secret_file("not a secret", 0o600);
    let problems =
        all(&format!("{SOURCE}[[webhook]]\nname = \"w\"\n{url}\nsecret_file = \"{path}\""));
    assert!(problems[0].message.starts_with("is refused: "), "{}", shown(&problems));
    assert!(!shown(&problems).contains("not a secret\""), "the content is not repeated");
}

#[test]
fn a_secret_in_a_file_that_everybody_can_read_is_a_warning() {
    let loaded = check_text(&format!("{SOURCE}{}", good_webhook()), Purpose::Daemon, true).unwrap();
    assert_eq!(
        shown(&loaded.warnings),
        "6:10: warning: webhook.secret: every user of this host can read this file\n    hint: chmod o-rwx the file, or use secret_file"
    );
}

#[test]
fn a_file_that_is_not_text_is_a_problem_and_a_missing_one_an_error() {
    let (_dir, path) = secret_file("", 0o600);
    fs::write(&path, b"a = 1\n\xff").unwrap();
    let Err(ConfigError::Invalid { problems, .. }) = load(Path::new(&path), Purpose::Daemon) else {
        panic!()
    };
    assert_eq!(shown(&problems), "2:1: error: is not UTF-8 text");
    assert!(matches!(load(Path::new("/nowhere"), Purpose::Daemon), Err(ConfigError::Read { .. })));
}

#[test]
fn the_reference_names_every_key_and_is_fresh() {
    let text = reference();
    for key in SECTIONS.iter().flat_map(|section| section.keys) {
        assert!(text.contains(&format!("| `{}` |", key.name)), "{}", key.name);
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/contrib/docs/config.md");
    if std::env::var_os("MAILHERALD_BLESS").is_some() {
        fs::write(path, &text).unwrap();
    }
    let committed = fs::read_to_string(path).unwrap_or_default();
    assert!(committed == text, "stale: MAILHERALD_BLESS=1 cargo test --lib reference");
}

/// The first TOML example in a document is right, but for the secret file, which is not here.
#[track_caller]
fn assert_example(document: &str) {
    let example = document.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next());
    let problems = all(example.unwrap());
    let errors: Vec<_> =
        problems.iter().filter(|problem| problem.severity == Severity::Error).collect();
    assert_eq!(errors.len(), 1, "{}", shown(&problems));
    assert_eq!(errors[0].key, "webhook.secret_file");
}

#[test]
fn the_example_of_the_reference_is_right() {
    assert_example(&reference());
}

#[test]
fn the_example_of_the_readme_is_right() {
    assert_example(include_str!("../../README.md"));
}

#[test]
fn the_store_section_is_read_and_its_bounds_are_checked() {
    let text = |lines: &str| format!("[store]\n{lines}\n{SOURCE}{}", good_webhook());
    let kept = good(&text("retain = \"0s\"\nbacklog_bytes = \"1MiB\"")).config.store.retention;
    assert_eq!((kept.events.age, kept.backlog.bytes), (Duration::ZERO, 1 << 20));
    assert_problems(
        &text(
            "retain_bytes = 5\nbacklog = \"5m\"\nbacklog_bytes = \"4GB\"\nretain_positions = \"1h\"\non_store_loss = \"24h\"",
        ),
        &[
            "2:16: error: store.retain_bytes: must be of type size, but is of type integer",
            "3:11: error: store.backlog: must be at least 1h",
            "4:17: error: store.backlog_bytes: \"4GB\" is not a size\n    hint: write a whole number and a unit, as in \"256MiB\", \"4GiB\"",
            "5:20: error: store.retain_positions: must be at least 2d",
            "6:17: error: store.on_store_loss: \"24h\" is not end, beginning or since: and a duration\n    hint: write \"since:24h\"",
        ],
    );
}

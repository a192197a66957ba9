//! The keys of the file, exactly as written: typed, placed, and not yet judged.
//!
//! This is the one definition of every key. The same lines give the structs that are read here,
//! the list against which unknown keys are recognised, and the reference
//! (`contrib/docs/config.md`, [`super::reference()`]); none of the three can fall behind.

use std::time::Duration;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    problem::{Code, Problems, nearest},
    value::{At, Bytes, Pairs, Value, read_at, table},
};

/// One key of one section.
#[derive(Debug)]
pub(super) struct Key {
    /// As written in the file.
    pub(super) name: &'static str,
    /// Type, for people.
    pub(super) type_name: &'static str,
    /// What holds when it is left out.
    pub(super) default: Fallback,
    /// What it does, a line each.
    pub(super) doc: &'static [&'static str],
}

/// What holds when a key is left out.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fallback {
    /// This TOML value.
    Is(&'static str),
    /// Something that cannot be written as a value; says what.
    Means(&'static str),
    /// It may not be left out; says why.
    Required(&'static str),
}

/// A table of the file.
#[derive(Debug)]
pub(super) struct Section {
    /// Header as written in the file; empty for the top level.
    pub(super) header: &'static str,
    /// What it is for, a line each.
    pub(super) doc: &'static [&'static str],
    /// Its keys, in the order of the reference.
    pub(super) keys: &'static [Key],
    /// Names that will mean something one day, and are refused until then.
    pub(super) later: &'static [&'static str],
}

impl Section {
    /// The key with its section, as problems name it.
    pub(super) fn path(&self, key: &str) -> String {
        match self.header.trim_matches(['[', ']']) {
            "" => key.to_owned(),
            section => format!("{section}.{key}"),
        }
    }

    fn refuse(&self, key: &Spanned<std::borrow::Cow<'_, str>>, problems: &mut Problems<'_>) {
        let name = key.get_ref();
        let path = self.path(name);
        if self.later.contains(&name.as_ref()) {
            problems.error(&key.span(), path, "not in this version").hint("remove it");
        } else {
            let known = self.keys.iter().map(|key| key.name);
            let problem = problems.error(&key.span(), path, "unknown key");
            problem.code = Code::Unknown;
            problem.did_you_mean(nearest(name, known));
        }
    }
}

/// Defines a section: the struct with every key optional, its reader, and its [`Section`].
macro_rules! section {
    (
        $(#[doc = $about:literal])*
        $name:ident $header:literal, later $later:tt
        $($(#[doc = $doc:literal])* $key:ident: $type:ty, $default:expr;)*
    ) => {
        $(#[doc = $about])*
        #[derive(Debug, Clone)]
        pub(super) struct $name {
            $($(#[doc = $doc])* pub(super) $key: Option<At<$type>>,)*
        }

        impl $name {
            /// Its definition.
            pub(super) const SECTION: Section = Section {
                header: $header,
                doc: &[$($about),*],
                keys: &[$(Key {
                    name: stringify!($key),
                    type_name: <$type as Value>::ONE,
                    default: $default,
                    doc: &[$($doc),*],
                }),*],
                later: &$later,
            };

            /// A table without any key.
            pub(super) fn empty() -> Self {
                Self { $($key: None),* }
            }

            /// Reads all keys, known and unknown.
            pub(super) fn from_table(table: DeTable<'_>, problems: &mut Problems<'_>) -> Self {
                let mut read = Self::empty();
                for (key, value) in table {
                    let path = Self::SECTION.path(key.get_ref());
                    match key.get_ref().as_ref() {
                        $(stringify!($key) => read.$key = read_at(value, &path, problems),)*
                        _ => Self::SECTION.refuse(&key, problems),
                    }
                }
                read
            }
        }

        impl Value for $name {
            const ONE: &'static str = concat!("table, written ", $header);
            const MANY: &'static str = concat!("array of tables, each written ", $header);

            fn read(
                raw: Spanned<DeValue<'_>>,
                key: &str,
                problems: &mut Problems<'_>,
            ) -> Option<Self> {
                table::<Self>(raw, key, problems).map(|table| Self::from_table(table, problems))
            }
        }
    };
}

section! {
    /// The whole file.
    RawConfig "", later []

    /// Directory of the store and of generated secrets. Absolute. Created, readable only by its
    /// owner, when it does not exist.
    state_dir: String, Fallback::Is("\"/var/lib/mailherald\"");
    /// File that holds the key under which secrets are sealed before they are stored, 32 bytes in
    /// base64: an absolute path, or the name of a systemd credential. Keep it out of `state_dir` and
    /// of its backups.
    seal_key_file: String,
        Fallback::Means("secrets are stored as they are; `state_dir` is for its owner only");
    /// The same of the key before it, to change the key: a start with both seals every stored secret
    /// under the new one. Then this one can go.
    former_seal_key_file: String, Fallback::Means("`seal_key_file` has always been the key");
    /// Where log lines come from.
    source: Vec<At<RawSource>>, Fallback::Required("without one there is nothing to read");
    /// How long history is kept, and what happens when the disk is full or the store is lost.
    store: RawStore, Fallback::Means("its defaults");
    /// What the mail host knows about itself.
    mail: RawMail, Fallback::Means("its defaults");
    /// Where webhooks may be sent besides the public internet.
    egress: RawEgress, Fallback::Means("its defaults");
    /// Where the control API listens besides its unix socket.
    api: RawApi, Fallback::Means("its defaults");
    /// What becomes of complaints and late bounces, which come back as mail.
    reports: RawReports, Fallback::Means("its defaults");
    /// Streams of messages that have a name.
    route: Vec<At<RawRoute>>, Fallback::Means("no stream has a name");
    /// Who is told.
    webhook: Vec<At<RawWebhook>>, Fallback::Means("nobody is told; `check` warns");
    /// Attempts under way at once, over all webhooks, 1 to 4096. Each webhook has its share of them
    /// free at any time, whatever the others do.
    concurrency: usize, Fallback::Is("256");
}

section! {
    /// Where log lines come from. At least one; no two may read the same file.
    RawSource "[[source]]", later []

    /// Names the source in messages and its positions in the store, so keep it when `include`
    /// changes. Unique; 1 to 64 characters.
    name: String, Fallback::Means("the `include` patterns, or the `kind`");
    /// `file`, `journald`, `stdin`, `haraka-plugin` or `milter`. `journald` follows systemd's journal through
    /// `journalctl`: what came by syslog under the facility `mail`. `haraka-plugin` reads what
    /// haraka-plugin-mailherald writes; beside Haraka's log it is told first. A stream
    /// cannot be read again: what was taken from it and not committed when the program is killed is lost,
    /// which never happens to a file or a journal. And whoever writes to it waits while it is not read, as
    /// with a full disk: of Postfix that is postlogd, and soon all of its daemons.
    kind: String, Fallback::Is("\"file\"");
    /// Glob patterns of the live file and its rotated generations, absolute paths. Rotated files
    /// may be compressed (gzip, zstd, xz, bzip2).
    include: Vec<At<String>>, Fallback::Required("for `file`; the others have none");
    /// Directory of the journal's files, absolute; in a container, where the host's
    /// `/var/log/journal` is mounted. For `haraka-plugin` the plugin's `dir`.
    directory: String, Fallback::Means("for `journald` the journal of this host, for `haraka-plugin` `/var/log/haraka`; the others have none");
    /// Whose lines these are: `auto` (decided line by line), `postfix` (and the filters around it) or
    /// `haraka`. Those of the other one mean nothing then.
    mta: String, Fallback::Is("\"auto\"");
    /// Where to begin when nothing is stored for the source yet: `end`, `beginning` (the oldest
    /// generation or entry) or a duration, for the lines of the last so-and-so long. `stdin` has none.
    start: String, Fallback::Is("\"end\"");
    /// How long half a line at the end of a log is waited on once the log is closed: when it is renamed
    /// as rotations do, or deleted, and nothing comes any more. Then it is taken as it is, and an event that
    /// comes of it says `partial`; so is that of an archive, at once. `0s` for never. For `file` only.
    partial_line_timeout: Duration, Fallback::Is("\"10s\"");
    /// Without a line for so long the source is silent, and webhooks that name `source.stalled` are
    /// told. At least 1m; more than the longest pause that is usual there.
    silence: Duration, Fallback::Means("a silence is not told");
    /// Where Postfix finds a `milter`, which adds to the log what that does not say: `unix:` and an
    /// absolute path, or `inet:`, an address and a port. Postfix's daemons mostly run in a chroot, so a
    /// path must lie under its `queue_directory`, and be given to Postfix without that.
    listen: String, Fallback::Required("for `milter`; the others have none");
    /// Mode of that unix socket, in octal. Its directory decides, too.
    socket_mode: String, Fallback::Means("`0660`");
    /// Group of that unix socket: one that Postfix's user is in. Not needed where the directory has the
    /// setgid bit.
    socket_group: String, Fallback::Means("that of the directory or of the program, as the system sets it");
    /// The `milter` also takes the reports out of the mail: complaints and late bounces (`[reports]`).
    /// Postfix then waits for one more answer for each message, and sends it the bodies of reports.
    reports: bool, Fallback::Means("`false`");
    /// Headers in which a spam or virus filter before the `milter` says what it found, of `X-Spam-Status`,
    /// `X-Spam-Flag`, `X-Spam-Score`, `X-Spam`, `X-Virus-Status`, `X-Rspamd-Action` and `X-Rspamd-Score`.
    /// Name only those that this filter removes from what comes in: anybody can write them. One that is
    /// there twice never counts.
    verdict_headers: Vec<At<String>>, Fallback::Means("none counts");
}

section! {
    /// What the mail host knows about itself. Decides which messages are outbound and which are
    /// inbound. What is left out here is read from Postfix, if it is on this host; `check` shows
    /// what that is.
    RawMail "[mail]", later []

    /// Domains whose mailboxes are on this host.
    local_domains: Vec<At<String>>,
        Fallback::Means("Postfix's `mydestination`, `virtual_mailbox_domains`, \
            `virtual_alias_domains` and `relay_domains`; else `[]`");
    /// Networks whose clients submit outbound mail, in CIDR notation; a single address is a
    /// network of one.
    mynetworks: Vec<At<String>>,
        Fallback::Means("Postfix's `mynetworks`; else `[\"127.0.0.0/8\", \"::1/128\"]`");
    /// Services of the MTA whose clients submit outbound mail, as the syslog tag names them.
    submission_services: Vec<At<String>>,
        Fallback::Is("[\"submission\", \"submissions\", \"smtps\"]");
    /// Instances of Postfix by their whole `syslog_name`, where that is not told from the syslog
    /// tag by itself: up to the first component that begins with `postfix`, else the first one.
    /// The longest that a tag begins with counts.
    instances: Vec<At<String>>, Fallback::Is("[]");
    /// Headers whose values come back as `metadata` in each event of the message: the sender's own ids. At
    /// most 16, of which 1 KiB is kept. A `milter` sees them, Haraka's plugin, and a header check of Postfix
    /// that logs them (`/^X-Order:/ INFO`).
    metadata_headers: Vec<At<String>>, Fallback::Is("[]");
    /// The header whose value comes back as `tag`; seen as those are.
    tag_header: String, Fallback::Is("\"X-Mailherald-Tag\"");
    /// `auto`: `run` and `replay` ask `postconf(1)`, when there is one, for `local_domains` and
    /// `mynetworks` where they are left out. Lookup tables, files and patterns in its answer are not read, but named.
    /// `off`: for logs of another host, or to have the same result everywhere.
    postconf: String, Fallback::Is("\"auto\"");
}

section! {
    /// Gives a stream of messages a name: `route` in their events, by which webhooks can be limited
    /// to them. Each key that is given must hold, with any of its values. The first route that a
    /// message fits counts, and is kept when the message moves to another queue ID. Several may have
    /// the same name.
    RawRoute "[[route]]", later []

    /// The stream. 1 to 64 characters.
    name: String, Fallback::Required("it is what events are told apart by");
    /// Users that submit its messages, as `user` in events names them.
    users: Vec<At<String>>, Fallback::Is("[]");
    /// Instances of Postfix, by their `syslog_name`.
    instances: Vec<At<String>>, Fallback::Is("[]");
    /// Services of the MTA that take its messages in, as the syslog tag names them.
    services: Vec<At<String>>, Fallback::Is("[]");
    /// Domains of the envelope sender, without their subdomains.
    sender_domains: Vec<At<String>>, Fallback::Is("[]");
    /// A header of its messages, which only a `milter` sees: `X-Stream`, or `X-Stream: news` for one
    /// value of it.
    header: String, Fallback::Means("no header is asked for");
}

section! {
    /// How long history is kept, and what happens when the disk is full or the store is lost.
    RawStore "[store]", later []

    /// How long an event stays after it was stored, to be found and for replays to know it. `0s`
    /// keeps what is still to be sent and no more.
    retain: Duration, Fallback::Is("\"7d\"");
    /// Bytes of events that stay at most: beyond it the oldest go, whatever their age.
    retain_bytes: Bytes, Fallback::Is("\"4GiB\"");
    /// How long a delivery that was given up stays on record.
    retain_dead: Duration, Fallback::Is("\"30d\"");
    /// How long attempts stay on record, the last 64 MiB of each webhook. `0s` for no record.
    retain_attempts: Duration, Fallback::Is("\"7d\"");
    /// How long it is remembered how far a log was read that is no longer there.
    retain_positions: Duration, Fallback::Is("\"30d\"");
    /// How long an event may wait for a webhook, unless that says otherwise. What is older is not sent any
    /// more; that is counted and logged.
    backlog: Duration, Fallback::Is("\"7d\"");
    /// Bytes of events that may wait for a webhook, unless that says otherwise: beyond it the oldest are not
    /// sent any more.
    backlog_bytes: Bytes, Fallback::Is("\"4GiB\"");
    /// Below that much free space where the store lies, nothing is read until there is more: the logs
    /// wait.
    min_free: Bytes, Fallback::Means("256MiB, or 2 % of the file system where that is less");
    /// Where file sources begin again when the store was damaged beyond repair: `end`, `beginning` or
    /// `since:` and a duration. What was sent before the loss is sent again, with the same ids.
    on_store_loss: String, Fallback::Is("\"since:24h\"");
}

section! {
    /// Where webhooks may be sent. The public internet is always open. Link-local addresses, metadata
    /// services of clouds, multicast and this daemon itself never are. A webhook of this file or of
    /// flags may also name this machine in its `url`: as `localhost` or by a loopback address.
    RawEgress "[egress]", later []

    /// Networks that webhooks, also those made through the API, may reach besides the public internet,
    /// in CIDR notation; a single address is a network of one.
    allow_cidrs: Vec<At<String>>, Fallback::Is("[]");
    /// Plain `http` only to loopback, whatever the profile allows.
    require_https: bool, Fallback::Is("false");
}

section! {
    /// The control API. It always listens on a unix socket in `state_dir`, where root and the daemon's
    /// own user need no key.
    RawApi "[api]", later []

    /// Address and port where it listens as well, for those who have a key (`mailherald keys create`);
    /// `none` for nowhere.
    listen: String, Fallback::Is("\"127.0.0.1:8025\"");
    /// Certificate for TLS on that address, in PEM: our own first, then those that lead to an authority.
    /// An absolute path, or the name of a systemd credential. A reload reads it again.
    tls_cert: String, Fallback::Means("no TLS; then only an address of this machine is taken");
    /// Its private key, in PEM.
    tls_key: String, Fallback::Means("the key is in the file of `tls_cert`");
    /// Listen on an address that other machines reach, without TLS: keys and what is answered can be
    /// read on the way.
    insecure_bind: bool, Fallback::Is("false");
}

section! {
    /// What becomes of reports that come back as mail: complaints (feedback reports, ARF) and late bounces
    /// and delays (delivery status notifications). They come through a `milter` with `reports = true`, or
    /// through `mailherald ingest`.
    RawReports "[reports]", later []

    /// Names under which a verifier on this host writes `Authentication-Results` (of opendkim: its
    /// `AuthservID`, which is the name of the host if not set). It must stand before the milter, and remove
    /// headers that pretend to be its own. Without such a name no report is `trusted`.
    authserv_ids: Vec<At<String>>, Fallback::Is("[]");
    /// Only reports that can be `trusted` give events.
    trusted_only: bool, Fallback::Is("false");
    /// Which reports give an event although no message of ours was found that they are about: the
    /// `complaints` (their message may be older than what is kept), `all` or `none`. Late bounces of that
    /// kind are mostly answers to mail that somebody sent under your name.
    unmatched: String, Fallback::Is("\"complaints\"");
    /// A header that identifies your messages; one of `mail.metadata_headers`. A report that returns it is
    /// known by it where everything else is missing.
    id_header: String, Fallback::Means("no header is looked at");
    /// Files that hold the keys with which applications sign envelope senders, so that a report leads to
    /// its message whatever else it leaves out: absolute paths, or the names of systemd credentials. A
    /// key is 32 to 256 printable characters, used as they stand. The first one is the present one, others
    /// are those before it: at most 8. See [reports.md](reports.md).
    verp_key_files: Vec<At<String>>, Fallback::Is("[]");
    /// A unix socket of its own for `mailherald ingest`, where those may connect whom its mode lets: for
    /// pipes that run as another user than the daemon. Reports from other users than root and the
    /// daemon's own are never `trusted`.
    socket: String, Fallback::Means("only the socket of the API in `state_dir`");
    /// Mode of that socket, in octal. Its directory decides, too.
    socket_mode: String, Fallback::Means("`0660`");
}

section! {
    /// A receiver of events.
    RawWebhook "[[webhook]]", later []

    /// Identifies the webhook: what was sent to it is remembered under this name. Unique; 1 to 64
    /// characters.
    name: String, Fallback::Required("a renamed webhook is a new one");
    /// Where events are sent, by POST. `https`; `http` only to loopback, or with the profiles
    /// `jetemail` and `generic`.
    url: String, Fallback::Required("there is no receiver without it");
    /// Payload, headers, signature, retry schedule and response classes: `standard`, `jetemail`,
    /// `generic` or `lettermint`.
    profile: String, Fallback::Is("\"standard\"");
    /// Event types by their canonical or the profile's own names; `*`, `outbound.*` and
    /// `inbound.*` are wildcards.
    events: Vec<At<String>>, Fallback::Is("[\"*\"]");
    /// Signs the requests. `whsec_` and base64 for `standard`; any 16 to 256 printable characters
    /// for the others. Exactly one of `secret` and `secret_file` is required.
    secret: String, Fallback::Means("`secret_file` gives it");
    /// File that holds the secret: an absolute path, or the name of a systemd credential. Keep it
    /// unreadable for other users.
    secret_file: String, Fallback::Means("`secret` gives it");
    /// Outbound events only of messages that these users submitted; empty for all.
    filter_users: Vec<At<String>>, Fallback::Is("[]");
    /// Inbound events only of messages to these domains; empty for all.
    filter_domains: Vec<At<String>>, Fallback::Is("[]");
    /// Only events of messages of these streams, by the names of `[[route]]`; empty for all.
    routes: Vec<At<String>>, Fallback::Is("[]");
    /// Which deferrals: `every` one, only the `first` of each recipient, or `on_change`, those with
    /// another status code or category than the one before.
    deferrals: String, Fallback::Is("\"every\"");
    /// Also opens and clicks by bots, privacy proxies and scanners.
    include_machine_events: bool, Fallback::Is("false");
    /// What becomes of local parts of addresses, in every text of an event: `none` shows them, `mask`
    /// only their first letter, `hash` a keyed hash, which is the same for the same address.
    privacy: String, Fallback::Is("\"none\"");
    /// `keep`, or `drop` to leave it out.
    subject: String, Fallback::Is("\"keep\"");
    /// Also the log line that gave the event, as `evidence`. Lines are kept with events only from when
    /// a webhook asks for them.
    evidence: bool, Fallback::Is("false");
    /// For one whole request, 1s to 60s.
    timeout: Duration, Fallback::Means("the profile's");
    /// Waits before attempt 2, 3, …, each counted from the end of the attempt before. At most 50,
    /// each at most 7d. Empty for a single attempt.
    schedule: Vec<At<Duration>>, Fallback::Means("the profile's");
    /// Attempts under way at once, 1 to 256.
    concurrency: usize, Fallback::Is("16");
    /// Attempts a second at most, 1 to 100000, evenly.
    rate: usize, Fallback::Means("no limit");
    /// `none`: oldest first, side by side, and what failed is overtaken. `message`: the events of one
    /// message one after the other, also across retries.
    ordering: String, Fallback::Is("\"none\"");
    /// Adds up to a tenth, and at most a minute, to each wait of the schedule, at random. `false` for
    /// the exact schedule.
    jitter: bool, Fallback::Is("true");
    /// Leaves a receiver alone that is down while 100 events or more wait for it, but for probes that
    /// use up no attempts. `false` for the exact schedule.
    circuit: bool, Fallback::Is("true");
    /// Status codes that end a delivery whatever the profile says: it is discarded. 300 to 599.
    final_codes: Vec<At<u16>>, Fallback::Is("[]");
    /// Status codes after which a delivery is tried again whatever the profile says. 300 to 599.
    retry_codes: Vec<At<u16>>, Fallback::Is("[]");
    /// How long an event may wait for this webhook. At least 1h.
    backlog: Duration, Fallback::Means("`store.backlog`");
    /// Bytes of events that may wait for this webhook. At least 1MiB.
    backlog_bytes: Bytes, Fallback::Means("`store.backlog_bytes`");
    /// Headers to send beside those of the profile, as name and value: at most 32, values of up to
    /// 4096 visible ASCII characters. Those that frame, sign or identify a request cannot be set.
    headers: Pairs, Fallback::Is("{}");
    /// Headers that are sent when they are named here: `x-webhook-attempt`, the number of the attempt,
    /// and `idempotency-key`, the id of the event.
    extra_headers: Vec<At<String>>, Fallback::Is("[]");
    /// Signatures beside that of the profile. `standard`: `webhook-id`, `webhook-timestamp` and
    /// `webhook-signature` of Standard Webhooks.
    extra_signatures: Vec<At<String>>,
        Fallback::Means("`[\"standard\"]` with `jetemail` and `generic`, else `[]`");
    /// PEM file of certificate authorities to trust beside those of the system. Absolute path, or the
    /// name of a systemd credential; so are the next two.
    ca_file: String, Fallback::Means("those of the system");
    /// PEM file of the certificate, with its chain, that we show to the receiver.
    client_cert: String, Fallback::Means("none is shown");
    /// PEM file of its private key. Keep it unreadable for other users.
    client_key: String, Fallback::Means("the key is in `client_cert`");
    /// HTTP proxy to send through, `http://` or `https://`, with a user name and password if need be.
    /// It resolves the receiver's name, which is then not held against `[egress]`.
    proxy: String, Fallback::Means("requests are sent directly");
    /// Takes any certificate: whoever is on the way can read the events and answer in the receiver's
    /// place. For trials; use `ca_file` instead.
    insecure_skip_verify: bool, Fallback::Is("false");
}

/// Every section, in the order of the reference.
pub(super) const SECTIONS: &[&Section] = &[
    &RawConfig::SECTION,
    &RawSource::SECTION,
    &RawStore::SECTION,
    &RawMail::SECTION,
    &RawEgress::SECTION,
    &RawApi::SECTION,
    &RawReports::SECTION,
    &RawRoute::SECTION,
    &RawWebhook::SECTION,
];

impl RawWebhook {
    /// Reads one webhook whose keys are the whole text.
    pub(super) fn from_text(text: &str, problems: &mut Problems<'_>) -> Self {
        match DeTable::parse(text) {
            Ok(table) => Self::from_table(table.into_inner(), problems),
            Err(error) => {
                problems.error(&(0..0), "", error.message());
                Self::empty()
            }
        }
    }
}

/// Reads a whole text, going on after each mistake as far as the syntax allows.
pub(super) fn read(text: &str, problems: &mut Problems<'_>) -> RawConfig {
    let (root, syntax) = DeTable::parse_recoverable(text);
    for error in syntax {
        let message = error.message().replace('\n', ", ");
        problems.error(&error.span().unwrap_or_default(), "", message);
    }
    RawConfig::from_table(root.into_inner(), problems)
}

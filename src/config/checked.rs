//! The configuration that the rooms work with: complete, typed, cross-checked.

use std::{fmt, net::SocketAddr, path::PathBuf, time::Duration};

use ipnet::IpNet;
use jiff::Timestamp;
use rand::{TryRng, rngs::SysRng};
use sha2::{Digest, Sha256};
use url::Url;

use super::{draft::Made, identity::ServerIdentity, selection::Selection, transport::Transport};
use crate::{
    egress::{Policy, UrlRules},
    event::{
        Route,
        id::{self, base32},
    },
    profile::Profile,
    queue::{filter::TypeSet, policy, subscription::Subscription},
    secret::{Hidden, KeyRing, KeySet, Sealing, Secret, SecretError},
};

/// Everything that was configured, defaults filled in.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the store, generated secrets and the control socket live.
    pub state_dir: PathBuf,
    /// Where lines come from.
    pub sources: Vec<Source>,
    /// How long history is kept.
    pub store: StoreSettings,
    /// What the mail host knows about itself.
    pub mail: Mail,
    /// Where webhooks may be sent.
    pub egress: Policy,
    /// Where the control API listens besides its socket; None for nowhere.
    pub api: Option<Api>,
    /// What becomes of reports.
    pub reports: Reports,
    /// Seals secrets before they are stored.
    pub sealing: Sealing,
    /// Who is told.
    pub webhooks: Vec<Webhook>,
    /// Attempts under way at once, over all webhooks.
    pub concurrency: usize,
}

/// `[api]`: where the control API is on the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Api {
    /// Where it listens.
    pub address: SocketAddr,
    /// Who it is there over TLS; None without TLS.
    pub tls: Option<ServerIdentity>,
}

/// One `[[source]]`.
#[derive(Debug, Clone)]
pub struct Source {
    /// Unique; names the positions in the store. Derived from the include patterns if not given.
    pub name: String,
    /// Whose lines these are.
    pub mta: Mta,
    /// Where to begin when nothing is stored yet.
    pub start: Start,
    /// Without a line for so long it is silent, and that is told.
    pub silence: Option<Duration>,
    /// How to read.
    pub kind: SourceKind,
}

/// How a source reads.
#[derive(Debug, Clone)]
pub enum SourceKind {
    /// Log files that grow and rotate.
    File(FileSource),
    /// systemd's journal.
    Journald(JournaldSource),
    /// Standard input.
    Stdin,
    /// A socket that Postfix tells of each message while it takes it in.
    Milter(MilterSource),
}

impl SourceKind {
    /// What it gave and nobody stored is given once more. What was taken from a stream is gone.
    #[must_use]
    pub fn can_be_read_again(&self) -> bool {
        !matches!(self, Self::Stdin)
    }
}

/// A `kind = "milter"` source.
#[derive(Debug, Clone, Default)]
pub struct MilterSource {
    /// Where Postfix finds it.
    pub listen: Listen,
    /// Mode of a unix socket.
    pub mode: u32,
    /// Group of a unix socket; None for what the system gives it.
    pub group: Option<String>,
    /// Reports are taken out of the mail.
    pub reports: bool,
    /// Headers of earlier filters that count.
    pub verdicts: Vec<String>,
}

/// Headers of filters whose words are known.
pub const VERDICT_HEADERS: [&str; 7] = [
    "X-Spam-Status",
    "X-Spam-Flag",
    "X-Spam-Score",
    "X-Spam",
    "X-Virus-Status",
    "X-Rspamd-Action",
    "X-Rspamd-Score",
];

/// Where a socket is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// A path.
    Unix(PathBuf),
    /// Address and port.
    Inet(SocketAddr),
}

impl Default for Listen {
    fn default() -> Self {
        Self::Unix(PathBuf::new())
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Inet(address) => write!(f, "inet:{address}"),
        }
    }
}

/// `[reports]`: what becomes of reports that come back as mail.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reports {
    /// Servers whose `Authentication-Results` count, lower case.
    pub authserv_ids: Vec<String>,
    /// Which are told although their message is not known.
    pub unmatched: Unmatched,
    /// Others than trusted ones are not told.
    pub trusted_only: bool,
    /// A header that identifies messages, by its name among [`HeaderNames::metadata`].
    pub id_header: Option<String>,
    /// Where other users may bring reports.
    pub socket: Option<ReportSocket>,
    /// Sign envelope senders: the first one new ones, the others those of before.
    pub verp_keys: Vec<Hidden>,
}

/// Which reports are told although their message is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unmatched {
    /// Feedback reports.
    #[default]
    Complaints,
    /// Late bounces as well.
    All,
    /// None.
    None,
}

/// A unix socket that takes nothing but reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportSocket {
    /// Where.
    pub path: PathBuf,
    /// Its mode.
    pub mode: u32,
}

/// Headers that senders use for their own purposes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderNames {
    /// Each comes back in `metadata`, under this name.
    pub metadata: Vec<String>,
    /// Comes back as `tag`.
    pub tag: String,
}

impl Default for HeaderNames {
    fn default() -> Self {
        Self { metadata: Vec::new(), tag: "X-Mailherald-Tag".into() }
    }
}

/// A `kind = "journald"` source.
#[derive(Debug, Clone, Default)]
pub struct JournaldSource {
    /// The journal's files; None for the journal of this host.
    pub directory: Option<PathBuf>,
}

/// A `kind = "file"` or `kind = "haraka-plugin"` source.
#[derive(Debug, Clone)]
pub struct FileSource {
    /// Glob patterns: the live file and its rotated generations.
    pub include: Vec<String>,
    /// How long half a line at the end of a closed log is waited on; None for ever.
    pub partial_line_timeout: Option<Duration>,
    /// They are those of the plugin for Haraka (`kind = "haraka-plugin"`).
    pub is_of_plugin: bool,
}

impl Default for FileSource {
    fn default() -> Self {
        let partial_line_timeout = Some(Duration::from_secs(10));
        Self { include: Vec::new(), partial_line_timeout, is_of_plugin: false }
    }
}

/// Whose log lines a source holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mta {
    /// Decided line by line.
    #[default]
    Auto,
    /// Postfix and the filters around it.
    Postfix,
    /// Haraka.
    Haraka,
}

/// Where a source begins when nothing is stored for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Start {
    /// Behind what is already there.
    #[default]
    End,
    /// With the oldest generation.
    Beginning,
    /// With the lines of the last so-and-so long.
    Since(Duration),
}

/// `[store]`.
#[derive(Debug, Clone)]
pub struct StoreSettings {
    /// How long what is stored stays.
    pub retention: Retention,
    /// Bytes that must be free where the store lies; None for the default.
    pub min_free: Option<u64>,
    /// Where file sources begin again after the store was lost.
    pub on_loss: Start,
}

impl Default for StoreSettings {
    fn default() -> Self {
        let on_loss = Start::Since(Duration::from_hours(24));
        Self { retention: Retention::default(), min_free: None, on_loss }
    }
}

/// How long what is stored stays. Counted from the moment of storing, never from log time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Events behind all cursors.
    pub events: Kept,
    /// Events that wait for a webhook; what goes beyond is not sent any more.
    pub backlog: Kept,
    /// Deliveries that were given up.
    pub dead: Duration,
    /// Attempts; zero for no record of them.
    pub attempts: Duration,
    /// Positions in logs that are no longer there.
    pub positions: Duration,
}

/// Bounds of a stretch of events: whichever is reached first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Age of the oldest.
    pub age: Duration,
    /// Bytes of all.
    pub bytes: u64,
}

impl Default for Retention {
    fn default() -> Self {
        let week = Kept { age: Duration::from_hours(7 * 24), bytes: 4 << 30 };
        let month = Duration::from_hours(30 * 24);
        let attempts = week.age;
        Self { events: week, backlog: week, dead: month, attempts, positions: month }
    }
}

/// `[mail]`: what decides the direction of a message.
#[derive(Debug, Clone)]
pub struct Mail {
    /// Domains whose mailboxes are here, lower case.
    pub local_domains: Vec<String>,
    /// Networks whose clients submit outbound mail.
    pub mynetworks: Vec<IpNet>,
    /// Services (`submission`, `smtps`, …) whose clients submit outbound mail.
    pub submission_services: Vec<String>,
    /// Instances of the MTA whose name a tag does not tell by itself.
    pub instances: Vec<String>,
    /// Headers that senders use for their own purposes.
    pub headers: HeaderNames,
    /// Streams of messages that have a name, in the order in which they are tried.
    pub routes: Vec<Route>,
    /// What of it nobody has said, so that Postfix may be asked.
    pub unsaid: Unsaid,
}

/// Keys of `[mail]` that hold their default, and which [`super::postconf`] may fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsaid {
    /// `local_domains`.
    pub local_domains: bool,
    /// `mynetworks`.
    pub mynetworks: bool,
}

impl Unsaid {
    /// Nothing is asked.
    pub const NOTHING: Self = Self { local_domains: false, mynetworks: false };

    /// Is there anything to ask?
    #[must_use]
    pub fn any(self) -> bool {
        self.local_domains || self.mynetworks
    }
}

impl Default for Mail {
    fn default() -> Self {
        Self {
            unsaid: Unsaid { local_domains: true, mynetworks: true },
            local_domains: Vec::new(),
            mynetworks: ["127.0.0.0/8", "::1/128"]
                .iter()
                .filter_map(|net| net.parse().ok())
                .collect(),
            submission_services: vec!["submission".into(), "submissions".into(), "smtps".into()],
            instances: Vec::new(),
            headers: HeaderNames::default(),
            routes: Vec::new(),
        }
    }
}

/// One `[[webhook]]`.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// Stable identity in the store.
    pub id: WebhookId,
    /// Unique among the configured ones.
    pub name: String,
    /// Where to POST.
    pub url: Url,
    /// Dialect.
    pub profile: Profile,
    /// Which types it wants.
    pub events: TypeSet,
    /// Signs its requests until it is rotated ([`Webhook::ring`]).
    pub secret: Secret,
    /// Outbound events only of these users; None for all.
    pub filter_users: Option<Vec<String>>,
    /// Inbound events only for these domains, lower case; None for all.
    pub filter_domains: Option<Vec<String>>,
    /// For the whole request.
    pub timeout: Duration,
    /// Waits before attempt 2, 3, …, each counted from the end of the attempt before.
    pub schedule: Vec<Duration>,
    /// Attempts under way at once.
    pub concurrency: usize,
    /// How its deliveries are treated beyond what the profile says.
    pub policy: policy::Policy,
    /// How its requests travel.
    pub transport: Transport,
    /// Which of the events it wants, and what of them it is shown.
    pub selection: Selection,
    /// What was asked for, if it was made at run time; None for one of the configuration.
    pub made: Option<Made>,
}

impl Webhook {
    /// The secrets that are good at `now`.
    #[must_use]
    pub fn keys(&self, now: Timestamp) -> KeySet {
        self.ring().at(now)
    }

    /// All that is known of its secrets.
    #[must_use]
    pub fn ring(&self) -> KeyRing {
        self.transport.keys.ring().unwrap_or_else(|| KeyRing::new(self.secret.clone()))
    }

    /// Says the same, whatever has become of its secret since.
    #[must_use]
    pub fn is_as(&self, other: &Self) -> bool {
        let Self { id, name, url, profile, events, secret, filter_users, filter_domains, .. } =
            self;
        let Self { timeout, schedule, concurrency, policy, transport, selection, made, .. } = self;
        let keys = other.transport.keys.clone();
        (*id, name, url, *profile, *events, secret)
            == (other.id, &other.name, &other.url, other.profile, other.events, &other.secret)
            && (filter_users, filter_domains) == (&other.filter_users, &other.filter_domains)
            && (*timeout, schedule, *concurrency)
                == (other.timeout, &other.schedule, other.concurrency)
            && (policy, selection, made) == (&other.policy, &other.selection, &other.made)
            && Transport { keys, ..transport.clone() } == other.transport
    }

    /// What decides of which events it is told.
    #[must_use]
    pub fn subscription(&self) -> Subscription<'_> {
        Subscription {
            types: self.events,
            users: self.filter_users.as_deref().unwrap_or_default(),
            domains: self.filter_domains.as_deref().unwrap_or_default(),
            routes: &self.selection.routes,
            deferrals: self.selection.deferrals,
            machine: self.selection.include_machine_events,
        }
    }

    /// What decides about its URL besides the policy.
    #[must_use]
    pub fn url_rules(&self) -> UrlRules {
        UrlRules { profile: self.profile, origin: self.transport.connection.origin }
    }
}

/// Identity of a webhook in the store: for one from the file, the hash of its name, for one that was
/// made at run time random bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WebhookId(pub [u8; 16]);

impl fmt::Display for WebhookId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "wh_{}", base32(self.0))
    }
}

impl WebhookId {
    /// A new identity, of 122 random bits: a UUID of version 4 (RFC 9562, section 5.4).
    ///
    /// # Errors
    /// The system has no random bytes.
    pub fn generate() -> Result<Self, SecretError> {
        let mut bytes = [0; 16];
        SysRng.try_fill_bytes(&mut bytes).map_err(|_| SecretError::NoRandomness)?;
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        Ok(Self(bytes))
    }

    /// The same as the APIs of JetEmail and Lettermint print it: a UUID (RFC 9562, section 5.8).
    #[must_use]
    pub fn to_uuid(self) -> String {
        id::uuid(self.0)
    }

    /// The identity of the file webhook of that name.
    #[must_use]
    pub fn of_name(name: &str) -> Self {
        let full = Sha256::digest(name.as_bytes());
        let mut first = [0; 16];
        first.copy_from_slice(full.get(..16).unwrap_or(&[0; 16]));
        Self(first)
    }
}

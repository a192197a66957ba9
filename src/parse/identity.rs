//! What the ids of a line's events begin with: most of what is hashed for them, and all that the
//! line alone tells.

use mailherald_parsers::LogRecord;

use crate::event::Identities;

/// What the ids of all events of a mail system begin with: mostly the same one for the next line.
#[derive(Debug, Default)]
pub(super) struct Beginning {
    host: Vec<u8>,
    instance: Vec<u8>,
    /// None until the first line.
    identities: Option<Identities>,
}

impl Beginning {
    /// What the ids of the events of a line begin with.
    pub(super) fn of(&mut self, record: &LogRecord<'_>) -> Identities {
        let (host, instance) = (record.host, record.process.instance);
        let is_it = self.host == host && self.instance == instance;
        let known = self.identities.take().filter(|_| is_it);
        let system = known.unwrap_or_else(|| {
            (self.host, self.instance) = (host.into(), instance.into());
            Identities::of_system(host, instance)
        });
        self.identities.insert(system).and(&[record.line])
    }
}

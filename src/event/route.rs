//! What names a stream of messages (events.md §4).
//!
//! When it is decided is `correlate`'s business; which webhooks want which stream is `queue`'s.

use smol_str::SmolStr;

use super::text;

/// What leads to one stream. A list that is empty asks for nothing; the others must all hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Route {
    /// Name of the stream. Several routes may lead to one.
    pub name: String,
    /// Users that submit its messages.
    pub users: Vec<String>,
    /// Instances of the MTA.
    pub instances: Vec<String>,
    /// Services of the MTA that take its messages in, as the syslog tag names them.
    pub services: Vec<String>,
    /// Domains of the envelope sender, lower case.
    pub sender_domains: Vec<String>,
    /// A header of its messages.
    pub header: Option<RouteHeader>,
}

/// A header that leads to a stream.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RouteHeader {
    /// Its name, lower case.
    pub name: String,
    /// Its value; any one if None.
    pub value: Option<String>,
}

impl RouteHeader {
    fn is_among(&self, headers: &[(SmolStr, SmolStr)]) -> bool {
        headers.iter().any(|(name, value)| {
            *name == self.name && self.value.as_ref().is_none_or(|wanted| wanted == value)
        })
    }
}

/// What routes look at.
#[derive(Debug, Clone, Copy, Default)]
pub struct Traits<'a> {
    /// User that submitted the message.
    pub user: Option<&'a str>,
    /// Instance of the MTA.
    pub instance: &'a [u8],
    /// Service that took it in.
    pub service: Option<&'a str>,
    /// Envelope sender.
    pub sender: Option<&'a str>,
    /// Those of its headers that routes ask for: names in lower case, and values.
    pub headers: &'a [(SmolStr, SmolStr)],
}

impl Route {
    /// Does a message like that belong to the stream?
    #[must_use]
    pub fn leads(&self, traits: Traits<'_>) -> bool {
        let sender_domain = traits.sender.and_then(text::domain);
        allows(&self.users, traits.user)
            && allows(&self.instances, std::str::from_utf8(traits.instance).ok())
            && allows(&self.services, traits.service)
            && allows(&self.sender_domains, sender_domain.as_deref())
            && self.header.as_ref().is_none_or(|header| header.is_among(traits.headers))
    }
}

fn allows(list: &[String], value: Option<&str>) -> bool {
    list.is_empty() || value.is_some_and(|value| list.iter().any(|listed| listed == value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_list_that_is_given_must_hold_and_one_of_its_entries_is_enough() {
        let route = Route {
            name: "news".into(),
            users: vec!["ann".into(), "bob".into()],
            sender_domains: vec!["news.test".into()],
            ..Route::default()
        };
        let traits = |user, sender| Traits { user, sender, ..Traits::default() };
        assert!(route.leads(traits(Some("bob"), Some("x@NEWS.test"))));
        assert!(!route.leads(traits(Some("eve"), Some("x@news.test"))));
        assert!(!route.leads(traits(Some("bob"), Some("x@sub.news.test"))));
        assert!(!route.leads(traits(None, Some("x@news.test"))), "not known is not listed");
        assert!(!route.leads(traits(Some("bob"), Some(""))), "the null sender has no domain");
    }

    #[test]
    fn a_header_leads_with_its_value_or_with_any() {
        let route = |value: Option<&str>| Route {
            header: Some(RouteHeader { name: "x-stream".into(), value: value.map(Into::into) }),
            ..Route::default()
        };
        let headers = [("x-stream".into(), "news".into())];
        let traits = Traits { headers: &headers, ..Traits::default() };
        assert!(route(None).leads(traits) && route(Some("news")).leads(traits));
        assert!(!route(Some("mail")).leads(traits));
        assert!(!route(None).leads(Traits::default()), "not known is not there");
    }

    #[test]
    fn instances_and_services_are_told_apart() {
        let instances = Route { instances: vec!["postfix-out".into()], ..Route::default() };
        let services = Route { services: vec!["submission".into()], ..Route::default() };
        let out = Traits { instance: b"postfix-out", ..Traits::default() };
        let submitted = Traits { service: Some("submission"), ..Traits::default() };
        assert!(instances.leads(out) && !instances.leads(submitted));
        assert!(services.leads(submitted) && !services.leads(out));
    }
}

//! `[[route]]`.

use super::{is_name, mail::domains, milter::is_header};
use crate::{
    config::{
        problem::{Problems, nearest},
        raw::RawRoute,
        value::At,
    },
    event::{Route, RouteHeader},
};

/// Checks all routes; what is wrong with one is said, and it is left out.
pub(super) fn check(raw: Option<At<Vec<At<RawRoute>>>>, problems: &mut Problems<'_>) -> Vec<Route> {
    let raw = raw.map(|list| list.value).unwrap_or_default();
    raw.into_iter().filter_map(|at| route(at, problems)).collect()
}

fn route(at: At<RawRoute>, problems: &mut Problems<'_>) -> Option<Route> {
    let At { span, value: raw } = at;
    let texts = |list: Option<At<Vec<At<String>>>>| -> Vec<String> {
        list.into_iter().flat_map(|list| list.value).map(|text| text.value).collect()
    };
    let sender_domains = raw.sender_domains.map(|list| list.value).unwrap_or_default();
    let header = raw.header.as_ref().and_then(|at| header(at, problems));
    let route = Route {
        header,
        name: raw.name.as_ref().map(|name| name.value.clone()).unwrap_or_default(),
        users: texts(raw.users),
        instances: texts(raw.instances),
        services: texts(raw.services),
        sender_domains: domains(sender_domains, "route.sender_domains", problems),
    };
    let Some(name) = raw.name else {
        problems.error(&span, "route.name", "is missing");
        return None;
    };
    is_name(&name, "route.name", problems).then_some(route)
}

/// `Name`, or `Name: value`.
fn header(at: &At<String>, problems: &mut Problems<'_>) -> Option<RouteHeader> {
    let (name, value) = match at.value.split_once(':') {
        Some((name, value)) => (name, Some(value.trim().to_owned())),
        None => (at.value.as_str(), None),
    };
    let name = At { span: at.span.clone(), value: name.trim_end().to_owned() };
    let is_one = is_header(&name, "route.header", problems);
    is_one.then(|| RouteHeader { name: name.value.to_ascii_lowercase(), value })
}

/// The names that a webhook's `routes` may hold; each that is not the name of a route is reported.
pub(super) fn names(
    raw: Option<At<Vec<At<String>>>>,
    routes: &[Route],
    problems: &mut Problems<'_>,
) -> Vec<String> {
    let list = raw.map(|list| list.value).unwrap_or_default();
    for At { span, value } in &list {
        if routes.iter().all(|route| route.name != *value) {
            let known = routes.iter().map(|route| route.name.as_str());
            problems
                .error(span, "webhook.routes", format!("there is no route {value:?}"))
                .did_you_mean(nearest(value, known));
        }
    }
    list.into_iter().map(|name| name.value).collect()
}

//! Verdicts of plugins (`plugins.js`, `log_run_item()`).

use super::{Code, Entry, Hook, HookName, core::verdict, layout::Logged};

/// `hook=rcpt plugin=access function=f params=<a@b> retval=DENY msg="No"`, behind an empty message.
///
/// The parameters of some hooks are what the client sent, passwords included: they are never
/// looked at, and of `unrecognized_command` nothing is kept.
pub(super) fn read<'a>(logged: &Logged<'a>) -> Option<Entry<'a>> {
    let names = ["hook", "plugin", "retval", "msg"];
    let [name, plugin, code, text] = logged.fields_of("")?.texts(names)?;
    let hook = Hook { name: hook_name(name.raw())?, plugin, verdict: verdict(code, text)? };
    // Only since 3.0 a line of its own follows that says so.
    if hook.name == HookName::Deny && hook.verdict.code == Code::Ok {
        return Some(Entry::Overridden);
    }
    tells(&hook).then_some(Entry::Hook(hook))
}

/// Most plugins are asked and have nothing to say.
fn tells(hook: &Hook<'_>) -> bool {
    let is_asked = matches!(hook.name, HookName::Queue | HookName::QueueOutbound);
    let vouches = hook.name == HookName::Rcpt && hook.verdict.code == Code::Ok;
    vouches || is_asked || hook.verdict.code.is_denial()
}

/// To what domain an item goes: `hook=get_mx … params=DOMAIN`. The message may hold the route's
/// user, and is not looked at.
pub(super) fn route<'a>(logged: &Logged<'a>) -> Option<Entry<'a>> {
    let [name, domain] = logged.fields_of("")?.texts(["hook", "params"])?;
    (name.raw() == b"get_mx" && !domain.is_empty()).then_some(Entry::Route(domain))
}

fn hook_name(name: &[u8]) -> Option<HookName> {
    Some(match name {
        b"connect_init" => HookName::ConnectInit,
        b"lookup_rdns" => HookName::LookupRdns,
        b"connect" => HookName::Connect,
        b"helo" | b"ehlo" => HookName::Helo,
        b"mail" => HookName::Mail,
        b"rcpt" => HookName::Rcpt,
        b"rcpt_ok" => HookName::RcptOk,
        b"data" => HookName::Data,
        b"data_post" => HookName::DataPost,
        b"queue" => HookName::Queue,
        b"queue_outbound" => HookName::QueueOutbound,
        b"deny" => HookName::Deny,
        b"" | b"unrecognized_command" => return None,
        _ => HookName::Other,
    })
}

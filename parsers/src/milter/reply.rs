//! What is written back (`mfdef.h`, `SMFIR_*`). Of all that a filter may say, only what lets a
//! message through.

use super::Answer;

/// An answer to a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// To the negotiation.
    Negotiated(Answer),
    /// Go on.
    Continue,
    /// This message may pass, and need not be told of any more.
    Accept,
    /// No more of this body is wanted.
    Skip,
}

impl Reply {
    /// Appends it as a frame.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Negotiated(answer) => negotiated(answer, out),
            Self::Continue => frame(b'c', out),
            Self::Accept => frame(b'a', out),
            Self::Skip => frame(b's', out),
        }
    }
}

fn frame(code: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(&[0, 0, 0, 1, code]);
}

/// Version, actions, protocol, and each list of macros: the stage, the names, a NUL.
fn negotiated(answer: &Answer, out: &mut Vec<u8>) {
    let lists = answer.macros();
    let lists_bytes: usize = lists.iter().map(|(_, names)| 4 + names.len() + 1).sum();
    let length = u32::try_from(1 + 12 + lists_bytes).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.push(b'O');
    for number in [answer.version, answer.actions.0, answer.protocol.0] {
        out.extend_from_slice(&number.to_be_bytes());
    }
    for (stage, names) in lists {
        out.extend_from_slice(&(*stage as u32).to_be_bytes());
        out.extend_from_slice(names.as_bytes());
        out.push(0);
    }
}

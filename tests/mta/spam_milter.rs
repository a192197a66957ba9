//! A spam filter as many stand before Postfix: a milter that removes the headers that it writes, and
//! writes its own. It finds a message to be spam whose subject says so.

use std::{
    fs::{self, Permissions},
    io::{Read, Write},
    os::unix::{
        fs::PermissionsExt,
        net::{UnixListener, UnixStream},
    },
    path::Path,
    thread,
};

/// It adds headers, and changes them (`mfapi.h`, `SMFIF_ADDHDRS`, `SMFIF_CHGHDRS`).
const ACTIONS: u32 = 0x01 | 0x10;

/// Listens there for as long as the process lives.
pub(crate) fn serve(socket: &Path) {
    let listener = UnixListener::bind(socket).expect("the directory is ours");
    fs::set_permissions(socket, Permissions::from_mode(0o777)).expect("the file is ours");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A connection that breaks off concerns nobody else.
            thread::spawn(move || converse(stream).ok());
        }
    });
}

#[derive(Default)]
struct Message {
    is_spam: bool,
    flags: u32,
}

fn converse(mut stream: UnixStream) -> std::io::Result<()> {
    let mut message = Message::default();
    loop {
        let mut length = [0; 4];
        stream.read_exact(&mut length)?;
        let mut command = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap_or(0)];
        stream.read_exact(&mut command)?;
        let Some((code, data)) = command.split_first() else { return Ok(()) };
        match code {
            b'O' => {
                let numbers = [6, ACTIONS, 0].map(u32::to_be_bytes).concat();
                say(&mut stream, b'O', &numbers)?;
            }
            b'D' => {}
            b'A' => message = Message::default(),
            b'Q' => return Ok(()),
            b'E' => judge(&mut stream, &message)?,
            _ => {
                if *code == b'L' {
                    hear(&mut message, &data.to_ascii_lowercase());
                }
                say(&mut stream, b'c', b"")?;
            }
        }
    }
}

fn hear(message: &mut Message, header: &[u8]) {
    message.is_spam |= header.starts_with(b"subject\0") && header.windows(5).any(|w| w == b"pills");
    message.flags += u32::from(header.starts_with(b"x-spam-status\0"));
}

/// Removes all that was there, from the last on, and adds one (`h` and `m` of `mfdef.h`).
fn judge(stream: &mut UnixStream, message: &Message) -> std::io::Result<()> {
    for number in (1..=message.flags).rev() {
        let removal = [&number.to_be_bytes()[..], b"X-Spam-Status\0\0"].concat();
        say(stream, b'm', &removal)?;
    }
    let said: &[u8] = if message.is_spam {
        b"X-Spam-Status\0Yes, score=9.9 required=5.0 tests=PILLS,CHEAP autolearn=no\0"
    } else {
        b"X-Spam-Status\0No, score=0.1 required=5.0 tests=none autolearn=no\0"
    };
    say(stream, b'h', said)?;
    say(stream, b'c', b"")
}

fn say(stream: &mut UnixStream, code: u8, data: &[u8]) -> std::io::Result<()> {
    let length = u32::try_from(1 + data.len()).unwrap_or(u32::MAX).to_be_bytes();
    stream.write_all(&[&length[..], &[code], data].concat())
}

//! A Dovecot authentication server in miniature, so that Postfix has somebody to ask for SASL
//! PLAIN without Dovecot (protocol 1.1; Postfix side: `src/xsasl/xsasl_dovecot_server.c`).

use std::{
    fs::{self, Permissions},
    io::{BufRead, BufReader, Write},
    os::unix::{
        fs::PermissionsExt,
        net::{UnixListener, UnixStream},
    },
    path::Path,
    thread,
};

use data_encoding::BASE64;

/// The one user that may submit mail, and her password.
pub(crate) const USER: &str = "api-user";
/// See [`USER`].
pub(crate) const PASSWORD: &str = "correct horse";

const GREETING: &str = "VERSION\t1\t1\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\nDONE\n";

/// Answers on a Unix socket until the process ends.
pub(crate) fn serve(socket: &Path) {
    let listener = UnixListener::bind(socket).expect("the socket's directory exists");
    fs::set_permissions(socket, Permissions::from_mode(0o666)).expect("the socket is ours");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that goes away ends only its own conversation.
            thread::spawn(move || converse(&stream).ok());
        }
    });
}

fn converse(mut stream: &UnixStream) -> std::io::Result<()> {
    stream.write_all(GREETING.as_bytes())?;
    for line in BufReader::new(stream).lines() {
        if let Some(reply) = answer(&line?) {
            stream.write_all(reply.as_bytes())?;
        }
    }
    Ok(())
}

/// `AUTH <id> PLAIN service=smtp … resp=<base64>`, separated by tabs. Other lines want no answer.
fn answer(line: &str) -> Option<String> {
    let mut fields = line.split('\t');
    let id = fields.next().filter(|verb| *verb == "AUTH").and(fields.next())?;
    let response = fields.find_map(|field| field.strip_prefix("resp="))?;
    let wanted = format!("\0{USER}\0{PASSWORD}");
    let matches = BASE64.decode(response.as_bytes()).is_ok_and(|got| got == wanted.as_bytes());
    Some(if matches { format!("OK\t{id}\tuser={USER}\n") } else { format!("FAIL\t{id}\n") })
}

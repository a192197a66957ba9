//! The socket that Postfix connects to.
//!
//! A unix socket is bound under another name, gets its mode and group there and is then renamed: under
//! its own name it is never there with other rights. What an earlier run left is replaced; what
//! another program listens at is not.

use std::{
    fs::{self, Permissions},
    io,
    net::SocketAddr,
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::{MetadataExt, PermissionsExt, chown},
    },
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
};

use crate::config::{Listen, MilterSource};

/// Connections that may wait to be taken.
const BACKLOG: u32 = 1024;

/// How long another program may take to answer, that seems to listen there.
const ANSWER_WAIT: Duration = Duration::from_secs(1);

/// Where groups have their names; those of mail servers are always local.
const GROUPS: &str = "/etc/group";

/// An open socket. Dropping it takes its file away.
#[derive(Debug)]
pub(super) struct Door {
    listener: Listener,
    /// Of a unix socket.
    _file: Option<SocketFile>,
}

#[derive(Debug)]
enum Listener {
    Unix(UnixListener),
    Inet(TcpListener),
}

impl Door {
    /// Opens it.
    pub(super) async fn open(socket: &MilterSource) -> io::Result<Self> {
        match &socket.listen {
            Listen::Unix(path) => {
                refuse_if_taken(path).await?;
                let (listener, file) = bind_unix(path, socket)?;
                Ok(Self { listener: Listener::Unix(listener), _file: Some(file) })
            }
            Listen::Inet(address) => {
                let listener = bind_inet(*address)?;
                Ok(Self { listener: Listener::Inet(listener), _file: None })
            }
        }
    }

    /// The next connection. An error of one that went away before it was taken is none of the door's.
    pub(super) async fn next(&self) -> io::Result<Wire> {
        match &self.listener {
            Listener::Unix(listener) => Ok(Wire::Unix(listener.accept().await?.0)),
            Listener::Inet(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(Wire::Inet(stream))
            }
        }
    }

    /// Over TCP? Then DATA must be answered.
    pub(super) fn is_inet(&self) -> bool {
        matches!(self.listener, Listener::Inet(_))
    }

    /// Another hold on the socket, to shut it from elsewhere.
    pub(super) fn hold(&self) -> io::Result<OwnedFd> {
        match &self.listener {
            Listener::Unix(listener) => listener.as_fd().try_clone_to_owned(),
            Listener::Inet(listener) => listener.as_fd().try_clone_to_owned(),
        }
    }
}

/// A connection.
#[derive(Debug)]
pub(super) enum Wire {
    Unix(UnixStream),
    Inet(TcpStream),
}

impl Wire {
    /// Reads what is there. Over TCP it is acknowledged at once: Postfix may send a command in two
    /// pieces, and waits with the second for that.
    pub(super) async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.read(buffer).await,
            Self::Inet(stream) => {
                // Only slower without; the system takes it back by itself, so it is set each time.
                rustix::net::sockopt::set_tcp_quickack(&*stream, true).ok();
                stream.read(buffer).await
            }
        }
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Unix(stream) => stream.write_all(bytes).await,
            Self::Inet(stream) => stream.write_all(bytes).await,
        }
    }
}

fn bind_inet(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => tokio::net::TcpSocket::new_v4()?,
        SocketAddr::V6(_) => tokio::net::TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn bind_unix(path: &Path, socket: &MilterSource) -> io::Result<(UnixListener, SocketFile)> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}", std::process::id()));
    let hidden = PathBuf::from(name);
    remove_if_there(&hidden)?;
    let listener = UnixListener::bind(&hidden)?;
    let ready = give_rights(&hidden, socket).and_then(|()| fs::rename(&hidden, path));
    if ready.is_err() {
        fs::remove_file(&hidden).ok();
    }
    ready?;
    Ok((listener, SocketFile::of(path)?))
}

fn give_rights(path: &Path, socket: &MilterSource) -> io::Result<()> {
    if let Some(name) = &socket.group {
        let number = group(name)?;
        // A directory may give it, and then there is nothing to ask for that may be forbidden.
        if fs::symlink_metadata(path)?.gid() != number {
            chown(path, None, Some(number))?;
        }
    }
    fs::set_permissions(path, Permissions::from_mode(socket.mode))
}

/// The number of a group.
fn group(name: &str) -> io::Result<u32> {
    let groups = fs::read_to_string(GROUPS)?;
    number_of(&groups, name)
        .ok_or_else(|| io::Error::other(format!("there is no group {name:?} in {GROUPS}")))
}

/// Lines of `name:password:number:members` (group(5)).
fn number_of(groups: &str, name: &str) -> Option<u32> {
    let mut lines = groups.lines().map(|line| line.split(':'));
    let mut line = lines.find_map(|mut fields| (fields.next() == Some(name)).then_some(fields))?;
    line.nth(1)?.parse().ok()
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// What nobody listens at, and a file that is no socket, refuse a connection.
async fn refuse_if_taken(path: &Path) -> io::Result<()> {
    match tokio::time::timeout(ANSWER_WAIT, UnixStream::connect(path)).await {
        Ok(Err(_)) => Ok(()),
        Ok(Ok(_)) | Err(_) => Err(io::Error::other("another program listens there")),
    }
}

/// The file of a unix socket, while it is ours.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<Self> {
        let found = fs::symlink_metadata(path)?;
        Ok(Self { path: path.to_owned(), identity: (found.dev(), found.ino()) })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let is_ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|found| (found.dev(), found.ino()) == self.identity);
        if is_ours {
            // It refuses connections in any case.
            fs::remove_file(&self.path).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_found_by_its_whole_name() {
        let groups = "root:x:0:\npostfixer:x:7:\npostfix:x:105:a,b\nbad\n";
        assert_eq!(number_of(groups, "postfix"), Some(105));
        assert_eq!(number_of(groups, "post"), None);
        assert_eq!(number_of(groups, "bad"), None);
    }
}

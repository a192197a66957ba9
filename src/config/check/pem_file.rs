//! PEM files of a webhook: certificate authorities, our certificate and its key.

use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::PermissionsExt,
};

use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use super::secret_file::{locate, warn_of_readers};
use crate::config::{problem::Problems, value::At};

/// Bytes of a PEM file; the authorities of a whole system have a quarter of it.
const BYTES: u64 = 1024 * 1024;

/// Reads a file that must hold certificates.
pub(super) fn certificates(
    file: &At<String>,
    key: &str,
    problems: &mut Problems<'_>,
) -> Option<Vec<u8>> {
    let (bytes, _) = contents(file, key, problems)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let wrong = match found {
        Ok(found) if !found.is_empty() => return Some(bytes),
        Ok(_) => "holds no certificate".to_owned(),
        Err(error) => format!("is no PEM file: {error}"),
    };
    problems.error(&file.span, key, wrong);
    None
}

/// Reads a file that must hold a private key.
pub(super) fn private_key(
    file: &At<String>,
    key: &str,
    problems: &mut Problems<'_>,
) -> Option<Vec<u8>> {
    let (bytes, readable_by_others) = contents(file, key, problems)?;
    if readable_by_others {
        warn_of_readers(file, key, problems);
    }
    if PrivateKeyDer::from_pem_slice(&bytes).is_err() {
        problems.error(&file.span, key, "holds no private key");
        return None;
    }
    Some(bytes)
}

/// What is in the file, and whether every user of the host may see it.
fn contents(file: &At<String>, key: &str, problems: &mut Problems<'_>) -> Option<(Vec<u8>, bool)> {
    let path = locate(&file.value).map_err(|error| error.to_string());
    let read = path.and_then(|path| {
        read(&path).map_err(|error| format!("cannot be read: {}: {error}", path.display()))
    });
    read.inspect_err(|error| {
        problems.error(&file.span, key, error);
    })
    .ok()
}

fn read(path: &std::path::Path) -> io::Result<(Vec<u8>, bool)> {
    let file = File::open(path)?;
    let mode = file.metadata()?.permissions().mode();
    let mut bytes = Vec::new();
    file.take(BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > BYTES {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "larger than 1 MiB"));
    }
    Ok((bytes, mode & 0o007 != 0))
}

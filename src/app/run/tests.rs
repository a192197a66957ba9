//! The daemon on a disk that fails.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::Path,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use axum::{Router, body::Bytes, routing::post};
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::mpsc, time::timeout};

use super::{Config, Daemon, runtime};
use crate::{
    app::AppError,
    cli::{EXIT_CODES, Failure},
    config::{self, Purpose},
    store::{
        Store,
        testing::{TestDisk, open_on},
    },
    writer::WriterError,
};

/// Of one step, on a machine that does other things, too.
const PATIENCE: Duration = Duration::from_secs(30);

/// Takes every request and hands out what came: where, and each body.
async fn receiver() -> (String, mpsc::Receiver<Bytes>) {
    let (received, requests) = mpsc::channel(16);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let take = move |body: Bytes| async move { received.try_send(body).unwrap() };
    tokio::spawn(axum::serve(listener, Router::new().route("/", post(take))).into_future());
    (url, requests)
}

fn config(dir: &Path, url: &str) -> Arc<Config> {
    let path = dir.join("mailherald.toml");
    let text = format!(
        "state_dir = {:?}\n[mail]\npostconf = \"off\"\n[api]\nlisten = \"none\"\n[[source]]\n\
         include = [{:?}]\nstart = \"beginning\"\n[[webhook]]\nname = \"a\"\nurl = {url:?}\n\
         secret = \"whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"\n",
        dir.join("state"),
        dir.join("mail.log")
    );
    fs::write(&path, text).unwrap();
    Arc::new(config::load(&path, Purpose::Daemon).unwrap().config)
}

/// A line that gives one event, about this recipient.
fn log(dir: &Path, to: &str) {
    let log = OpenOptions::new().create(true).append(true).open(dir.join("mail.log"));
    let line = format!(
        "2026-03-01T10:00:00+00:00 mx postfix/smtp[1]: 3F0B2C8000: to=<{to}>, relay=none, delay=1, \
         delays=0/0/1/0, dsn=5.4.4, status=bounced (Host not found)\n"
    );
    log.unwrap().write_all(line.as_bytes()).unwrap();
}

#[test]
fn a_sync_that_fails_ends_the_daemon_unwell_with_74_and_nothing_of_that_commit_is_sent() {
    let (dir, disk) = (TempDir::new().unwrap(), Arc::new(TestDisk::default()));
    let runtime = runtime().unwrap();
    let (url, mut requests) = runtime.block_on(receiver());
    let config = config(dir.path(), &url);
    let store = open_on(&config.state_dir, &disk);
    let daemon = Daemon::start(&config, store, None, &runtime).unwrap();
    let error = runtime.block_on(async {
        log(dir.path(), "early@d.test");
        let request = timeout(PATIENCE, requests.recv()).await.unwrap().unwrap();
        assert!(String::from_utf8_lossy(&request).contains("early@d.test"));
        disk.failing.store(true, Ordering::SeqCst);
        log(dir.path(), "late@d.test");
        timeout(PATIENCE, daemon.pipeline.writer_ended.cancelled()).await.unwrap();
        let reasons = daemon.desk.troubles().await;
        assert!(reasons.iter().any(|reason| reason.code == "writer_stopped"), "{reasons:?}");
        daemon.stop().await.unwrap_err()
    });
    assert!(matches!(error, AppError::Writer(WriterError::Store(_))), "{error:?}");
    let code = Failure::from(error).exit_code();
    assert_eq!(code, 74);
    assert!(
        EXIT_CODES.iter().any(|(known, words)| *known == code && words.contains("start again"))
    );
    assert!(requests.try_recv().is_err(), "it was not durable");
    drop(runtime);
    drop(requests);
    // What is on the disk can be opened.
    Store::open(&config.state_dir).unwrap();
}

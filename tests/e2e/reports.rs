//! Reports that come while the logs are read in which their messages stand.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    process::Stdio,
};

use rustix::process::Signal;
use serde_json::Value;

use crate::{
    journald::{FROM_BEGINNING, SCRIPT, entries_of, install, run_scripted, scripted, this_boot},
    line,
    program::{Host, Program, command},
    receiver::Receiver,
    until,
};

/// A complaint about the first message of the recorded journal.
const COMPLAINT: &str = "From: <abuse@good.test>\r\nMessage-ID: <arf-1@good.test>\r\n\
     Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n\
     --b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\n\
     User-Agent: Test/1\r\nVersion: 1\r\n\r\n\
     --b\r\nContent-Type: message/rfc822\r\n\r\n\
     Message-ID: <02_delivered_multi.jo.1@gen.lab.test>\r\n\r\nHello.\r\n--b--\r\n";

/// A host whose journal cannot be read until there is a file `gate`.
fn gated() -> Host {
    let host = scripted();
    let gate = "size=$(($(wc";
    assert!(SCRIPT.contains(gate));
    let waiting = format!("test $newest || until test -e gate; do sleep 0.05; done\n{gate}");
    install(&host, &SCRIPT.replacen(gate, &waiting, 1));
    host.append("bin/journal", &entries_of(&this_boot()).concat());
    host
}

/// The only complaint that was told, once there is one.
fn complaint(receiver: &Receiver) -> Value {
    let told = || -> Vec<Value> {
        let all = receiver.requests().into_iter();
        let bodies = all.map(|request| serde_json::from_slice::<Value>(&request.body).unwrap());
        bodies.filter(|body| body["type"] == "outbound.complaint").collect()
    };
    until("a complaint", || !told().is_empty());
    let mut told = told();
    assert_eq!(told.len(), 1, "{told:?}");
    told.remove(0)["data"].take()
}

fn assert_is_about_the_message(data: &Value) {
    assert_eq!(data["queue_id"], "4jWZns1cl5znR7p", "{data}");
    assert_eq!(data["correlation"]["method"], "message_id", "{data}");
}

/// Exit code of a pipe that brings the complaint.
fn ingest(config: &str) -> Option<i32> {
    let mut pipe = command(&["ingest", "--config", config]);
    let pipe = pipe.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut pipe = pipe.spawn().unwrap();
    pipe.stdin.take().unwrap().write_all(COMPLAINT.as_bytes()).unwrap();
    pipe.wait().unwrap().code()
}

#[test]
fn a_pipe_is_asked_to_come_again_while_the_log_is_not_read_that_may_tell_of_the_message() {
    let (host, receiver) = (gated(), Receiver::start());
    let config = host.configure(FROM_BEGINNING, &receiver, "");
    let program = run_scripted(&host, &config);
    assert_eq!(ingest(&config), Some(75), "{}", program.said());
    host.append("bin/gate", "");
    until("it is taken", || ingest(&config) == Some(0));
    assert_is_about_the_message(&complaint(&receiver));
    program.stop(Signal::TERM);
}

fn frame(stream: &mut Vec<u8>, code: u8, data: &[u8]) {
    stream.extend(u32::try_from(1 + data.len()).unwrap().to_be_bytes());
    stream.push(code);
    stream.extend(data);
}

/// Has a milter see a complaint, as Postfix would.
fn show(socket: &str, complaint: &str) {
    let mut stream = Vec::new();
    frame(&mut stream, b'O', &[6, 0x1ff, 0x1f_ffff].map(u32::to_be_bytes).concat());
    frame(&mut stream, b'M', b"<>\0");
    frame(&mut stream, b'R', b"<fbl@here.test>\0");
    let (head, body) = complaint.split_once("\r\n\r\n").unwrap();
    for header in head.split("\r\n") {
        let (name, value) = header.split_once(':').unwrap();
        frame(&mut stream, b'L', format!("{name}\0{value}\0").as_bytes());
    }
    frame(&mut stream, b'N', b"");
    frame(&mut stream, b'B', body.as_bytes());
    frame(&mut stream, b'E', b"");
    frame(&mut stream, b'Q', b"");
    let mut wire = UnixStream::connect(socket).unwrap();
    wire.write_all(&stream).unwrap();
    // Mail does not wait for what comes of it.
    wire.read_to_end(&mut Vec::new()).unwrap();
}

/// A host with that journal, a log of one message, and a milter, which listens.
fn with_milter(receiver: &Receiver) -> (Host, Program, String) {
    let host = gated();
    host.append("mail.log", &line(1));
    let socket = host.text("milter.sock");
    let source = format!(
        "{FROM_BEGINNING}\n[[source]]\n{}\n[[source]]\nkind = \"milter\"\n\
         listen = \"unix:{socket}\"\nreports = true",
        host.log_source()
    );
    let config = host.configure(&source, receiver, "");
    let program = run_scripted(&host, &config);
    program.until_it_says("the milter listens");
    until("the message of the log", || receiver.count() == 1);
    (host, program, socket)
}

#[test]
fn a_report_in_the_mail_waits_for_the_log_that_tells_of_its_message() {
    let receiver = Receiver::start();
    let (host, program, socket) = with_milter(&receiver);
    show(&socket, COMPLAINT);
    program.until_it_says("it waits for the logs to be read");
    assert_eq!(receiver.count(), 1);
    host.append("bin/gate", "");
    assert_is_about_the_message(&complaint(&receiver));
    program.stop(Signal::TERM);
}

#[test]
fn a_report_that_waits_holds_up_no_other() {
    let receiver = Receiver::start();
    let (_host, program, socket) = with_milter(&receiver);
    show(&socket, COMPLAINT);
    program.until_it_says("it waits for the logs to be read");
    let hop = "Received: by mx (Postfix)\r\n\tid 3F0B2C800001; Sun, 1 Mar 2026 10:00:00 +0000\r\n";
    let other = COMPLAINT.replace("Message-ID: <02_delivered_multi.jo.1@gen.lab.test>\r\n", hop);
    show(&socket, &other.replace("arf-1", "arf-2"));
    let data = complaint(&receiver);
    assert_eq!(data["queue_id"], "3F0B2C800001", "{data}");
    assert_eq!(data["correlation"]["method"], "queue_id", "{data}");
    program.stop(Signal::TERM);
}

#[test]
fn a_report_that_waits_when_the_program_is_told_to_stop_is_told_as_it_is() {
    let receiver = Receiver::start();
    let (host, program, socket) = with_milter(&receiver);
    show(&socket, COMPLAINT);
    program.until_it_says("it waits for the logs to be read");
    program.stop(Signal::TERM);
    let program = run_scripted(&host, &host.text("mailherald.toml"));
    let data = complaint(&receiver);
    let method = &data["correlation"]["method"];
    assert_eq!((&data["queue_id"], method), (&Value::Null, &"none".into()), "{data}");
    program.stop(Signal::TERM);
}

//! What becomes of what is stored, when the program is killed and when there are two of it.

use std::{
    fs::{self, OpenOptions},
    process::Stdio,
};

use rustix::process::Signal;

use crate::{free_address, lines, program::Host, receiver::Receiver, until};

/// The log is gone by then, so that the store alone has it.
#[test]
fn row_29_what_was_stored_and_not_sent_when_it_was_killed_is_sent_by_the_next_run() {
    let (host, nobody) = (Host::new(), Receiver::start());
    let port = free_address().port();
    let schedule = "concurrency = 1\nschedule = [\"1s\", \"1s\", \"1s\", \"1s\", \"1s\", \"1s\"]";
    let config = host.configure(&host.log_source(), &nobody, schedule);
    let url = format!("http://127.0.0.1:{port}/webhook");
    let text = fs::read_to_string(&config).unwrap().replace(&nobody.url(), &url);
    fs::write(&config, text).unwrap();
    host.append("mail.log", &lines(0..30));
    let program = host.run(&config);
    program.until_it_says("delivery failed for now");
    program.kill();
    OpenOptions::new().write(true).open(host.path("mail.log")).unwrap().set_len(0).unwrap();
    let receiver = Receiver::on(port);
    let program = host.run(&config);
    until("all requests", || receiver.ids().len() == 30);
    program.stop(Signal::TERM);
    assert_eq!(receiver.count(), 30);
}

#[test]
fn row_33_of_two_daemons_on_one_log_the_second_gives_up_and_tells_nobody() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let config = host.configure(&host.log_source(), &receiver, "");
    let mut first = host.run(&config);
    // The second one says what it has to say in a file of that name.
    fs::rename(host.path("said"), host.path("first")).unwrap();
    let mut second = host.start(&["run", "--config", &config], Stdio::null());
    second.until_it_says("waiting for another process to end");
    host.append("mail.log", &lines(0..20));
    assert_eq!(second.exit_code(), Some(75), "{}", second.said());
    assert!(!second.said().contains("mailherald is running"), "{}", second.said());
    host.append("mail.log", &lines(20..40));
    until("all requests", || receiver.ids().len() == 40);
    first.signal(Signal::TERM);
    assert_eq!(first.exit_code(), Some(0));
    assert_eq!(receiver.count(), 40, "each once");
}

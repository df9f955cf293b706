//! What cannot be captured is said in words, and left alone.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use retainers::capture::process::{Position, Rights, Status, mappings};

use super::target::{PYTHONS, Target};
use crate::support::command::{Ran, Workshop};
use crate::support::skipped;

fn refused(pid: &str, more: &[&str]) -> Ran {
    let workshop = Workshop::new();
    let ran = workshop.run(&[&["capture", pid, "-o", "heap.jsonl"], more].concat());
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert_eq!(workshop.files(), [""; 0]);
    ran
}

#[test]
fn a_process_that_is_no_python_is_named() {
    let mut child = Command::new("sleep").arg("600").stdin(Stdio::null()).spawn().unwrap();
    // the program is only named once it has taken over from the one that started it
    while !std::fs::read_link(format!("/proc/{}/exe", child.id())).is_ok_and(|exe| !exe.ends_with("tests")) {
        if !std::fs::read_to_string(format!("/proc/{}/comm", child.id())).unwrap().starts_with("tests") {
            break;
        }
    }
    let ran = refused(&child.id().to_string(), &[]);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(ran.stderr.contains("it is no Python process: its program is `/"), "{}", ran.stderr);
}

#[test]
fn a_process_that_is_gone_is_told_so() {
    let mut child = Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    assert!(refused(&child.id().to_string(), &[]).stderr.contains("there is no such process"));
}

#[test]
fn a_zombie_is_told_so() {
    let mut child = Command::new("true").spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    while Status::parse(&std::fs::read_to_string(&status).unwrap()).state != 'Z' {
        std::thread::yield_now();
    }
    let ran = refused(&child.id().to_string(), &[]);
    child.wait().unwrap();
    assert!(ran.stderr.contains("a zombie"), "{}", ran.stderr);
}

#[test]
fn a_process_that_never_comes_to_a_safe_place_is_let_go_in_time() {
    let Some(python) = PYTHONS.iter().find(|python| python.minor < 14) else { return };
    let target = Target::start(&python.path, "in_native_code");
    let ran = refused(&target.pid(), &["--timeout", "3"]);
    assert!(ran.stderr.contains("no point where Python code may run, in 3 s"), "{}", ran.stderr);
    assert!(ran.stderr.contains("its main thread runs native code ("), "{}", ran.stderr);
    assert!(ran.stderr.contains("`--timeout SECONDS` waits longer"), "{}", ran.stderr);
    assert_eq!(target.status("TracerPid"), "0");
    assert!(target.status("State").starts_with('R'), "{}", target.status("State"));
}

#[test]
fn another_users_process_is_refused_with_what_to_do() {
    let Some(python) = PYTHONS.first() else { return };
    let workshop = Workshop::new();
    let command = workshop.path().join("retainers");
    std::fs::copy(env!("CARGO_BIN_EXE_retainers"), &command).unwrap();
    for path in [workshop.path(), &command] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let unprivileged = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    if !Command::new("setpriv").args(unprivileged).arg("true").status().is_ok_and(|status| status.success()) {
        skipped(
            "capture::refused::another_users_process_is_refused_with_what_to_do",
            "no right to become another user",
        );
        return;
    }
    let target = Target::start(&python.path, "asleep");
    let mut run = Command::new("setpriv");
    run.args(unprivileged).arg(&command).args(["capture", &target.pid(), "-o", "-"]).current_dir("/");
    let ran = Ran::from(run.output().unwrap());
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("it belongs to user 0, and this is user 65534: run `sudo retainers capture"),
        "{}",
        ran.stderr
    );
    assert_eq!(target.tell()["changed"], serde_json::json!({}));
}

#[test]
fn each_reason_for_a_refusal_has_its_own_cure() {
    let base = Rights { own_user: 1000, user: 1000, ..Rights::default() };
    let trace = 1 << 19;
    for (rights, words) in [
        (Rights { tracer: 77, ..base }, "process 77 is tracing it already"),
        (Rights { scope: Some(1), ..base }, "sysctl kernel.yama.ptrace_scope=0"),
        (Rights { scope: Some(2), ..base }, "only root may look"),
        (Rights { scope: Some(3), own_user: 0, own_capabilities: trace, ..base }, "until the next boot"),
        (Rights { user: 33, ..base }, "it belongs to user 33, and this is user 1000"),
        (Rights { own_user: 0, ..base }, "--cap-add SYS_PTRACE"),
        (Rights { own_user: 0, own_capabilities: trace, ..base }, "nsenter -t 4242 -U"),
        (base, "marked as not to be looked into"),
    ] {
        let text = rights.explain(4242);
        assert!(text.contains(words), "{rights:?}: {text}");
        assert_eq!(text.contains("retainers.install()"), rights.tracer == 0, "{text}");
    }
}

#[test]
fn facts_of_a_process_are_read() {
    let status = Status::parse(
        "Name:\tpython\nState:\tS (sleeping)\nTracerPid:\t12\nUid:\t0\t1\t2\t3\nGid:\t4\t5\t6\t7\nNSpid:\t812\t1\nCapEff:\t00000000a80425fb\n",
    );
    let Status { state, user, group, tracer, inner_pid, capabilities } = status;
    assert_eq!((state, user, group, tracer, inner_pid, capabilities), ('S', 3, 7, 12, 1, 0xa804_25fb));
    let maps = "55d0-55e0 r--p 00001000 fd:01 42                         /srv/a b/python3.9 (deleted)\n\
        7ffd-7ffe rw-p 00000000 00:00 0 \nnonsense\n";
    let found = mappings(maps);
    assert_eq!(found.len(), 2);
    assert_eq!(
        (found[0].start, found[0].offset, found[0].path.as_str()),
        (0x55d0, 0x1000, "/srv/a b/python3.9 (deleted)")
    );
    assert_eq!(found[1].path, "");
    assert_eq!((found[0].end, found[0].is_executable, found[0].file_name()), (0x55e0, false, "python3.9 (deleted)"));
    assert!(found[1].contains(0x7ffd) && !found[1].contains(0x7ffe));
}

#[test]
fn where_a_thread_is_is_read() {
    for (text, position) in [
        ("running\n", Position::Running),
        ("-1 0x7ffd0 0x55d0\n", Position::Stopped { instruction: 0x55d0 }),
        (
            "202 0x10 0x80 0x0 0x7f 0x0 0xff 0x7ffd0 0x7f55\n",
            Position::Calling { number: 202, arguments: [0x10, 0x80, 0, 0x7f, 0, 0xff], stack: 0x7ffd0 },
        ),
        ("", Position::Unknown),
        ("202 0x10\n", Position::Unknown),
        ("-1 x y\n", Position::Unknown),
    ] {
        assert_eq!(Position::parse(text), position, "{text:?}");
    }
}

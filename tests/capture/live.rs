//! A process is captured, and nothing of that is left in it.

use std::io::Read;
use std::path::Path;

use super::target::{PYTHONS, Python, Target};
use crate::support::command::Workshop;
use crate::support::skipped;

const STATES: [&str; 4] = ["busy", "asleep", "in_asyncio", "with_threads"];

/// Captures a program in some state, and looks at the dump and at what the program says afterwards.
fn captured(python: &Python, state: &str, more: &[&str]) {
    let context = format!("3.{} {state} {more:?}", python.minor);
    let target = Target::start(&python.path, state);
    let workshop = Workshop::new();
    let resident = kibibytes(&target);
    let pid = target.pid();
    let ran = workshop.run(&[&["capture", &pid, "-o", "heap.jsonl.zst"], more].concat());
    assert_eq!(ran.code, 0, "{context}: {}", ran.stderr);
    assert!(ran.stderr.starts_with("captured "), "{context}: {}", ran.stderr);
    assert_eq!(workshop.files(), ["heap.jsonl.zst"], "{context}");

    assert!(kibibytes(&target).saturating_sub(resident) < 32 << 10, "{context}: it has grown");
    assert_eq!(target.status("TracerPid"), "0", "{context}");
    assert!(meetings_of(&pid).is_empty(), "{context}: {:?}", meetings_of(&pid));
    let told = target.tell();
    assert_eq!(told["changed"], serde_json::json!({}), "{context}");
    assert_eq!(told["progress"].as_u64() > Some(0), matches!(state, "busy" | "with_threads"), "{context}: {told}");

    let asked = workshop.run(&["heap.jsonl.zst", "--type", "Session", "--no-files", "--strict"]);
    assert_eq!(asked.code, 0, "{context}: {}", asked.stderr);
    assert!(asked.stdout.contains("50 __main__.Session are alive"), "{context}: {}", asked.stdout);
    let dump = zstd::stream::decode_all(workshop.read("heap.jsonl.zst").as_slice()).unwrap();
    let dump = String::from_utf8(dump).unwrap();
    let traces = traces(&dump);
    assert!(traces.is_empty(), "{context}: {:?} and {} more", traces[0], traces.len() - 1);
    let runs = dump.lines().filter(|line| line.contains("\"root\":\"frame\"")).count();
    assert!(runs >= 1, "{context}: no frame");
}

/// Lines about what the capture itself had in the process. Its names may be left among the interned strings, which are in a
/// large dictionary of their own on some versions.
fn traces(dump: &str) -> Vec<&str> {
    let is_own =
        |line: &&str| ["from_outside", "<retainers capture>", "(<string>"].iter().any(|word| line.contains(word));
    let address = |line: &str| line.split_once("\"address\":")?.1.split(',').next().map(str::to_owned);
    let own: Vec<&str> = dump.lines().filter(|line| line.len() < 10_000).filter(is_own).collect();
    let mut found: Vec<&str> = own.iter().copied().filter(|line| !line.contains("\"type\":\"str\"")).collect();
    for string in own.iter().filter_map(|line| address(line)) {
        let refers = |line: &&str| line.contains("\"refs\":[") && line.contains(&string) && line.len() < 10_000;
        found.extend(dump.lines().filter(refers).filter(|line| address(line).as_ref() != Some(&string)));
    }
    found
}

fn kibibytes(target: &Target) -> u64 {
    target.status("VmRSS").split(' ').next().unwrap().parse().unwrap()
}

/// Directories for this process that are still there.
fn meetings_of(pid: &str) -> Vec<String> {
    let end = format!("-{pid}");
    let names = ["/tmp", "/dev/shm"].iter().filter_map(|place| std::fs::read_dir(place).ok()).flatten();
    let names = names.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with(".retainers-") && name.ends_with(&end)).collect()
}

/// Pythons that take no scripts by themselves, and those that do.
fn pythons(is_new: bool) -> Vec<&'static Python> {
    PYTHONS.iter().filter(|python| (python.minor >= 14) == is_new).collect()
}

/// The oldest Python; says so where there is none.
fn any_python(test: &str) -> Option<&'static Python> {
    let found = PYTHONS.first();
    if found.is_none() {
        skipped(test, "no CPython from 3.8 on");
    }
    found
}

/// The whole matrix takes a minute: `RETAINERS_TEST_ALL=1` runs it. Otherwise every state runs on the newest version, and one
/// state on each of the others.
fn states_of(index: usize, count: usize) -> Vec<&'static str> {
    let is_all = std::env::var_os("RETAINERS_TEST_ALL").is_some() || index + 1 == count;
    if is_all { STATES.to_vec() } else { vec![STATES[index % STATES.len()]] }
}

#[test]
fn by_injected_calls_in_every_state() {
    let pythons = pythons(false);
    if pythons.is_empty() {
        skipped("capture::live::by_injected_calls_in_every_state", "no CPython before 3.14");
    }
    std::thread::scope(|scope| {
        for (index, python) in pythons.iter().enumerate() {
            let states = states_of(index, pythons.len());
            scope.spawn(move || states.into_iter().for_each(|state| captured(python, state, &["--via", "inject"])));
        }
    });
}

#[test]
fn by_remote_execution_in_every_state() {
    let pythons = pythons(true);
    if pythons.is_empty() {
        skipped("capture::live::by_remote_execution_in_every_state", "no CPython 3.14 or later");
    }
    for python in pythons {
        for state in STATES {
            captured(python, state, &["--via", "remote-exec"]);
            captured(python, state, &["--via", "inject"]);
        }
    }
}

#[test]
fn without_a_fork_the_process_writes_by_itself() {
    let Some(python) = any_python("capture::live::without_a_fork_the_process_writes_by_itself") else { return };
    captured(python, "with_threads", &["--no-fork", "--no-values"]);
}

#[test]
fn captured_and_answered_in_one_go() {
    let Some(python) = any_python("capture::live::captured_and_answered_in_one_go") else { return };
    let target = Target::start(&python.path, "asleep");
    let workshop = Workshop::new();
    std::fs::create_dir(workshop.path().join("temporary")).unwrap();
    let pid = target.pid();
    let mut command =
        workshop.command(&["capture", &pid, "--type", "Session", "--no-retained", "--pictures", "pictures"]);
    let output = command.env("TMPDIR", workshop.path().join("temporary")).output().unwrap();
    let (stdout, stderr) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert!(stdout.contains("__main__.KEPT[…]"), "{stdout}");
    assert!(
        workshop.path().join("pictures/Session-all.png").exists() || stderr.contains("wrote pictures/"),
        "{stderr}"
    );
    let left: Vec<_> = std::fs::read_dir(workshop.path().join("temporary")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    let none = workshop.run(&["capture", &pid, "--type", "Sesion", "--no-files", "-o", "kept.jsonl.gz", "--quiet"]);
    assert_eq!((none.code, none.stderr.as_str()), (1, ""));
    let mut second = String::new();
    let kept = workshop.read("kept.jsonl.gz");
    flate2::read::GzDecoder::new(kept.as_slice()).read_to_string(&mut second).unwrap();
    // classes refer to themselves and wait for the collector; nothing else is left of the first capture
    let left = traces(&second).into_iter().filter(|line| !line.contains("\"type\":\"type\""));
    let left: Vec<&str> = left
        .filter(|line| ["function", "code", "frame"].iter().any(|kind| line.contains(&format!("\"type\":\"{kind}\""))))
        .collect();
    assert_eq!(left, [""; 0]);
}

#[test]
fn a_process_with_other_mounts_is_met_where_it_sees_it() {
    // a `/tmp` of its own, as in a container; the program's text is read before it is hidden
    let mount = "mount -t tmpfs none /tmp && exec \"$0\" -c \"$1\" \"$2\"";
    let name = "capture::live::a_process_with_other_mounts_is_met_where_it_sees_it";
    let Some(python) = any_python(name).filter(|python| !python.path.starts_with("/tmp")) else { return };
    let probe = std::process::Command::new("unshare").args(["-m", "mount", "-t", "tmpfs", "none", "/tmp"]).output();
    if !probe.is_ok_and(|output| output.status.success()) {
        skipped(name, "no right to make a mount namespace");
        return;
    }
    let workshop = Workshop::new();
    let path = python.path.display();
    let script = format!("#!/bin/sh\ntext=$(cat \"$1\")\nexec unshare -m sh -c '{mount}' '{path}' \"$text\" \"$2\"\n");
    let wrapper = workshop.write("python", script);
    std::fs::set_permissions(&wrapper, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let target = Target::start(&wrapper, "asleep");
    let ran = workshop.run(&["capture", &target.pid(), "--type", "Session", "--no-files"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("50 __main__.Session are alive"), "{}", ran.stdout);
    let left = std::fs::read_dir(Path::new("/proc").join(target.pid()).join("root").join("tmp")).unwrap().count();
    assert_eq!(left, 0);
    assert_eq!(target.tell()["changed"], serde_json::json!({}));
}

#[test]
fn the_first_process_of_a_container_keeps_no_zombie() {
    let name = "capture::live::the_first_process_of_a_container_keeps_no_zombie";
    let Some(python) = any_python(name) else { return };
    let probe = std::process::Command::new("unshare").args(["-p", "--fork", "true"]).output();
    if !probe.is_ok_and(|output| output.status.success()) {
        skipped(name, "no right to make a pid namespace");
        return;
    }
    let workshop = Workshop::new();
    let script = format!("#!/bin/sh\nexec unshare -p --fork --kill-child '{}' \"$@\"\n", python.path.display());
    let wrapper = workshop.write("python", script);
    std::fs::set_permissions(&wrapper, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let target = Target::start(&wrapper, "with_threads");
    let children = |pid: &str| std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    let first = children(&target.pid()).trim().to_owned();
    let ran = workshop.run(&["capture", &first, "--type", "Session", "--no-files"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("50 __main__.Session are alive"), "{}", ran.stdout);
    assert!(!ran.stderr.contains("note: process"), "{}", ran.stderr);
    assert_eq!(children(&first), "");
}

//! What is written, where, for whose eyes, and what is left when the work is interrupted.

use std::fs::{self, Permissions};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{SKETCH, workshop};
use crate::support::command::{Ran, Workshop};
use crate::support::heap::dump;

/// Two ways of being held, so that there is a picture of both together.
const TWO_WAYS: &str = "module app .cache -> c, .other -> o\nc: dict ['a'] -> s1\no: app.Other .kept -> s2\n\
    s1: app.Session\ns2: app.Session";

fn two_ways() -> Workshop {
    let workshop = Workshop::new();
    workshop.write("dump.jsonl", dump(TWO_WAYS));
    workshop
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().mode() & 0o777
}

#[test]
fn pictures_are_named_as_the_answer_numbers_them() {
    let workshop = two_ways();
    let ran = workshop.run(&["dump.jsonl", "--type", "Session", "--format", "text,json,png"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let json: serde_json::Value = serde_json::from_slice(&workshop.read("retainers.json")).unwrap();
    let prints: Vec<&str> =
        json["signatures"].as_array().unwrap().iter().map(|way| way["fingerprint"].as_str().unwrap()).collect();
    let mut expected = vec![
        format!("Session-1-{}.png", prints[0]),
        format!("Session-2-{}.png", prints[1]),
        "Session-all.png".to_owned(),
        "dump.jsonl".to_owned(),
        "retainers.json".to_owned(),
    ];
    expected.sort();
    assert_eq!(workshop.files(), expected);
    for (number, print) in (1..).zip(&prints) {
        let heading = ran.stdout.lines().find(|line| line.starts_with(&format!("[{number}]"))).unwrap();
        assert!(heading.contains(print), "{heading}");
    }
}

#[test]
fn a_name_that_ends_as_pictures_do_is_a_file() {
    for (name, start) in
        [("x.png", &b"\x89PNG"[..]), ("x.SVG", b"<svg"), ("deep.dot", b"digraph"), ("answer.json", b"{")]
    {
        let workshop = two_ways();
        let ran = workshop.run(&["dump.jsonl", "--type", "Session", "-o", name]);
        assert_eq!(ran.code, 0, "{name}: {}", ran.stderr);
        assert_eq!(ran.stderr, format!("wrote {name}\n"));
        assert!(workshop.read(name).starts_with(start), "{name}");
        assert_eq!(workshop.files().len(), 2, "{name}: {:?}", workshop.files());
    }
    // both ways together
    let workshop = two_ways();
    workshop.run(&["dump.jsonl", "--type", "Session", "-o", "x.dot"]);
    workshop.run(&["dump.jsonl", "--type", "Session", "-o", "all"]);
    assert_eq!(workshop.read("x.dot"), workshop.read("all/Session-all.dot"));
    // a directory stays one, whatever it is called
    fs::create_dir(workshop.path().join("y.png")).unwrap();
    workshop.run(&["dump.jsonl", "--type", "Session", "-o", "y.png"]);
    assert!(workshop.path().join("y.png/Session-all.png").is_file());
}

#[test]
fn other_questions_draw_into_a_file_too() {
    for (arguments, name, start) in [
        (&["summary", "dump.jsonl"][..], "x.svg", &b"<svg"[..]),
        (&["tree", "dump.jsonl"], "x.svg", b"<svg"),
        (&["tree", "dump.jsonl"], "x.json", b"{"),
        (&["object", "dump.jsonl", "0x30"], "x.png", b"\x89PNG"),
        (&["check", "dump.jsonl", "--max", "Session=1"], "x.png", b"\x89PNG"),
    ] {
        let workshop = two_ways();
        let ran = workshop.run(&[arguments, &["-o", name]].concat());
        assert!(ran.stderr.ends_with(&format!("wrote {name}\n")), "{arguments:?}: {}", ran.stderr);
        assert!(workshop.read(name).starts_with(start), "{arguments:?} {name}");
    }
    let ran = two_ways().run(&["summary", "dump.jsonl", "-o", "x.png"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("this is drawn as SVG"), "{}", ran.stderr);
}

#[cfg(target_os = "linux")]
#[test]
fn where_no_picture_can_be_left_the_answer_stands() {
    let workshop = workshop();
    let dump = workshop.path().join("dump.jsonl");
    // nobody writes there, not even root
    let run = |arguments: &[&str]| {
        let whole = [&[dump.to_str().unwrap(), "--type"], arguments].concat();
        Ran::from(workshop.command(&whole).current_dir("/proc/self").output().unwrap())
    };
    let ran = run(&["Session"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("app.cache[…]"), "{}", ran.stdout);
    assert!(
        ran.stderr.starts_with("note: not all pictures were left here: cannot write `./Session-1-"),
        "{}",
        ran.stderr
    );
    assert_eq!(run(&["Sesion"]).code, 1);
    // what was asked for is a failure
    let asked = run(&["Session", "-o", "/proc/self/pictures"]);
    assert_eq!(asked.code, 2);
    assert!(asked.stdout.contains("app.cache[…]") && asked.stderr.contains("cannot write"), "{}", asked.stderr);
}

/// The command with a mask that lets everybody read, as a shell sets it.
fn run_unmasked(workshop: &Workshop, arguments: &[&str]) -> Ran {
    let mut shell = Command::new("sh");
    shell.args(["-c", "umask 000; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_retainers")]).args(arguments);
    let output = shell.current_dir(workshop.path()).env("XDG_CACHE_HOME", workshop.path().join("cache")).output();
    Ran::from(output.unwrap())
}

#[test]
fn what_is_made_of_a_private_dump_is_private() {
    let questions: [&[&str]; 7] = [
        &["dump.jsonl", "--type", "Session", "--format", "text,json,dot,svg,png"],
        &["export", "dump.jsonl", "-o", "rows.csv"],
        &["redact", "dump.jsonl", "-o", "shown.jsonl"],
        &["index", "dump.jsonl"],
        &["check", "dump.jsonl", "--max", "Session=1", "--junit", "x.xml", "--sarif", "x.sarif", "-o", "."],
        &["tree", "dump.jsonl", "-o", "."],
        &["growth", "dump.jsonl", "other.jsonl", "-o", "."],
    ];
    for (of_dump, expected) in [(0o600, 0o600), (0o640, 0o600), (0o644, 0o666)] {
        let workshop = workshop();
        let dump_path = workshop.path().join("dump.jsonl");
        workshop.write("other.jsonl", dump(&SKETCH.replace("lost: app.Lost", "")));
        fs::set_permissions(&dump_path, Permissions::from_mode(of_dump)).unwrap();
        for question in questions {
            let ran = run_unmasked(&workshop, question);
            assert_ne!(ran.code, 2, "{question:?}: {}", ran.stderr);
        }
        let made: Vec<String> = workshop.files().into_iter().filter(|name| name != "other.jsonl").collect();
        assert!(made.len() >= 10, "{made:?}");
        for name in made.iter().filter(|name| *name != "dump.jsonl" && *name != "cache") {
            let own = if name.ends_with(".rtx") { expected & 0o644 } else { expected };
            assert_eq!(mode(&workshop.path().join(name)), own, "{name} of a dump with {of_dump:o}");
        }
    }
}

#[test]
fn a_file_that_is_replaced_is_not_opened_to_more_people() {
    let workshop = workshop();
    workshop.write("rows.csv", "");
    fs::set_permissions(workshop.path().join("rows.csv"), Permissions::from_mode(0o600)).unwrap();
    assert_eq!(run_unmasked(&workshop, &["export", "dump.jsonl", "-o", "rows.csv"]).code, 0);
    assert_eq!(mode(&workshop.path().join("rows.csv")), 0o600);
}

#[test]
fn a_symbolic_link_is_written_through() {
    let workshop = workshop();
    fs::create_dir(workshop.path().join("deep")).unwrap();
    workshop.write("deep/rows.csv", "old");
    for (link, to) in [("link.csv", "deep/rows.csv"), ("chain.csv", "link.csv"), ("new.csv", "deep/new.csv")] {
        symlink(to, workshop.path().join(link)).unwrap();
        let ran = workshop.run(&["export", "dump.jsonl", "-o", link]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert!(fs::symlink_metadata(workshop.path().join(link)).unwrap().is_symlink(), "{link}");
        assert!(workshop.read(to).starts_with(b"address,type"), "{link}");
    }
    symlink("circle.csv", workshop.path().join("circle.csv")).unwrap();
    let ran = workshop.run(&["export", "dump.jsonl", "-o", "circle.csv"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("too many symbolic links"), "{}", ran.stderr);
}

#[test]
fn a_pipe_is_written_to() {
    let workshop = workshop();
    for name in ["rows.csv", "x.png"] {
        let pipe = workshop.path().join(name);
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || fs::read(pipe).unwrap()
        });
        let ran = match name {
            "rows.csv" => workshop.run(&["export", "dump.jsonl", "-o", name]),
            _ => workshop.run(&["dump.jsonl", "--type", "Session", "-o", name]),
        };
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert!(reader.join().unwrap().len() > 100);
        assert!(!fs::symlink_metadata(&pipe).unwrap().is_file(), "the pipe is still one");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_device_is_written_to_and_a_full_one_is_called_full() {
    use nix::sys::stat::{Mode, SFlag, makedev, mknod};
    let workshop = workshop();
    for (name, minor) in [("null.csv", 3), ("full.csv", 7)] {
        let path = workshop.path().join(name);
        if mknod(&path, SFlag::S_IFCHR, Mode::S_IRWXU, makedev(1, minor)).is_err()
            || fs::File::options().write(true).open(&path).is_err()
        {
            return; // only root makes devices, and not in every container
        }
        let ran = workshop.run(&["export", "dump.jsonl", "-o", name]);
        if name == "null.csv" {
            assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
        } else {
            assert_eq!(ran.code, 2);
            assert!(ran.stderr.contains("cannot write `full.csv`: No space left on device"), "{}", ran.stderr);
        }
        assert!(!fs::symlink_metadata(&path).unwrap().is_file(), "the device is still one");
    }
    assert_eq!(workshop.files(), ["dump.jsonl", "full.csv", "null.csv"]);
}

#[test]
fn our_own_output_is_written_to_as_it_is() {
    let workshop = workshop();
    let file = fs::File::create(workshop.path().join("all.txt")).unwrap();
    let ran = workshop
        .command(&["check", "dump.jsonl", "--max", "Session=5", "--junit", "all.txt"])
        .stdout(file)
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert_eq!(ran.code(), Some(0));
    let text = String::from_utf8(workshop.read("all.txt")).unwrap();
    assert!(text.contains("max Session=5") && text.contains("<testsuites"), "{text}");
}

/// Another user than root, who has planted things.
const NOBODY: u32 = 65_534;

#[test]
fn what_another_user_planted_where_everybody_may_write_is_refused() {
    let workshop = workshop();
    let shared = workshop.path().join("shared");
    fs::create_dir(&shared).unwrap();
    fs::set_permissions(&shared, Permissions::from_mode(0o1777)).unwrap();
    workshop.write("victim.csv", "precious");
    let (link, pipe) = (shared.join("rows.csv"), shared.join("pipe.csv"));
    symlink("../victim.csv", &link).unwrap();
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    if [&link, &pipe].into_iter().any(|path| std::os::unix::fs::lchown(path, Some(NOBODY), None).is_err()) {
        return; // only root gives files away
    }
    for name in ["shared/rows.csv", "shared/pipe.csv"] {
        let ran = workshop.run(&["export", "dump.jsonl", "-o", name]);
        assert_eq!(ran.code, 2, "{name}");
        assert!(ran.stderr.contains("another user's"), "{name}: {}", ran.stderr);
    }
    assert_eq!(workshop.read("victim.csv"), b"precious");
}

/// A dump whose export takes a while.
fn long_work() -> Workshop {
    let workshop = Workshop::new();
    let line = |number: u64| format!("{{\"address\": {number}, \"type\": \"app.T\", \"refs\": [{}]}}\n", number + 1);
    let lines: String = (1..200_000).map(line).collect();
    workshop.write("dump.jsonl", lines + "{\"address\": 200000, \"type\": \"module\", \"refs\": [1]}\n");
    workshop
}

fn is_temporary(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(".part")
}

#[test]
fn an_interrupted_write_leaves_nothing_and_ends_by_its_signal() {
    let workshop = long_work();
    let (mut interrupted, mut seen) = (0, Vec::new());
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGTERM, Signal::SIGINT, Signal::SIGTERM] {
        for arguments in [&["export", "dump.jsonl", "-o", "rows.csv"][..], &["index", "dump.jsonl"]] {
            let mut child = workshop.command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            let status = loop {
                if let Some(status) = child.try_wait().unwrap() {
                    break status;
                }
                if let Some(name) = workshop.files().into_iter().find(|name| is_temporary(name)) {
                    seen.push(name);
                    kill(Pid::from_raw(child.id().cast_signed()), signal).unwrap();
                    break child.wait().unwrap();
                }
                std::thread::sleep(Duration::from_micros(200));
            };
            if status.signal() == Some(signal as i32) {
                interrupted += 1;
            } else {
                assert_eq!(status.code(), Some(0));
            }
            let left: Vec<String> = workshop.files().into_iter().filter(|name| is_temporary(name)).collect();
            assert!(left.is_empty(), "{left:?} after {signal} of {arguments:?}");
            for name in ["rows.csv", "dump.jsonl.rtx"] {
                let _ = fs::remove_file(workshop.path().join(name));
            }
        }
    }
    assert!(interrupted > 0, "no write was interrupted");
    let count = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), count, "names of temporary files repeat: {seen:?}");
}

#[test]
fn a_signal_that_is_ignored_stays_ignored() {
    let workshop = long_work();
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' HUP; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_retainers")]);
    let mut child = shell
        .args(["export", "dump.jsonl", "-o", "-"])
        .current_dir(workshop.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut out = child.stdout.take().unwrap();
    let mut first = [0; 16];
    // rows come: the handlers are in place
    out.read_exact(&mut first).unwrap();
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGHUP).unwrap();
    let mut rest = Vec::new();
    out.read_to_end(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(rest.iter().filter(|byte| **byte == b'\n').count(), 200_001);
}

#[test]
fn a_limit_of_the_size_of_files_is_told_and_leaves_nothing() {
    let workshop = long_work();
    for arguments in [
        &["export", "dump.jsonl", "-o", "rows.csv"][..],
        &["redact", "dump.jsonl", "-o", "shown.jsonl"],
        &["index", "dump.jsonl"],
    ] {
        let mut shell = Command::new("sh");
        shell.args(["-c", "ulimit -f 8; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_retainers")]).args(arguments);
        let ran = Ran::from(shell.current_dir(workshop.path()).output().unwrap());
        assert_eq!(ran.code, 2, "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("cannot write") && ran.stderr.contains("File too large"), "{}", ran.stderr);
        assert_eq!(workshop.files(), ["dump.jsonl"], "{arguments:?}");
    }
}

#[test]
fn standard_error_that_takes_no_words_is_no_fault() {
    let workshop = workshop();
    let Ok(full) = fs::File::options().write(true).open("/dev/full") else { return };
    let status = workshop.command(&["dump.jsonl", "--type", "Session"]).stdout(Stdio::null()).stderr(full).status();
    assert_eq!(status.unwrap().code(), Some(0));
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    for arguments in [&["dump.jsonl", "--type", "Session", "--no-files"][..], &["man"], &["agent"]] {
        let output = workshop.command(arguments).stdout(full.try_clone().unwrap()).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(words.contains("No space left on device"), "{words}");
    }
}

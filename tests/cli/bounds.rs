//! What has no end, what shrinks, and what there is no memory for.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use retainers::progress::Progress;
use retainers::source::{Change, Source};

use super::workshop;
use crate::support::command::{Ran, Workshop};
use crate::support::heap::dump;

/// 64 MB of records, of which a hundredth of the bytes is left when they are compressed.
fn endless() -> Vec<u8> {
    b"{\"address\":16,\"type\":\"list\",\"size\":56,\"refs\":[]}\n".repeat(1_300_000)
}

fn bomb(workshop: &Workshop) {
    workshop.write("bomb.zst", zstd::stream::encode_all(endless().as_slice(), 3).unwrap());
}

#[test]
fn what_unpacks_to_more_than_memory_has_room_for_is_read_no_further() {
    let workshop = Workshop::new();
    bomb(&workshop);
    assert!(workshop.read("bomb.zst").len() < 100_000);
    for command in
        [&["bomb.zst", "--type", "list"][..], &["export", "bomb.zst", "-o", "x.csv"], &["suspects", "bomb.zst"]]
    {
        let ran = workshop.run(&[command, &["--memory", "20MB"]].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{}", ran.stderr);
        assert!(ran.stderr.contains("`bomb.zst` has more than "), "{}", ran.stderr);
        assert!(ran.stderr.contains("19.1 MiB may be taken"), "{}", ran.stderr);
        // most of it was never unpacked
        let unpacked = ran.stderr.split("more than ").nth(1).unwrap().split(" MiB").next().unwrap();
        assert!(unpacked.parse::<f64>().unwrap() < 48.0, "{}", ran.stderr);
    }
    assert_eq!(workshop.files(), ["bomb.zst"]);
    let whole = workshop.run(&["bomb.zst", "--memory", "none"]);
    assert_eq!(whole.code, 0, "{}", whole.stderr);
}

#[test]
fn a_stream_without_an_end_is_bounded_as_well() {
    let workshop = Workshop::new();
    let mut child = workshop
        .command(&["-", "--type", "list", "--memory", "20MB"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let part = endless();
    // until it has enough
    while stdin.write_all(&part).is_ok() {}
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("`standard input` has more than "), "{}", ran.stderr);
}

#[test]
fn a_full_disk_under_what_is_unpacked_is_no_damage_of_the_dump() {
    let workshop = Workshop::new();
    bomb(&workshop);
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -f 4096; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_retainers")]);
    // so little is kept in memory that the rest goes into a file
    shell.args(["bomb.zst", "--type", "list", "--no-files", "--memory", "200MB"]).current_dir(workshop.path());
    let ran = Ran::from(shell.env("TMPDIR", workshop.path()).output().unwrap());
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{}", ran.stderr);
    assert!(ran.stderr.contains("cannot write") && ran.stderr.contains("File too large"), "{}", ran.stderr);
}

#[test]
fn a_dump_that_shrinks_while_it_is_read_is_told() {
    let workshop = Workshop::new();
    let session = |number: u64| format!("{{\"address\":{number},\"type\":\"app.Session\",\"size\":56,\"refs\":[]}}\n");
    let with = |sessions: u64| {
        let numbers: Vec<String> = (1000..1000 + sessions).map(|number| number.to_string()).collect();
        let refs = numbers.join(",");
        let holder = format!("{{\"address\":1,\"type\":\"module\",\"name\":\"app\",\"size\":72,\"refs\":[{refs}]}}\n");
        holder + &(1000..1000 + sessions).map(session).collect::<String>()
    };
    workshop.write("dump", with(20_000));
    let pipe = workshop.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    // the last dump is read first; then the one before, which is a pipe that waits for us
    let mut command = workshop.command(&["growth", "pipe", "dump", "--no-index"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut writer = File::options().write(true).open(&pipe).unwrap();
    File::options().write(true).open(workshop.path().join("dump")).unwrap().set_len(100).unwrap();
    writer.write_all(with(10).as_bytes()).unwrap();
    drop(writer);
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!(ran.code, 2, "{}{}", ran.stdout, ran.stderr);
    let words = "retainers: cannot read `dump` to its end: it became shorter while it was read, or its disk failed\n";
    assert_eq!(ran.stderr, words);
}

#[test]
fn what_became_of_a_dump_meanwhile_is_known() {
    let workshop = workshop();
    let path = workshop.path().join("dump.jsonl");
    let open = || Source::open(&path, &Progress::default()).unwrap().original().unwrap();
    let original = open();
    assert_eq!(original.change(), None);
    let mut file = File::options().append(true).open(&path).unwrap();
    file.write_all(b"\n").unwrap();
    assert_eq!(original.change(), Some(Change::Other));
    let original = open();
    file.set_len(10).unwrap();
    assert_eq!(original.change(), Some(Change::Shorter));
    assert!(Source::from_bytes("a dump", b"{}".to_vec(), &Progress::default()).original().is_none());
}

/// The command where it can have so many KiB of memory.
fn run_within(workshop: &Workshop, kib: u32, arguments: &[&str]) -> std::process::Output {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("ulimit -v {kib}; exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_retainers")]);
    shell.args(arguments).current_dir(workshop.path()).output().unwrap()
}

#[test]
fn too_little_memory_is_told_and_never_ends_in_an_abort() {
    let workshop = Workshop::new();
    let line = |number: u64| format!("{{\"address\": {number}, \"type\": \"app.T\", \"refs\": [{}]}}\n", number / 2);
    let lines: String = (1..60_000).map(line).collect();
    workshop.write("dump.jsonl", lines + "{\"address\": 70000, \"type\": \"module\", \"refs\": [1, 20000]}\n");
    let question = ["dump.jsonl", "--type", "app.T", "--threads", "2", "--memory", "none", "-o", "out"];
    let (mut answered, mut refused) = (0, 0);
    for step in 0..40 {
        let kib = 20_000 + step * 3_000;
        let output = run_within(&workshop, kib, &question);
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        match output.status.code() {
            Some(0) => answered += 1,
            Some(2) => {
                assert!(words.starts_with("retainers: "), "{kib}: {words}");
                refused += 1;
            }
            // the program could not even be loaded
            Some(126 | 127) => {}
            _ if words.contains("shared libraries") || refused == 0 && words.is_empty() => {}
            other => panic!("{kib} KiB: {other:?}, signal {:?}: {words}", output.status.signal()),
        }
        let left = fs::read_dir(workshop.path().join("out")).into_iter().flatten();
        let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
        assert!(left.iter().all(|name| !name.to_string_lossy().ends_with(".part")), "{kib}: {left:?}");
    }
    assert!(answered > 0 && refused > 0, "{answered} answered, {refused} refused");
}

#[test]
fn samples_of_memory_are_named_for_what_they_are() {
    let workshop = Workshop::new();
    workshop.write("watch-7.dat", "CMDLINE python app.py\nMEM 10.5 1700000000.1\nMEM 11.5 1700000001.1\n");
    let ran = workshop.run(&["watch-7.dat", "--type", "X"]);
    assert_eq!(ran.code, 2);
    assert!(
        ran.stderr.contains("is samples of mprof") && ran.stderr.contains("`retainers watch FILE`"),
        "{}",
        ran.stderr
    );
}

#[test]
fn numbers_that_are_none_are_told_in_words() {
    let workshop = Workshop::new();
    workshop.write("dump.jsonl", dump("module app .a -> s\ns: app.S"));
    for (arguments, words) in [
        (&["dump.jsonl", "--type", "S", "--limit", "-1"][..], "or 0 for no limit"),
        (&["suspects", "dump.jsonl", "--limit", "-1"], "or 0 for no limit"),
        (&["summary", "dump.jsonl", "--limit", "many"], "or 0 for no limit"),
        (&["growth", "a", "b", "--limit", "-1"], "or 0 for no limit"),
        (&["cut", "dump.jsonl", "--type", "S", "--max", "-3"], "a whole number of 0 or more"),
        (&["tree", "dump.jsonl", "--depth", "-1"], "a whole number of 0 or more"),
        (&["tree", "dump.jsonl", "--threshold", "-1"], "a percentage from 0 to 100"),
        (&["tree", "dump.jsonl", "--threshold", "NaN"], "a percentage from 0 to 100"),
        (&["dump.jsonl", "--threads", "-1"], "-1 is not in 0..=1024"),
        (&["capture", "python", "-o", "x"], "the number of a process"),
        (&["capture", "-1", "-o", "x"], "the number of a process"),
    ] {
        let ran = workshop.run(arguments);
        assert_eq!(ran.code, 2, "{arguments:?}");
        assert!(ran.stderr.contains(words), "{arguments:?}: {}", ran.stderr);
    }
}

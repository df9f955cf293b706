//! The index as a person meets it: the same answers, faster, whatever happens to the file.

use std::fs::{File, Permissions};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::support::command::{Ran, Workshop};
use crate::support::heap::dump;

const SKETCH: &str = "module app .cache -> c
c: dict ['a'] -> s1, ['b'] -> s2, ['c'] -> c
s1: app.Session .data -> big
s2: app.Session ~> s1
root frame main -> s2
big: bytearray
lost: app.Lost .x -> s1";

fn workshop() -> Workshop {
    let workshop = Workshop::new();
    workshop.write("dump.jsonl", dump(SKETCH));
    workshop
}

fn indexed_workshop() -> Workshop {
    let workshop = workshop();
    let ran = workshop.run(&["index", "dump.jsonl"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, "wrote dump.jsonl.rtx\n"));
    workshop
}

const QUESTION: [&str; 4] = ["dump.jsonl", "--type", "Session", "--no-files"];

/// What is said without any index.
fn expected() -> String {
    let ran = workshop().run(&[&QUESTION[..], &["--no-index"]].concat());
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    ran.stdout
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// Everything that a run left: what it printed, how it ended, and the files that are not the dump's or the index's.
fn outcome(workshop: &Workshop, ran: &Ran) -> (i32, String, Vec<(String, Vec<u8>)>) {
    let files = workshop.files().into_iter().filter(|name| !name.contains(".json"));
    (ran.code, ran.stdout.clone(), files.map(|name| (name.clone(), workshop.read(&name))).collect())
}

#[test]
fn every_question_has_the_same_answer_from_the_index() {
    let questions: [&[&str]; 20] = [
        &["DUMP"],
        &["DUMP", "--type", "Session"],
        &["DUMP", "--type", "Session", "--format", "json"],
        &["DUMP", "--type", "*Session*", "--format", "text,dot,svg", "--raw"],
        &["DUMP", "--type", "Session", "--no-files", "--no-retained"],
        &["DUMP", "--type", "Session", "--no-files", "--roots", "all"],
        &["DUMP", "--type", "Session", "--no-files", "--exclude", "*.cache"],
        &["DUMP", "--type", "Sesion", "--no-files"],
        &["DUMP", "--type", "*", "--no-files", "--limit", "3"],
        &["DUMP", "--id", "0x7f3a10000340", "--no-files"],
        &["export", "DUMP", "-o", "-"],
        &["export", "DUMP", "-o", "rows.csv"],
        &["suspects", "DUMP"],
        &["summary", "DUMP"],
        &["summary", "DUMP", "--by", "root", "--json"],
        &["summary", "DUMP", "--by", "module", "--roots", "module"],
        &["tree", "DUMP", "-o", "."],
        &["object", "DUMP", "0x7f3a10000340"],
        &["object", "DUMP", "1"],
        &["cut", "DUMP", "--type", "Session", "--json"],
    ];
    let dumps = [
        "own.jsonl",
        "meliae.jsonl",
        "midden.jsonl",
        "records.json",
        "records.jsonl",
        "json-graph-1.json",
        "json-graph-2.json",
        "node-link-edges.json",
        "node-link-links.json",
    ];
    for name in dumps {
        for question in questions {
            let question: Vec<&str> = question.iter().map(|&word| if word == "DUMP" { name } else { word }).collect();
            let (without, with) = (Workshop::new(), Workshop::new());
            for workshop in [&without, &with] {
                std::fs::copy(fixture("small").join(name), workshop.path().join(name)).unwrap();
            }
            assert_eq!(with.run(&["index", name]).code, 0);
            let plain = without.run(&question);
            let ran = with.run(&question);
            assert_eq!(outcome(&with, &ran), outcome(&without, &plain), "{question:?}");
            assert_eq!(ran.stderr, plain.stderr, "{question:?}");
            assert_eq!(without.files().iter().filter(|file| file.ends_with(".rtx")).count(), 0);
        }
    }
}

#[test]
fn a_compressed_dump_has_an_index_too() {
    let workshop = Workshop::new();
    std::fs::copy(fixture("streamlit-0.89/dump.jsonl.zst"), workshop.path().join("dump.jsonl.zst")).unwrap();
    let question = ["dump.jsonl.zst", "--type", "SessionState", "--format", "json"];
    let plain = workshop.run(&question);
    assert_eq!(workshop.run(&["index", "dump.jsonl.zst"]).code, 0);
    assert_eq!(workshop.files(), ["dump.jsonl.zst", "dump.jsonl.zst.rtx"]);
    let ran = workshop.run(&question);
    assert_eq!((ran.code, ran.stdout, ran.stderr), (0, plain.stdout, String::new()));
}

#[test]
fn an_index_that_is_there_is_used_and_not_written_again() {
    let workshop = indexed_workshop();
    let before = workshop.read("dump.jsonl.rtx");
    let written = workshop.path().join("dump.jsonl.rtx").metadata().unwrap().modified().unwrap();
    let ran = workshop.run(&["index", "dump.jsonl"]);
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (0, "", ""));
    assert_eq!(workshop.run(&QUESTION).stdout, expected());
    assert_eq!(workshop.path().join("dump.jsonl.rtx").metadata().unwrap().modified().unwrap(), written);
    assert_eq!(workshop.read("dump.jsonl.rtx"), before);
}

#[test]
fn a_small_dump_gets_no_index_unasked() {
    let workshop = workshop();
    workshop.run(&QUESTION);
    assert_eq!(workshop.files(), ["dump.jsonl"]);
}

#[test]
fn without_the_dump_chains_come_from_the_index_and_values_are_missing() {
    let workshop = indexed_workshop();
    std::fs::remove_file(workshop.path().join("dump.jsonl")).unwrap();
    for dump in ["dump.jsonl", "dump.jsonl.rtx"] {
        let ran = workshop.run(&[dump, "--type", "Session", "--no-files"]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert!(ran.stdout.contains("2 app.Session are alive"), "{}", ran.stdout);
        assert!(ran.stdout.contains("held by module app"), "{}", ran.stdout);
        let note = "note: `dump.jsonl` is not there: answered from its index, without values and names of references\n";
        assert_eq!(ran.stderr, note);
    }
    let ran = workshop.run(&["dump.jsonl", "--type", "Session", "--no-files", "--no-index"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("cannot read `dump.jsonl`"), "{}", ran.stderr);
}

#[test]
fn without_the_graph_document_chains_come_from_the_index_with_ids_that_are_words() {
    let workshop = Workshop::new();
    let graph = r#"{"graph":{"nodes":{"main":{"label":"module","metadata":{"name":"app","root":"module"}},
        "one":{"label":"Session","metadata":{"size":40,"value":"secret"}}},
        "edges":[{"source":"main","target":"one","relation":".session"}]}}"#;
    workshop.write("graph.json", graph);
    let question = ["graph.json", "--id", "one", "--no-files"];
    let plain = workshop.run(&question);
    assert_eq!((plain.code, plain.stderr.as_str()), (0, ""));
    assert!(plain.stdout.contains(".session"), "{}", plain.stdout);
    let ran = workshop.run(&["index", "graph.json"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, "wrote graph.json.rtx\n"));
    assert_eq!(workshop.run(&question).stdout, plain.stdout);
    std::fs::remove_file(workshop.path().join("graph.json")).unwrap();
    let ran = workshop.run(&question);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("Session") && !ran.stdout.contains(".session"), "{}", ran.stdout);
    assert!(ran.stderr.contains("answered from its index"), "{}", ran.stderr);
}

#[test]
fn an_index_can_be_named_instead_of_its_dump() {
    let workshop = indexed_workshop();
    let ran = workshop.run(&["dump.jsonl.rtx", "--type", "Session", "--no-files"]);
    assert_eq!((ran.stdout, ran.stderr.as_str()), (expected(), ""));
}

/// Asks, and expects the right answer with a note that says why the dump was read again; and then from a new index.
fn is_rebuilt(workshop: &Workshop, reason: &str) {
    let ran = workshop.run(&QUESTION);
    let plain = workshop.run(&[&QUESTION[..], &["--no-index"]].concat());
    assert_eq!((ran.code, &ran.stdout), (0, &plain.stdout), "{}", ran.stderr);
    let note = format!("note: the index `dump.jsonl.rtx` {reason}: the dump is read again\nwrote dump.jsonl.rtx\n");
    assert_eq!(ran.stderr, note);
    let again = workshop.run(&QUESTION);
    assert_eq!((again.stdout, again.stderr), (plain.stdout, String::new()));
}

#[test]
fn an_index_of_another_state_of_the_dump_is_made_anew() {
    let workshop = indexed_workshop();
    let path = workshop.path().join("dump.jsonl");
    let stale = "belongs to another state of the dump";
    // by size
    workshop.write("dump.jsonl", dump("module app .cache -> s\ns: app.Session"));
    is_rebuilt(&workshop, stale);
    // by time
    let file = File::options().write(true).open(&path).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000)).unwrap();
    is_rebuilt(&workshop, stale);
    // by content
    let time = path.metadata().unwrap().modified().unwrap();
    let changed = String::from_utf8(workshop.read("dump.jsonl")).unwrap().replace("app.Session", "xyz.Session");
    workshop.write("dump.jsonl", changed);
    File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    is_rebuilt(&workshop, stale);
    // the index of another dump
    let other = Workshop::new();
    other.write("dump.jsonl", dump("module app .cache -> s\ns: app.Session\nt: app.Session"));
    other.run(&["index", "dump.jsonl"]);
    workshop.write("dump.jsonl.rtx", other.read("dump.jsonl.rtx"));
    is_rebuilt(&workshop, stale);
}

#[test]
fn a_damaged_index_is_made_anew() {
    let workshop = indexed_workshop();
    let index = workshop.read("dump.jsonl.rtx");
    for length in [0, 7, 4095, 4096, index.len() - 1] {
        workshop.write("dump.jsonl.rtx", &index[..length]);
        is_rebuilt(&workshop, "is damaged");
    }
    for place in [100, 4000, index.len() - 3] {
        let mut flipped = index.clone();
        flipped[place] ^= 4;
        workshop.write("dump.jsonl.rtx", flipped);
        is_rebuilt(&workshop, "is damaged");
    }
    // in the first section, which is looked at when an object is shown
    for place in [4096, 4096 + 64] {
        let mut flipped = index.clone();
        flipped[place] ^= 4;
        workshop.write("dump.jsonl.rtx", flipped);
        is_rebuilt(&workshop, "is damaged");
    }
}

#[test]
fn a_file_that_is_no_index_is_left_alone() {
    let workshop = workshop();
    workshop.write("dump.jsonl.rtx", "somebody's notes");
    let ran = workshop.run(&["index", "dump.jsonl"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(workshop.read("dump.jsonl.rtx"), b"somebody's notes");
    assert!(ran.stderr.starts_with("note: `dump.jsonl.rtx` is no index: it is left alone\nwrote "), "{}", ran.stderr);
    assert_eq!(std::fs::read_dir(workshop.path().join("cache/retainers")).unwrap().count(), 1);
}

#[test]
fn the_index_is_where_it_was_said_to_be() {
    let workshop = workshop();
    assert_eq!(workshop.run(&["index", "dump.jsonl", "--index", "deep/indexes"]).code, 0);
    assert_eq!(workshop.files(), ["deep", "dump.jsonl"]);
    std::fs::remove_file(workshop.path().join("dump.jsonl")).unwrap();
    let ran = workshop.run(&[&QUESTION[..], &["--index", "deep/indexes"]].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(workshop.run(&QUESTION).code, 2);
}

#[cfg(unix)]
#[test]
fn beside_a_dump_that_cannot_be_written_to_the_index_is_in_the_cache() {
    use std::os::unix::fs::PermissionsExt;
    let workshop = workshop();
    let cache = tempfile::TempDir::new().unwrap();
    std::fs::set_permissions(workshop.path(), Permissions::from_mode(0o555)).unwrap();
    // who may write everywhere is not kept from it by a mode
    let is_kept_out = File::create(workshop.path().join("probe")).is_err();
    let run = |arguments: &[&str]| {
        let output = workshop.command(arguments).env("XDG_CACHE_HOME", cache.path()).output().unwrap();
        Ran::from(output)
    };
    let ran = run(&["index", "dump.jsonl"]);
    std::fs::set_permissions(workshop.path(), Permissions::from_mode(0o755)).unwrap();
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    if is_kept_out {
        assert_eq!(workshop.files(), ["dump.jsonl"]);
        std::fs::remove_file(workshop.path().join("dump.jsonl")).unwrap();
        assert_eq!(run(&QUESTION).code, 0, "the index in the cache is found");
    }
}

#[test]
fn what_cannot_have_an_index_is_said() {
    let workshop = Workshop::new();
    std::fs::copy(fixture("small/node-link-links.json"), workshop.path().join("graph.json")).unwrap();
    let ran = workshop.run_with_input(&["index", "-"], dump(SKETCH).as_bytes());
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("only a dump in a file"), "{}", ran.stderr);
    let ran = workshop.run(&["index", "graph.json", "--no-index"]);
    assert_eq!(ran.code, 2);
    assert_eq!(workshop.files(), ["graph.json"]);
}

#[test]
fn a_place_where_no_index_can_be_written_is_no_reason_to_fail_a_question() {
    let workshop = indexed_workshop();
    // what would be asked next makes the index stale, and the directory of the new one is a file
    workshop.write("file", "");
    let ran = workshop.run(&[&QUESTION[..], &["--index", "file"]].concat());
    assert_eq!((ran.code, ran.stdout), (0, expected()));
    let ran = workshop.run(&["index", "dump.jsonl", "--index", "file"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("cannot write `file/dump.jsonl.rtx`"), "{}", ran.stderr);
}

#[test]
fn a_damaged_dump_is_refused_from_its_index_too() {
    let workshop = Workshop::new();
    workshop.write("dump.jsonl", dump(SKETCH).replace("{\"end\"", "{\"other\""));
    assert_eq!(workshop.run(&["index", "dump.jsonl"]).code, 0);
    let ran = workshop.run(&[&QUESTION[..], &["--strict"]].concat());
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("--strict"), "{}", ran.stderr);
}

#[cfg(unix)]
#[test]
fn an_index_that_others_may_have_written_is_not_believed() {
    use std::os::unix::fs::PermissionsExt;
    let workshop = indexed_workshop();
    let path = workshop.path().join("dump.jsonl.rtx");
    let note = "note: the index `dump.jsonl.rtx` may be the work of another user: it is not believed\n";
    for mode in [0o666, 0o664, 0o646, 0o622] {
        std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let ran = workshop.run(&QUESTION);
        assert_eq!((ran.code, ran.stdout), (0, expected()), "{mode:o}");
        assert_eq!(ran.stderr, note, "{mode:o}");
        assert!(workshop.read("dump.jsonl.rtx").starts_with(b"\x89rtx"), "it is left alone");
    }
    std::fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    assert_eq!(workshop.run(&QUESTION).stderr, "");
    // who is not root cannot give it away
    if std::os::unix::fs::chown(&path, Some(65_534), None).is_ok() {
        let ran = workshop.run(&QUESTION);
        assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (0, expected().as_str(), note));
        // where the dump is gone, there is no answer
        std::fs::remove_file(workshop.path().join("dump.jsonl")).unwrap();
        assert_eq!(workshop.run(&QUESTION).code, 2);
    }
}

#[cfg(unix)]
#[test]
fn an_index_is_nobody_elses_to_write() {
    use std::os::unix::fs::PermissionsExt;
    let workshop = workshop();
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", "umask 000; exec \"$0\" index dump.jsonl", env!("CARGO_BIN_EXE_retainers")]);
    assert!(shell.current_dir(workshop.path()).status().unwrap().success());
    let mode = workshop.path().join("dump.jsonl.rtx").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644);
    assert_eq!(workshop.run(&QUESTION).stderr, "");
}

#[cfg(unix)]
#[test]
fn a_pipe_in_the_place_of_an_index_is_not_waited_for() {
    let workshop = workshop();
    nix::unistd::mkfifo(&workshop.path().join("dump.jsonl.rtx"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let ran = workshop.run(&QUESTION);
    assert_eq!((ran.code, ran.stdout), (0, expected()));
    assert_eq!(ran.stderr, "note: `dump.jsonl.rtx` is no index: it is left alone\n");
}

#[test]
fn check_and_export_take_nothing_from_an_index() {
    let workshop = indexed_workshop();
    let index = workshop.read("dump.jsonl.rtx");
    let rows = workshop.run(&["export", "dump.jsonl", "-o", "-", "--no-index"]).stdout;
    let verdict = workshop.run(&["check", "dump.jsonl", "--max-retained", "Session=1", "--no-index"]).stdout;
    for place in (4096..index.len()).step_by(509) {
        let mut forged = index.clone();
        forged[place] ^= 1;
        // with the hashes that go with it, only the dump shows that it lies
        crate::support::reseal::reseal(&mut forged).unwrap();
        workshop.write("dump.jsonl.rtx", &forged);
        let ran = workshop.run(&["export", "dump.jsonl", "-o", "-"]);
        assert_eq!((ran.code, &ran.stdout, ran.stderr.as_str()), (0, &rows, ""), "{place}");
        let ran = workshop.run(&["check", "dump.jsonl", "--max-retained", "Session=1"]);
        assert_eq!((ran.code, &ran.stdout, ran.stderr.as_str()), (1, &verdict, ""), "{place}");
        assert_eq!(workshop.read("dump.jsonl.rtx"), forged);
    }
}

#[test]
fn no_damage_of_an_index_changes_an_answer_or_ends_without_words() {
    for name in ["own.jsonl", "json-graph-2.json"] {
        let workshop = Workshop::new();
        std::fs::copy(fixture("small").join(name), workshop.path().join(name)).unwrap();
        workshop.write("other.jsonl", dump(SKETCH));
        assert_eq!(workshop.run(&["index", name]).code, 0);
        let index_name = format!("{name}.rtx");
        let index = workshop.read(&index_name);
        let questions: [&[&str]; 4] = [
            &[name, "--type", "*", "--no-files"],
            &["object", name, "0x7f3a10000340"],
            &["growth", "other.jsonl", name],
            &["index", name],
        ];
        let right: Vec<Ran> =
            questions.iter().map(|question| workshop.run(&[question, &["--quiet"][..]].concat())).collect();
        for (turn, place) in (0..index.len()).step_by(331).enumerate() {
            let question = turn % questions.len();
            let mut damaged = index.clone();
            damaged[place] ^= 1 << (turn % 8);
            workshop.write(&index_name, &damaged);
            let ran = workshop.run(questions[question]);
            let expected = (right[question].code, &right[question].stdout);
            assert_eq!((ran.code, &ran.stdout), expected, "{:?}, byte {place}: {}", questions[question], ran.stderr);
            // with hashes that fit, what it says may be another heap's: an answer, or words
            if crate::support::reseal::reseal(&mut damaged).is_some() {
                workshop.write(&index_name, &damaged);
                let ran = workshop.run(questions[question]);
                assert!(ran.code <= 2 && (ran.code < 2 || !ran.stderr.is_empty()), "{place}: {ran:?}");
                assert!(!ran.stderr.contains("a fault of this program"), "{place}: {}", ran.stderr);
            }
        }
    }
}

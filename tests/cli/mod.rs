//! Tests of `src/cli`: the command as a person types it.

#[cfg(unix)]
mod bounds;
#[cfg(unix)]
mod files;
mod growth;
mod index;
mod many;
mod watch;

use crate::support::command::Workshop;
use crate::support::heap::dump;

const SKETCH: &str =
    "module app .cache -> c\nc: dict ['a'] -> s1, ['b'] -> s2\ns1: app.Session\ns2: app.Session\nlost: app.Lost";

fn workshop() -> Workshop {
    let workshop = Workshop::new();
    workshop.write("dump.jsonl", dump(SKETCH));
    workshop
}

#[test]
fn the_main_command_answers_and_leaves_dot_and_png() {
    let workshop = workshop();
    let ran = workshop.run(&["dump.jsonl", "--type", "Session"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("app.cache[…]"), "{}", ran.stdout);
    let files = workshop.files();
    assert_eq!(files.len(), 3);
    assert!(files[0].starts_with("Session-1-") && files[0].ends_with(".dot"), "{files:?}");
    assert!(ran.stderr.contains(&format!("wrote ./{}", files[1])), "{}", ran.stderr);
}

#[test]
fn nothing_matched_is_exit_code_1_with_the_nearest_names() {
    let ran = workshop().run(&["dump.jsonl", "--type", "Sesion"]);
    assert_eq!(ran.code, 1);
    assert!(ran.stdout.contains("no object is of type `Sesion`"), "{}", ran.stdout);
    assert!(ran.stdout.contains("app.Session  2 objects"), "{}", ran.stdout);
}

#[test]
fn an_object_that_no_root_reaches_is_found_all_the_same() {
    let ran = workshop().run(&["dump.jsonl", "--type", "Lost", "--no-files"]);
    assert_eq!(ran.code, 0);
    assert!(ran.stdout.contains("not reachable from any root"), "{}", ran.stdout);
}

#[test]
fn failures_are_exit_code_2_with_a_reason() {
    let workshop = workshop();
    workshop.write("picture.png", b"\x89PNG\r\n\x1a\n");
    workshop.write("wrong.json", "{\"nodes\":[],\"links\":[],\"directed\":false}");
    for (arguments, reason) in [
        (&["missing.jsonl", "--type", "X"][..], "cannot read `missing.jsonl`"),
        (&[".", "--type", "X"], "cannot read `.`"),
        (&["picture.png", "--type", "X"], "a picture (PNG)"),
        (&["wrong.json", "--type", "X"], "undirected"),
        (&["dump.jsonl", "--type", "Session", "--exclude", "nonsense"], "OWNER.NAME"),
        (&["dump.jsonl", "--type", "Session", "--roots", ""], "--roots needs"),
        (&["dump.jsonl", "--type", "Session", "-o", "dump.jsonl/x"], "cannot write"),
        (&["export", "dump.jsonl", "-o", "x.parquet"], "ends in `.csv` or `.jsonl`"),
        (&["dump.jsonl", "--bad"], "unexpected argument"),
        (&["dump.jsonl", "--threads", "4000000"], "4000000 is not in 0..=1024"),
    ] {
        let ran = workshop.run(arguments);
        assert_eq!(ran.code, 2, "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(reason), "{arguments:?}: {}", ran.stderr);
    }
    assert_eq!(workshop.files(), ["dump.jsonl", "picture.png", "wrong.json"]);
}

#[test]
fn strict_refuses_what_is_otherwise_told() {
    let workshop = Workshop::new();
    workshop.write(
        "dump",
        "{\"address\": 1, \"type\": \"T\", \"refs\": [9]}\nbroken\n{\"address\": 2, \"type\": \"T\", \"re",
    );
    let lenient = workshop.run(&["dump", "--type", "T", "--no-files"]);
    assert_eq!(lenient.code, 0);
    for fact in ["1 broken record left out, the first at byte 41", "1 dangling reference", "breaks off at byte"] {
        assert!(lenient.stdout.contains(fact), "{fact}: {}", lenient.stdout);
    }
    let strict = workshop.run(&["dump", "--type", "T", "--strict"]);
    assert_eq!(strict.code, 2);
    assert!(strict.stderr.contains("1 broken record"), "{}", strict.stderr);
    assert!(strict.stdout.is_empty());
}

#[test]
fn dumps_come_from_standard_input_and_compressed() {
    let workshop = workshop();
    let plain = dump(SKETCH).into_bytes();
    let zstd = zstd::stream::encode_all(plain.as_slice(), 3).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut gzip, &plain).unwrap();
    let gzip = gzip.finish().unwrap();
    let expected = workshop.run(&["dump.jsonl", "--type", "Session", "--no-files"]).stdout;
    for input in [&plain, &zstd, &gzip] {
        let ran = workshop.run_with_input(&["-", "--type", "Session", "--no-files"], input);
        assert_eq!(ran.stdout, expected);
        workshop.write("named.wrongly.png", input);
        assert_eq!(workshop.run(&["named.wrongly.png", "--type", "Session", "--no-files"]).stdout, expected);
    }
}

#[test]
fn the_same_bytes_come_out_for_any_number_of_threads() {
    let workshop = workshop();
    let one = workshop.run(&["dump.jsonl", "--type", "*", "--format", "json", "--threads", "1"]).stdout;
    for threads in ["2", "3", "8"] {
        let other = workshop.run(&["dump.jsonl", "--type", "*", "--format", "json", "--threads", threads]).stdout;
        assert_eq!(one, other);
    }
}

#[test]
fn export_writes_a_row_an_object() {
    let workshop = workshop();
    assert_eq!(workshop.run(&["export", "dump.jsonl", "-o", "objects.csv"]).code, 0);
    let csv = String::from_utf8(workshop.read("objects.csv")).unwrap();
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines[0], "address,type,shallow_size,distance,idom,retained");
    assert_eq!(lines[1], "16,module,128,0,0,1920");
    assert_eq!(lines[4], "64,app.Session,512,3,48,512");
    assert_eq!(*lines.last().unwrap(), "96,app.Lost,768,,,");
    assert_eq!(workshop.run(&["export", "dump.jsonl", "-o", "objects.jsonl"]).code, 0);
    let rows: Vec<serde_json::Value> = String::from_utf8(workshop.read("objects.jsonl"))
        .unwrap()
        .lines()
        .map(|row| serde_json::from_str(row).unwrap())
        .collect();
    assert_eq!(rows.len(), lines.len() - 1);
    assert_eq!(rows[0]["distance"], 0);
    assert!(rows.last().unwrap()["distance"].is_null());
    assert_eq!(workshop.run(&["export", "dump.jsonl", "-o", "-"]).stdout, csv);
}

#[test]
fn several_types_and_ids_are_answered_in_one_run() {
    let ran =
        workshop().run(&["dump.jsonl", "--type", "Session", "--type", "Lost", "--id", "0x10", "--format", "json"]);
    let json = ran.json();
    assert_eq!(json["matched"], 4);
    assert_eq!(json["types"].as_array().unwrap().len(), 3);
}

#[test]
fn colour_is_only_for_terminals_unless_asked_for() {
    let workshop = workshop();
    assert!(!workshop.run(&["dump.jsonl", "--type", "Session", "--no-files"]).stdout.contains('\x1b'));
    let forced = workshop.run(&["dump.jsonl", "--type", "Session", "--no-files", "--color", "always"]);
    assert!(forced.stdout.contains("\x1b["));
}

#[test]
fn help_version_man_and_completions_are_made() {
    let workshop = Workshop::new();
    let help = workshop.run(&["--help"]);
    assert_eq!(help.code, 0);
    for word in ["--type", "--exclude", "--roots", "--raw", "Exit codes", "export"] {
        assert!(help.stdout.contains(word), "{word}");
    }
    assert!(workshop.run(&["--version"]).stdout.starts_with("retainers 0."));
    assert!(workshop.run(&["man"]).stdout.starts_with(".ie"));
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(workshop.run(&["completions", shell]).stdout.contains("retainers"), "{shell}");
    }
    assert_eq!(workshop.run(&[]).code, 2);
}

#[test]
fn quiet_says_nothing_on_standard_error() {
    let ran = workshop().run(&["dump.jsonl", "--type", "Session", "--quiet"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
}

#[test]
fn a_closed_pipe_is_quiet_success() {
    use std::process::Stdio;
    let workshop = workshop();
    let mut child = workshop
        .command(&["dump.jsonl", "--type", "*", "--format", "json"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn hostile_names_become_harmless_files_and_text() {
    let workshop = Workshop::new();
    let nasty = "../../etc/x\\u001b]0;pwned\\u0007\\\"<script>&{|}\\u202e";
    workshop.write("dump", format!("{{\"address\": 1, \"type\": \"{nasty}\", \"refs\": [], \"root\": \"module\"}}\n"));
    let ran = workshop.run(&["dump", "--type", "*", "--format", "text,dot,svg,png,json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(!ran.stdout.contains('\x1b') && !ran.stderr.contains('\x1b'));
    assert_eq!(workshop.files().len(), 5, "{:?}", workshop.files());
}

const RETAINING: &str = "module app .cache -> c, .other -> o\nc: dict ['a'] -> s1, ['b'] -> s2\no: list [0] -> s2\n\
    s1: app.Session .data -> d\nd: bytes\ns2: app.Session";

fn retaining() -> Workshop {
    let workshop = Workshop::new();
    workshop.write("dump", dump(RETAINING));
    workshop
}

#[test]
fn retained_sizes_are_shown_unless_not_wanted() {
    let with = retaining().run(&["dump", "--type", "Session", "--no-files"]).stdout;
    assert!(with.contains("retained (3 objects") && with.contains("◆"), "{with}");
    let without = retaining().run(&["dump", "--type", "Session", "--no-files", "--no-retained"]).stdout;
    assert!(!without.contains("retain") && !without.contains("◆"), "{without}");
}

#[test]
fn what_if_says_what_goes_and_what_still_holds_the_rest() {
    let ran = retaining().run(&["dump", "--type", "Session", "--no-files", "--without", "app.cache[…]"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("going without frees 2 objects") && ran.stdout.contains("1 of those asked for"));
    assert!(ran.stdout.contains("app.other[0]"), "{}", ran.stdout);
    let wrong = retaining().run(&["dump", "--type", "Session", "--no-files", "--without", "app.nothing"]);
    assert_eq!(wrong.code, 2);
    assert!(wrong.stderr.contains("no reference in the dump is `app.nothing`"), "{}", wrong.stderr);
}

#[test]
fn cut_names_the_fewest_references_and_proves_it() {
    let ran = retaining().run(&["cut", "dump", "--type", "Session"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.starts_with("2 references, cut, make all 2 objects collectable"), "{}", ran.stdout);
    for expression in ["app.cache  alone it frees", "app.other[0]  alone it frees"] {
        assert!(ran.stdout.contains(expression), "{expression}: {}", ran.stdout);
    }
    assert!(ran.stdout.contains("proof: without them, the roots reach none of the 2"), "{}", ran.stdout);
    let few = retaining().run(&["cut", "dump", "--type", "Session", "--max", "1"]);
    assert_eq!(few.code, 1);
    assert!(few.stdout.contains("at least 2"), "{}", few.stdout);
    let root = retaining().run(&["cut", "dump", "--type", "module"]);
    assert!(root.stdout.contains("is a root itself"), "{}", root.stdout);
    let json = retaining().run(&["cut", "dump", "--type", "Session", "--json"]).json();
    assert_eq!(json["outcome"], "found");
    assert_eq!(json["frees_together"]["matched"], 2);
    assert_eq!(retaining().run(&["cut", "dump", "--type", "Sesion"]).code, 1);
    assert_eq!(retaining().run(&["cut", "dump"]).code, 2);
}

#[test]
fn summary_tree_object_and_suspects_answer_and_draw() {
    let workshop = retaining();
    for (arguments, words, file) in [
        (&["summary", "dump", "-o", "out"][..], "app.Session", "summary-by-type.svg"),
        (&["summary", "dump", "--by", "module", "--sort", "count", "-o", "out"], "builtins", "summary-by-module.svg"),
        (&["tree", "dump", "-o", "out"], "module app", "heap-tree.svg"),
        (&["object", "dump", "0x30", "-o", "out"], "0x30", "dict-0x30.png"),
    ] {
        let ran = workshop.run(arguments);
        assert_eq!(ran.code, 0, "{arguments:?}: {}", ran.stderr);
        assert!(ran.stdout.contains(words), "{arguments:?}: {}", ran.stdout);
        assert!(workshop.path().join("out").join(file).exists(), "{arguments:?}: {}", ran.stderr);
        let json = workshop
            .run(&[&arguments[..2], if arguments[0] == "object" { &["0x30", "--json"] } else { &["--json"] }].concat());
        assert_eq!(json.json()["schema"], 1, "{arguments:?}");
    }
    let few = workshop.run(&["suspects", "dump"]);
    assert_eq!(few.code, 1);
    assert!(few.stdout.contains("nothing accumulates"), "{}", few.stdout);
    assert_eq!(workshop.run(&["object", "dump", "0x999"]).code, 1);
    assert_eq!(workshop.run(&["tree", "dump", "--threshold", "101"]).code, 2);
    let deepest = usize::MAX.to_string();
    assert_eq!(workshop.run(&["tree", "dump", "--depth", &deepest, "-o", "out"]).code, 0);
}

#[test]
fn suspects_name_what_piles_up_where() {
    let workshop = Workshop::new();
    let mut sketch = String::from("module app .cache -> c\nc: dict");
    let entries: Vec<String> = (0..9).map(|number| format!("['k{number}'] -> s{number}")).collect();
    sketch.push_str(&format!(" {}", entries.join(", ")));
    (0..9).for_each(|number| sketch.push_str(&format!("\ns{number}: app.Session")));
    workshop.write("dump", dump(&sketch));
    let ran = workshop.run(&["suspects", "dump"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let first = ran.stdout.lines().next().unwrap();
    assert_eq!(workshop.run(&["suspects", "dump", "--limit", "0"]).stdout, ran.stdout);
    assert!(first.contains("9 app.Session") && first.contains("all held through app.cache"), "{}", ran.stdout);
}

#[test]
fn own_known_holders_come_before_the_shipped_ones() {
    let workshop = retaining();
    workshop.write("holders.txt", "# ours\nreference app.cache | the cache of this program | call app.clear()\n");
    let ran = workshop.run(&["dump", "--type", "Session", "--no-files", "--holders", "holders.txt"]);
    assert!(ran.stdout.contains("the cache of this program; release: call app.clear()"), "{}", ran.stdout);
    workshop.write("wrong.txt", "nonsense\n");
    let wrong = workshop.run(&["dump", "--type", "Session", "--holders", "wrong.txt"]);
    assert_eq!(wrong.code, 2);
    assert!(wrong.stderr.contains("line 1"), "{}", wrong.stderr);
}

#[test]
fn a_dump_that_does_not_fit_is_answered_without_retained_sizes_or_refused() {
    let workshop = Workshop::new();
    let line = |number: u64| format!("{{\"address\": {number}, \"type\": \"app.T\", \"refs\": [{}]}}\n", number / 2);
    let dump: String = (1..40_000).map(line).collect();
    workshop.write("dump.jsonl", dump + "{\"address\": 50000, \"type\": \"module\", \"refs\": [1, 20000]}\n");
    let ask = |memory: &str| {
        workshop.run(&["dump.jsonl", "--type", "app.T", "--no-files", "--limit", "1", "--memory", memory])
    };
    let whole = ask("none");
    assert!(whole.stdout.contains("retains"), "{}", whole.stdout);
    assert!(!whole.stderr.contains("memory"), "{}", whole.stderr);
    // 43 to 61 bytes an object
    let lean = ask("2MB");
    assert_eq!(lean.code, 0, "{}", lean.stderr);
    assert!(lean.stderr.contains("retained sizes are left out: they need about 2."), "{}", lean.stderr);
    assert!(!lean.stdout.contains("retains"), "{}", lean.stdout);
    let refused = ask("1.5MB");
    assert_eq!((refused.code, refused.stdout.as_str()), (2, ""));
    assert!(
        refused.stderr.contains("not enough memory: about 2.3 MiB are needed, 1.4 MiB may be taken"),
        "{}",
        refused.stderr
    );
    let summary = workshop.run(&["summary", "dump.jsonl", "--memory", "2MB"]);
    assert_eq!(summary.code, 2, "{}", summary.stdout);
    for wrong in ["lots", "1QB", "", "."] {
        let ran = ask(wrong);
        assert_eq!(ran.code, 2, "{wrong}");
        assert!(ran.stderr.contains("8GiB"), "{wrong}: {}", ran.stderr);
    }
}

#[test]
fn the_agent_is_printed_and_written() {
    let workshop = Workshop::new();
    let printed = workshop.run(&["agent"]);
    assert_eq!(printed.code, 0, "{}", printed.stderr);
    assert!(printed.stdout.starts_with("\"\"\"") && printed.stdout.contains("\ndef dump("), "{}", printed.stdout);
    assert_eq!(workshop.run(&["agent", "-o", "agent.py"]).code, 0);
    assert_eq!(workshop.read("agent.py"), printed.stdout.as_bytes());
}

//! Names that have no end.

use crate::support::command::Workshop;

#[test]
fn names_of_megabytes_are_cut_wherever_they_are_shown() {
    let long = "n".repeat(3_000_000);
    let workshop = Workshop::new();
    let record = |address: u64, fields: &str| format!("{{\"address\":{address},\"size\":56,{fields}}}\n");
    workshop.write(
        "dump.jsonl",
        record(
            1,
            &format!("\"type\":\"module\",\"name\":\"{long}M\",\"refs\":[2,3],\"edges\":[\".{long}A\",\".{long}B\"]"),
        ) + &record(2, &format!("\"type\":\"{long}.Session1\",\"refs\":[],\"value\":\"{long}\""))
            + &record(3, &format!("\"type\":\"{long}.Session2\",\"refs\":[],\"name\":\"{long}\"")),
    );
    for arguments in [
        &["dump.jsonl"][..],
        &["dump.jsonl", "--type", "*", "--format", "text,json,dot,svg,png"],
        &["dump.jsonl", "--type", "*", "--format", "json"],
        &["dump.jsonl", "--type", "Sesion"],
        &["summary", "dump.jsonl", "-o", "."],
        &["summary", "dump.jsonl", "--by", "root"],
        &["tree", "dump.jsonl", "-o", "."],
        &["object", "dump.jsonl", "2", "-o", "."],
        &["suspects", "dump.jsonl"],
        &["cut", "dump.jsonl", "--type", "*Session*"],
        &["check", "dump.jsonl", "--max", "*Session*=1", "--junit", "x.xml", "--sarif", "x.sarif"],
    ] {
        let ran = workshop.run(arguments);
        assert!(ran.code <= 1, "{arguments:?}: {}", ran.stderr);
        let longest = ran.stdout.lines().map(str::len).max().unwrap_or(0);
        assert!(longest < 40_000, "{arguments:?}: a line of {longest} bytes");
        assert!(ran.stderr.len() < 20_000, "{arguments:?}");
    }
    for name in workshop.files().iter().filter(|name| *name != "dump.jsonl") {
        let size = workshop.read(name).len();
        assert!(size < 400_000, "{name} has {size} bytes");
        assert!(name.len() <= 200, "{name}");
    }
}

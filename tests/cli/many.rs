//! Many ways of being held, many types, and names that have no end.

use crate::support::command::Workshop;

/// A module that holds each of so many sessions by an attribute of its own; each of a type of its own where `own_types`.
fn wide(count: u64, own_types: bool) -> String {
    let refs: Vec<String> = (2..count + 2).map(|address| address.to_string()).collect();
    let edges: Vec<String> = (0..count).map(|number| format!("\".a{number}\"")).collect();
    let mut text = format!(
        "{{\"retainers\":1,\"pid\":1}}\n{{\"address\":1,\"type\":\"module\",\"size\":72,\"name\":\"x\",\"refs\":[{}],\"edges\":[{}]}}\n",
        refs.join(","),
        edges.join(",")
    );
    for address in 2..count + 2 {
        let own = if own_types { address.to_string() } else { String::new() };
        text.push_str(&format!("{{\"address\":{address},\"type\":\"x.Session{own}\",\"size\":9,\"refs\":[]}}\n"));
    }
    text
}

#[test]
fn a_record_is_not_read_again_for_each_chain_that_leads_through_it() {
    // each chain reads it again: some 40,000 × 1 MB, which takes minutes
    let workshop = Workshop::new();
    workshop.write("groups.jsonl", wide(40_000, false));
    let ran = workshop.run(&["groups.jsonl", "--type", "Session", "--no-files", "--limit", "2"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("40,000 x.Session are alive, held in 40,000 ways"), "{}", ran.stdout);
    assert!(ran.stdout.contains("x.a0") && ran.stdout.contains("… 39,998 more ways"), "{}", ran.stdout);
    workshop.write("types.jsonl", wide(40_000, true));
    let ran = workshop.run(&["types.jsonl", "--type", "*Session*", "--no-files"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(ran.stdout.matches("held by module x").count(), 40_000);
    assert!(ran.stdout.contains("1 x.Session777 is alive, held in 1 way · 9 B shallow · 9 B retained (1 object"));
}

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

//! Tests of `src/redact.rs`: nothing that must go stays, and the chains do.

use serde_json::Value;

use crate::support::command::Workshop;

const DUMP: &str = r#"{"retainers":1,"runtime":"cpython","command":["python","-m","shop","--token=tok-1"],"pid":7,"secret_of_mine":"tok-2"}
{"address":16,"type":"module","size":72,"name":"shop","refs":[32],"edges":["__dict__"],"kinds":"d"}
{"address":32,"type":"dict","size":232,"refs":[48,64,80],"edges":["['by_mail']","['numbers']","key ['by_mail']"],"kinds":"vvk"}
{"address":48,"type":"dict","size":232,"refs":[96,112,128,144],"edges":["['ann@example.org']","key ['ann@example.org']","[555123]","\u005b'tok-3'\u005d"],"kinds":"vkvv","weak":[96],"weak_edges":["['tok-4']"]}
{"address":64,"type":"list","size":88,"refs":[96,112],"edges":["[0]","[1]"],"kinds":"ii"}
{"address":80,"type":"str","size":60,"len":7,"value":"by_mail","refs":[]}
{"address":96,"type":"shop.Session","size":56,"refs":[160],"edges":[".token"],"kinds":"a"}
{"address":112,"type":"str","size":60,"len":15,"value":"ann@example.org","refs":[]}
{"address":128,"type":"int","size":28,"value":987654321,"refs":[]}
{"address":144,"type":"frame","size":400,"name":"run","value":"/srv/shop/web.py:42","refs":[96],"edges":["f_locals['session']"],"kinds":"l"}
{"address":160,"type":"str","size":60,"len":5,"value":{"nested":"tok-5"},"refs":[],"repr":"tok-6"}
{"root":"module","name":"shop","object":16}
{"end":{"objects":10,"references":12,"roots":1}}
"#;

const SECRETS: [&str; 10] =
    ["tok-1", "tok-2", "tok-3", "tok-4", "tok-5", "tok-6", "ann@", "555123", "987654321", "secret_of_mine\":"];

fn redacted(dump: &str, more: &[&str]) -> (Workshop, String, String) {
    let workshop = Workshop::new();
    workshop.write("dump.jsonl", dump);
    let arguments = [&["redact", "dump.jsonl", "-o", "out.jsonl"], more].concat();
    let ran = workshop.run(&arguments);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let text = String::from_utf8(workshop.read("out.jsonl")).unwrap();
    (workshop, text, ran.stderr)
}

#[test]
fn no_value_key_or_command_line_is_left() {
    let (_, text, told) = redacted(DUMP, &[]);
    for secret in SECRETS {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    for line in text.lines() {
        serde_json::from_str::<Value>(line).unwrap();
    }
    assert_eq!(
        told,
        "5 values taken out; 5 dictionary keys replaced (4 different ones); the command line taken out; unknown keys left \
         out: `secret_of_mine`\n"
    );
}

#[test]
fn names_that_stand_in_the_code_stay() {
    let (_, text, _) = redacted(DUMP, &[]);
    for name in ["['by_mail']", "key ['by_mail']", "\".token\"", "f_locals['session']", "/srv/shop/web.py:42", "[1]"] {
        assert!(text.contains(name), "{name}: {text}");
    }
}

#[test]
fn one_key_has_one_number_wherever_it_is() {
    let (_, text, _) = redacted(DUMP, &[]);
    assert!(text.contains(r#"["[<str 1>]","key [<str 1>]","[<int 2>]","[<str 3>]"]"#), "{text}");
    assert!(text.contains(r#""weak_edges":["[<str 4>]"]"#), "{text}");
}

#[test]
fn keys_stay_where_that_is_asked_for() {
    let (_, text, _) = redacted(DUMP, &["--keep-keys"]);
    assert!(text.contains("['ann@example.org']") && text.contains("[555123]"), "{text}");
    assert!(!text.contains("987654321") && !text.contains("\"value\":\"ann"), "{text}");
}

#[test]
fn the_chains_are_the_same() {
    let (workshop, ..) = redacted(DUMP, &[]);
    let ask = |dump: &str| {
        let ran = workshop.run(&[dump, "--type", "Session", "--format", "json", "--no-files"]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let signature = &ran.json()["signatures"][0];
        assert!(signature["fingerprint"].is_string(), "{signature}");
        ["fingerprint", "length", "equally_short", "objects", "retained"].map(|key| signature[key].clone())
    };
    assert_eq!(ask("dump.jsonl"), ask("out.jsonl"));
    assert_eq!(workshop.run(&["out.jsonl", "--strict", "--no-files"]).code, 0);
}

#[test]
fn what_is_redacted_stays_so_when_redacted_again() {
    let (workshop, text, _) = redacted(DUMP, &[]);
    let again = workshop.run(&["redact", "out.jsonl", "-o", "-", "--keep-keys"]);
    assert_eq!(again.stdout, text);
}

#[test]
fn dumps_are_compressed_as_the_name_says() {
    let workshop = Workshop::new();
    workshop.write("dump.zst", zstd::stream::encode_all(DUMP.as_bytes(), 3).unwrap());
    let plain = workshop.run(&["redact", "dump.zst", "-o", "-"]);
    assert_eq!(plain.code, 0, "{}", plain.stderr);
    for (name, magic) in [("a.jsonl.gz", &[0x1f, 0x8b][..]), ("a.jsonl.zst", &[0x28, 0xb5])] {
        assert_eq!(workshop.run(&["redact", "dump.zst", "-o", name, "-q"]).code, 0);
        assert!(workshop.read(name).starts_with(magic));
        assert_eq!(workshop.run(&["redact", name, "-o", "-", "--keep-keys"]).stdout, plain.stdout);
    }
}

#[test]
fn a_line_that_is_no_record_stops_it_with_its_place() {
    let workshop = Workshop::new();
    let start = "{\"retainers\":1}\n{\"address\":16,\"type\":\"str\",\"value\":\"tok-1\",\"refs\":[]}\n";
    for (bad, offset) in [("{\"address\":32,", 84), ("{\"address\":32} tok", 85), ("tok", 70), ("{\"value\":\"tok", 83)]
    {
        workshop.write("dump.jsonl", format!("{start}{bad}\n{{\"end\":{{}}}}\n"));
        let ran = workshop.run(&["redact", "dump.jsonl", "-o", "out.jsonl"]);
        assert_eq!(ran.code, 2, "{bad}");
        assert!(ran.stderr.contains(&format!("byte {offset}:")), "{bad}: {}", ran.stderr);
        assert_eq!(workshop.files(), ["dump.jsonl"]);
    }
}

#[test]
fn lines_of_other_writers_lose_their_values() {
    let midden = "{\"id\": 1, \"type\": \"builtins.module\", \"references\": [2], \"size\": 72, \"value\": \"module shop\"}\n\
        {\"id\": 2, \"type\": \"builtins.str\", \"references\": [], \"size\": 55, \"value\": \"tok-00\"}\n";
    let (_, text, _) = redacted(midden, &[]);
    assert!(text.contains("module shop") && !text.contains("tok-00"), "{text}");
}

#[test]
fn what_has_no_record_a_line_is_refused() {
    let workshop = Workshop::new();
    for (name, content) in [
        ("array.json", "[{\"id\": 1, \"type\": \"str\", \"value\": \"x\", \"refs\": []}]"),
        ("graph.json", "{\"nodes\":[],\"links\":[]}"),
        ("empty", ""),
    ] {
        workshop.write(name, content);
        let ran = workshop.run(&["redact", name, "-o", "out"]);
        assert_eq!(ran.code, 2, "{name}");
        assert!(ran.stderr.contains("a record a line"), "{}", ran.stderr);
    }
}

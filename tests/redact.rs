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

/// Places of a dump where data may stand, with `@` for it: 60 of them, each in a line of its own. `@` is a word that could be
/// an identifier, `@ @` is none.
const PLACES: [&str; 60] = [
    // values, whatever they are and whatever holds them
    r#"{"address":A,"type":"str","size":60,"len":5,"value":"@","refs":[]}"#,
    r#"{"address":A,"type":"bytes","size":60,"value":"b'@'","refs":[]}"#,
    r#"{"address":A,"type":"str","size":60,"repr":"'@'","refs":[]}"#,
    r#"{"address":A,"type":"shop.Token","size":60,"value":["@"],"refs":[]}"#,
    r#"{"address":A,"type":"shop.Token","size":60,"value":{"@":1},"refs":[]}"#,
    r#"{"address":A,"type":"function","size":60,"name":"f","value":"= @ =","refs":[]}"#,
    r#"{"address":A,"type":"module","size":60,"name":"m","value":"https://@:80","refs":[]}"#,
    r#"{"address":A,"type":"frame","size":60,"name":"m","value":{"line":"@"},"refs":[]}"#,
    // keys of dictionaries
    r#"{"address":A,"type":"dict","size":60,"refs":[16],"edges":["['@']"]}"#,
    r#"{"address":A,"type":"dict","size":60,"refs":[16],"edges":["key ['@']"]}"#,
    r#"{"address":A,"type":"dict","size":60,"refs":[16],"edges":["[b'@']"]}"#,
    r#"{"address":A,"type":"dict","size":60,"refs":[16],"edges":["[('@', 1)]"]}"#,
    r#"{"address":A,"type":"dict","size":60,"refs":[16],"edges":["[\"it's @\"]"]}"#,
    r#"{"address":A,"type":"dict","size":60,"refs":[16],"edges":["['a]@']"]}"#,
    r#"{"address":A,"type":"dict","size":60,"refs":[16],"edges":["['f_locals[@']"]}"#,
    r#"{"address":A,"type":"dict","size":60,"refs":[16],"edges":["['<@>']"]}"#,
    r#"{"address":A,"type":"dict","size":60,"refs":[16],"edges":["\u005b'@'\u005d"]}"#,
    r#"{"address":A,"type":"list","size":60,"refs":[16],"edges":["['@']"]}"#,
    r#"{"address":A,"type":"dict","size":60,"refs":[],"weak":[16],"weak_edges":["['@']"]}"#,
    r#"{"address":A,"type":"shop.Cache","size":60,"refs":[16],"edges":["['@']"],"kinds":"v"}"#,
    // attributes that no code can have written
    r#"{"address":A,"type":"shop.Bag","size":60,"refs":[16],"edges":[".@ @"],"kinds":"a"}"#,
    r#"{"address":A,"type":"shop.Bag","size":60,"refs":[16],"edges":[".@-@"]}"#,
    r#"{"address":A,"type":"shop.Bag","size":60,"refs":[16],"edges":["@ @"]}"#,
    r#"{"address":A,"type":"shop.Bag","size":60,"refs":[16],"edges":[".@/x[0]"]}"#,
    r#"{"address":A,"type":"shop.Bag","size":60,"refs":[16],"edges":["x[0].@ @"]}"#,
    r#"{"address":1001,"type":"dict","size":60,"refs":[16],"edges":["['@ @']"]}"#,
    r#"{"address":1001,"type":"dict","size":60,"refs":[16],"edges":["key ['@ @']"]}"#,
    r#"{"address":1001,"type":"dict","size":60,"refs":[16],"edges":["['@-example']"]}"#,
    r#"{"address":A,"type":"frame","size":60,"name":"run","refs":[16],"edges":["f_locals['@ @']"]}"#,
    r#"{"address":A,"type":"generator","size":60,"refs":[16],"edges":["gi_frame.f_locals['@!']"]}"#,
    // objects that are made to hold data under names
    r#"{"address":A,"type":"types.SimpleNamespace","size":60,"refs":[16],"edges":[".@"],"kinds":"a"}"#,
    r#"{"address":A,"type":"types.SimpleNamespace","size":60,"refs":[16],"edges":["@"]}"#,
    r#"{"address":A,"type":"argparse.Namespace","size":60,"refs":[16],"edges":[".@"]}"#,
    r#"{"address":A,"type":"_thread._local","size":60,"refs":[16],"edges":[".@"]}"#,
    r#"{"address":A,"type":"shop.Local","size":60,"refs":[16],"edges":[".@"]}"#,
    r#"{"address":A,"type":"shop.LocalOfLocal","size":60,"refs":[16],"edges":[".@"]}"#,
    r#"{"address":1002,"type":"dict","size":60,"refs":[16],"edges":["['@']"]}"#,
    r#"{"address":1003,"type":"dict","size":60,"refs":[16],"edges":["['@']"]}"#,
    r#"{"address":1004,"type":"dict","size":60,"refs":[16],"edges":["['@']"]}"#,
    r#"{"address":1005,"type":"dict","size":60,"refs":[16],"edges":["['@']"]}"#,
    // what people call things
    r#"{"root":"frame","name":"run","thread":"@","object":16}"#,
    r#"{"root":"frame","name":"run","thread":"Thread-1 (@ @)","object":16}"#,
    r#"{"root":"task","name":"fetch @ @","object":16}"#,
    r#"{"root":"context","name":"@ at example","object":16}"#,
    r#"{"address":A,"type":"_asyncio.Task","size":60,"name":"@","refs":[]}"#,
    r#"{"address":A,"type":"type","size":60,"name":"shop.Customer @ @","refs":[]}"#,
    r#"{"address":A,"type":"shop.Customer <@ @>","size":60,"refs":[]}"#,
    r#"{"address":A,"type":"module","size":60,"name":"plugin for @/x","refs":[]}"#,
    r#"{"address":A,"type":"Thing","module":"made for @","size":60,"refs":[]}"#,
    r#"{"address":A,"type":"function","size":60,"name":"f('@')","refs":[]}"#,
    // values of another kind than the key has
    r#"{"address":A,"type":"str","size":"@","refs":[]}"#,
    r#"{"address":A,"type":"str","size":60,"len":{"@":1},"refs":[]}"#,
    r#"{"address":A,"type":"str","size":60,"rc":["@"],"refs":[]}"#,
    r#"{"address":A,"type":"str","size":60,"site":"@","refs":[]}"#,
    r#"{"address":A,"type":["@"],"size":60,"refs":[]}"#,
    r#"{"address":A,"type":"str","size":60,"edges":{"@":1},"refs":[]}"#,
    r#"{"root":{"@":1},"object":16}"#,
    r#"{"end":{"objects":"@"}}"#,
    // what nobody knows
    r#"{"address":A,"type":"str","size":60,"token":"@","refs":[]}"#,
    r#"{"address":A,"type":"str","size":60,"more":{"deep":[{"token":"@"}]},"refs":[]}"#,
];

#[test]
fn none_of_sixty_secrets_is_left() {
    let mut dump = String::from(
        r#"{"retainers":1,"runtime":"cpython","command":["shop","--token","secret_cmd"],"time":{"by":"secret_time"},"pid":7}
{"address":16,"type":"shop.Bag","size":56,"refs":[1001,1001],"edges":["__dict__","__weakref__"]}
{"address":32,"type":"types.SimpleNamespace","size":56,"refs":[1002],"edges":["__dict__"]}
{"address":48,"type":"_thread._local","size":56,"refs":[1003],"edges":["__dict__"]}
{"address":64,"type":"shop.LocalOfLocal","size":56,"refs":[1004,1005],"edges":["__dict__","__dict__"]}
{"address":80,"type":"shop.Bag","size":56,"refs":[1005],"edges":["__dict__"]}
{"address":112,"type":"type","size":1000,"name":"shop.LocalOfLocal","refs":[128],"edges":["__base__"]}
{"address":128,"type":"type","size":1000,"name":"shop.Local","refs":[144],"edges":["__base__"]}
{"address":144,"type":"type","size":1000,"name":"_thread._local","refs":[160],"edges":["__base__"]}
{"address":160,"type":"type","size":1000,"name":"object","refs":[],"edges":[]}
"#,
    );
    for (number, place) in PLACES.iter().enumerate() {
        let place = place.replace("\"address\":A", &format!("\"address\":{}", 10_000 + number));
        dump.push_str(&place.replace('@', &format!("secret_{number:02}")));
        dump.push('\n');
    }
    let (workshop, text, _) = redacted(&dump, &[]);
    for (number, place) in PLACES.iter().enumerate() {
        assert!(!text.contains(&format!("secret_{number:02}")), "{place}: {text}");
    }
    assert!(!text.contains("secret"), "{text}");
    // nothing is lost that is no secret
    for line in text.lines() {
        serde_json::from_str::<Value>(line).unwrap();
    }
    assert_eq!(text.lines().count(), dump.lines().count());
    let twice = workshop.run(&["redact", "out.jsonl", "-o", "-", "--keep-keys"]);
    assert_eq!(twice.stdout, text);
}

#[test]
fn names_in_the_code_stay_whatever_python_calls_them() {
    let lines = [
        r#"{"address":16,"type":"method-wrapper","size":48,"refs":[],"edges":[]}"#,
        r#"{"address":32,"type":"shop.Box[int, shop.Größe | None]","size":48,"refs":[16,16,16],"edges":[".größe","__class__",".a.b"]}"#,
        r#"{"address":48,"type":"function","size":48,"name":"make.<locals>.<lambda>","refs":[16],"edges":["__closure__"]}"#,
        r#"{"address":64,"type":"types.GenericAlias","size":48,"refs":[16,16],"edges":["callbacks[…]","_callbacks[0][1]"]}"#,
        r#"{"address":80,"type":"frame","size":48,"name":"<module>","value":"/srv/my shop/web.py:42","refs":[16,16],"edges":["f_locals['.0']","f_locals['row']"]}"#,
        r#"{"address":96,"type":"module","size":48,"name":"my-script","value":"/srv/shop/web.py","refs":[112],"edges":["__dict__"]}"#,
        r#"{"address":112,"type":"dict","size":48,"refs":[16,16],"edges":["['_cache']","key ['_cache']"],"kinds":"vk"}"#,
        r#"{"address":128,"type":"dict","size":48,"refs":[16],"edges":["[<shop.Key>]"],"kinds":"v"}"#,
        r#"{"address":144,"type":"types.SimpleNamespace","size":48,"refs":[16],"edges":["__dict__"]}"#,
        r#"{"address":160,"type":"str","size":48,"refs":[],"site":"/srv/shop/web.py:7"}"#,
        r#"{"root":"frame","name":"serve (web.py:42)","thread":"MainThread","object":16}"#,
        r#"{"root":"garbage","name":"gc.garbage[3]","object":16}"#,
        r#"{"address":176,"type":"symtable entry","size":48,"refs":[16],"edges":["<stack>"]}"#,
        r#"{"address":192,"type":"_thread._local","size":48,"refs":[16,16],"edges":["__dict__","dummies"]}"#,
        r#"{"root":"hook","name":"sys.asyncgen_hooks.firstiter","object":16}"#,
        r#"{"unseen":"contents of greenlets","count":2}"#,
    ];
    let dump = format!("{{\"retainers\":1}}\n{}\n", lines.join("\n"));
    let (_, text, _) = redacted(&dump, &[]);
    assert_eq!(text, dump);
}

#[test]
fn every_key_of_the_documented_format_stays() {
    let page = include_str!("../docs/heap-dump-format.md");
    // the tables of keys: a key between backticks in the first column, what it says in the second
    let keys: Vec<(&str, &str)> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` | "))
        .filter(|(key, _)| key.len() > 1 && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'))
        .collect();
    assert!(keys.len() > 25, "{keys:?}");
    for (key, says) in keys {
        let value = match key {
            "retainers" | "end" => continue,
            "refs" | "weak" => "[16]",
            "edges" | "weak_edges" => "[\".name\"]",
            "site" => "\"web.py:1\"",
            "type" | "name" | "module" | "root" | "runtime" | "kinds" | "unseen" => "\"word\"",
            "thread" => "\"MainThread\"",
            "time" | "runtime_version" => "\"3.11.7\"",
            // what they say goes
            "value" | "command" => continue,
            _ => "7",
        };
        let dump = format!("{{\"retainers\":1,\"{key}\":{value}}}\n");
        let (_, text, _) = redacted(&dump, &[]);
        assert_eq!(text, dump, "{says}");
    }
    let end = "{\"retainers\":1}\n{\"end\":{\"objects\":25,\"references\":22,\"roots\":2}}\n";
    assert_eq!(redacted(end, &[]).1, end);
}

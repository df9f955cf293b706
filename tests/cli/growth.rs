//! Growth and checks from the command line, over three dumps of a shop that leaks and of one that does not.

use std::path::Path;

use crate::support::command::{Ran, Workshop};

/// A directory with the six dumps.
fn shop() -> Workshop {
    let workshop = Workshop::new();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/growth");
    for name in ["leak", "fixed"] {
        for number in 1..=3 {
            let file = format!("{name}-{number}.jsonl.zst");
            workshop.write(&file, std::fs::read(fixtures.join(&file)).unwrap());
        }
    }
    workshop
}

const LEAK: [&str; 3] = ["leak-1.jsonl.zst", "leak-2.jsonl.zst", "leak-3.jsonl.zst"];
const FIXED: [&str; 3] = ["fixed-1.jsonl.zst", "fixed-2.jsonl.zst", "fixed-3.jsonl.zst"];

fn growth(workshop: &Workshop, dumps: &[&str], more: &[&str]) -> Ran {
    let arguments: Vec<&str> = ["growth"].iter().chain(dumps).chain(more).copied().collect();
    workshop.run(&arguments)
}

#[test]
fn the_planted_type_its_line_and_its_way_come_first() {
    let workshop = shop();
    let ran = growth(&workshop, &LEAK, &["-o", "pictures"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(
        ran.stdout.starts_with("3 dumps of process 9712 over 4 s: shop.Session grew in every step\n"),
        "{}",
        ran.stdout
    );
    let first = ran.stdout.split("growth 1").nth(1).unwrap();
    assert!(first.trim_start().starts_with("10 → 20 → 30 shop.Session: grew in every step, +10 a dump"), "{first}");
    assert!(first.contains("allocated at /srv/shop/shop.py:55, held by shop.OPEN[…]"), "{first}");
    // the line that allocated them leads the table of lines
    let sites = ran.stdout.split("  allocated at ").nth(2).unwrap();
    assert!(sites.lines().nth(1).unwrap().contains("/srv/shop/shop.py:55"), "{sites}");
    for file in ["growth.svg", "growth.png"] {
        assert!(workshop.path().join("pictures").join(file).is_file(), "{file}: {}", ran.stderr);
    }
}

#[test]
fn a_shop_that_does_not_leak_has_not_grown() {
    let ran = growth(&shop(), &FIXED, &[]);
    assert_eq!(ran.code, 1, "{}", ran.stdout);
    assert!(ran.stdout.contains("nothing has grown"), "{}", ran.stdout);
}

#[test]
fn dumps_are_put_in_the_order_of_their_times() {
    let workshop = shop();
    let in_order = growth(&workshop, &LEAK, &[]);
    let mixed = growth(&workshop, &[LEAK[2], LEAK[0], LEAK[1]], &[]);
    assert_eq!(mixed.stdout, in_order.stdout);
    assert!(
        mixed.stderr.contains("taken in the order leak-1.jsonl.zst, leak-2.jsonl.zst, leak-3.jsonl.zst"),
        "{}",
        mixed.stderr
    );
    assert!(!in_order.stderr.contains("order"), "{}", in_order.stderr);
}

#[test]
fn hostile_series_get_clear_words() {
    let workshop = shop();
    let ran = growth(&workshop, &[LEAK[0], LEAK[0], LEAK[0]], &[]);
    assert_eq!(ran.code, 1, "{}", ran.stdout);
    assert!(ran.stderr.contains("are one file"), "{}", ran.stderr);
    assert!(ran.stdout.contains("one and the same dump"), "{}", ran.stdout);

    let ran = growth(&workshop, &[FIXED[0], LEAK[2]], &[]);
    assert_eq!(ran.code, 0);
    assert!(ran.stdout.contains("2 dumps of different processes"), "{}", ran.stdout);
    assert!(ran.stdout.contains("process 9716, not 9712"), "{}", ran.stdout);

    let whole = workshop.read(LEAK[0]);
    workshop.write("cut.jsonl.zst", &whole[..whole.len() / 2]);
    let ran = growth(&workshop, &["cut.jsonl.zst", LEAK[1], LEAK[2]], &[]);
    assert!(ran.code != 2, "{}", ran.stderr);
    assert!(ran.stdout.contains("what it lacks may show as growth"), "{}", ran.stdout);
    assert_eq!(growth(&workshop, &["cut.jsonl.zst", LEAK[1], LEAK[2]], &["--strict"]).code, 2);

    workshop.write("other.bin", b"\x00\x01\x02");
    let ran = growth(&workshop, &["other.bin", LEAK[1]], &[]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("`other.bin` is not a heap dump that I know"), "{}", ran.stderr);
    assert_eq!(growth(&workshop, &["-", LEAK[1]], &[]).code, 2);
    assert_eq!(growth(&workshop, &[LEAK[1]], &[]).code, 2);
}

#[test]
fn growth_for_machines_has_the_same_answer() {
    let ran = growth(&shop(), &LEAK, &["--json"]);
    let answer: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let way = &answer["ways"][0];
    assert_eq!((way["type"].as_str(), way["change"].as_i64()), (Some("shop.Session"), Some(20)));
    assert_eq!(way["counts"], serde_json::json!([10, 20, 30]));
    assert_eq!(way["grew_in_every_step"], true);
    assert_eq!(answer["sites"][0]["name"], "/srv/shop/shop.py:55");
    assert_eq!(answer["dumps"].as_array().unwrap().len(), 3);
}

#[test]
fn by_site_the_line_of_code_makes_the_row() {
    let ran = growth(&shop(), &LEAK, &["--by", "site"]);
    assert!(!ran.stdout.contains("\n  type "), "{}", ran.stdout);
    assert!(ran.stdout.contains("/srv/shop/shop.py:17         70        140        210    +140"), "{}", ran.stdout);
}

fn check(workshop: &Workshop, arguments: &[&str]) -> Ran {
    let arguments: Vec<&str> = ["check"].iter().chain(arguments).copied().collect();
    workshop.run(&arguments)
}

#[test]
fn a_check_exits_with_1_for_the_leak_and_with_0_without_it() {
    let workshop = shop();
    let rules = ["--max-growth", "Session=0", "--no-new-signatures"];
    let of = |dump: &str, baseline: &str, more: &[&str]| {
        let arguments: Vec<&str> = [dump, "--baseline", baseline].iter().chain(&rules).chain(more).copied().collect();
        check(&workshop, &arguments)
    };
    let ran = of(LEAK[2], LEAK[0], &["--junit", "junit.xml", "--sarif", "leak.sarif", "--github", "-o", "pictures"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(
        ran.stdout.starts_with("violated  max-growth Session=0: 20 more than the 10 of the baseline\n"),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("30 shop.Session held so, 10 in the baseline"), "{}", ran.stdout);
    assert!(ran.stdout.contains("84a6a3bef38d") && ran.stdout.contains("shop.OPEN[…]"), "{}", ran.stdout);
    assert!(ran.stdout.contains("\n::error file=/srv/shop/shop.py,line=55,title="), "{}", ran.stdout);
    assert!(String::from_utf8(workshop.read("junit.xml")).unwrap().contains("failures=\"1\""));
    assert!(String::from_utf8(workshop.read("leak.sarif")).unwrap().contains("84a6a3bef38d"));
    assert!(workshop.path().join("pictures/Session-84a6a3bef38d.png").is_file(), "{}", ran.stderr);
    // the way is meant to be
    assert_eq!(of(LEAK[2], LEAK[0], &["--allow", "84a6a3bef38d"]).code, 0);
    let ran = of(FIXED[2], FIXED[0], &[]);
    assert_eq!(ran.code, 0, "{}", ran.stdout);
    assert!(ran.stdout.contains("2 rules, all hold"), "{}", ran.stdout);
    // a baseline of another run will do
    assert_eq!(of(LEAK[2], FIXED[0], &[]).code, 1);
}

#[test]
fn rules_may_stand_in_a_file() {
    let workshop = shop();
    workshop.write("leaks.rules", "max shop.Session = 5   # five visitors at once\nmax-retained Session=1MiB\n");
    let ran = check(&workshop, &[LEAK[2], "--rules", "leaks.rules", "--json"]);
    assert_eq!(ran.code, 1);
    let answer: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(answer["holds"], false);
    assert_eq!((&answer["rules"][0]["found"], &answer["rules"][0]["holds"]), (&30.into(), &false.into()));
    assert_eq!(answer["rules"][0]["violations"][0]["fingerprint"], "84a6a3bef38d");
    assert_eq!(answer["rules"][1]["holds"], true);
}

#[test]
fn a_check_that_cannot_be_made_is_exit_code_2() {
    let workshop = shop();
    workshop.write("wrong.rules", "max Session=1\nmost Session=2\n");
    for (arguments, reason) in [
        (&[LEAK[0]][..], "there is no rule to check"),
        (&[LEAK[0], "--max", "Session"], "expected TYPE=LIMIT"),
        (&[LEAK[0], "--max-growth", "Session=0"], "give it with --baseline"),
        (&[LEAK[0], "--no-new-signatures=shop.*"], "give it with --baseline"),
        (&[LEAK[0], "--rules", "wrong.rules"], "wrong.rules, line 2: `most Session=2`: no such rule"),
        (&[LEAK[0], "--rules", "missing.rules"], "cannot read `missing.rules`"),
        (&[LEAK[0], "--allow", "xyz", "--max", "A=1"], "twelve hexadecimal digits"),
        (&["missing.jsonl", "--max", "Session=1"], "cannot read `missing.jsonl`"),
        (&[LEAK[0], "--baseline", "missing.jsonl", "--max-growth", "Session=1"], "cannot read `missing.jsonl`"),
        (&[LEAK[0], "--max", "Session=100", "--junit", "nowhere/x.xml"], "cannot write `nowhere/x.xml`"),
    ] {
        let ran = check(&workshop, arguments);
        assert_eq!(ran.code, 2, "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(reason), "{arguments:?}: {}", ran.stderr);
    }
}

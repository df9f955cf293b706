//! Rules about what may be alive: what they mean, what violates them, and what is wrong with a rule that cannot be read.

use retainers::analysis::chains::Options;
use retainers::analysis::check::{Baseline, Check, Rule, Rules, check};
use retainers::graph::Heap;

use super::page;
use crate::support::heap::heap;

const TWO: &str = "module app .cache -> c, .spare -> e\nc: dict ['a'] -> s1, ['b'] -> s2\ne: list\n\
                   s1: app.Session .user -> u\ns2: app.Session\nu: app.User";
/// One session more in the cache, one in a list that had none.
const FOUR: &str = "module app .cache -> c, .spare -> e\nc: dict ['a'] -> s1, ['b'] -> s2, ['c'] -> s3\ne: list [0] -> s4\n\
                    s1: app.Session .user -> u\ns2: app.Session\nu: app.User\ns3: app.Session\ns4: app.Session";

fn rules(lines: &str) -> Rules {
    let mut rules = Rules::default();
    rules.add_file("rules", lines).unwrap();
    rules
}

fn checked(now: &Heap, before: Option<&Heap>, lines: &str) -> Check {
    let (rules, options) = (rules(lines), Options::default());
    let baseline = before.map(|before| Baseline::new(before, &rules, &options));
    check(now, &rules, baseline.as_ref(), &options)
}

/// What was found of the only rule, and whether it holds.
fn only(now: &str, before: &str, line: &str) -> (u64, bool) {
    let outcome = checked(&heap(now), Some(&heap(before)), line).outcomes.remove(0);
    (outcome.found, outcome.holds)
}

#[test]
fn max_is_about_the_number_of_objects() {
    assert_eq!(only(FOUR, TWO, "max Session=4"), (4, true));
    assert_eq!(only(FOUR, TWO, "max app.Session = 3"), (4, false));
    // what a name means together counts
    assert_eq!(only(FOUR, TWO, "max app.*=4"), (5, false));
    assert_eq!(only(FOUR, TWO, "max Nothing=0"), (0, true));
}

#[test]
fn max_retained_is_about_what_goes_with_them() {
    // each object weighs eight times its address; s1 keeps u
    let now = heap(TWO);
    let size = |name: &str| -> u64 {
        let of_type = |object: &retainers::graph::ObjectId| now.graph.type_name_of(*object) == name;
        now.graph.objects().filter(of_type).map(|object| now.graph.shallow_size(object)).sum()
    };
    let bytes = size("app.Session") + size("app.User");
    assert_eq!(only(TWO, TWO, &format!("max-retained Session={bytes}")), (bytes, true));
    assert_eq!(only(TWO, TWO, &format!("max-retained Session={}", bytes - 1)), (bytes, false));
}

#[test]
fn max_growth_compares_with_the_baseline() {
    assert_eq!(only(FOUR, TWO, "max-growth Session=2"), (2, true));
    assert_eq!(only(FOUR, TWO, "max-growth Session=1"), (2, false));
    assert_eq!(only(TWO, FOUR, "max-growth Session=0"), (0, true));
    assert_eq!(only(TWO, TWO, "max-growth *=0"), (0, true));
}

#[test]
fn a_new_way_of_being_held_is_found_whatever_the_numbers() {
    assert_eq!(only(FOUR, TWO, "no-new-signatures"), (1, false));
    assert_eq!(only(FOUR, TWO, "no-new-signatures User"), (0, true));
    assert_eq!(only(TWO, FOUR, "no-new-signatures"), (0, true));
    let found = checked(&heap(FOUR), Some(&heap(TWO)), "no-new-signatures Session");
    let ways: Vec<(u64, Option<u64>)> =
        found.outcomes[0].violations.iter().map(|violation| (violation.count, violation.before)).collect();
    // the way that only has more objects than before is no new one
    assert_eq!(ways, [(1, Some(0))]);
}

#[test]
fn violations_of_growth_are_the_ways_that_grew() {
    let found = checked(&heap(FOUR), Some(&heap(TWO)), "max-growth Session=0");
    let ways: Vec<(u64, Option<u64>)> =
        found.outcomes[0].violations.iter().map(|violation| (violation.count, violation.before)).collect();
    assert_eq!(ways, [(3, Some(2)), (1, Some(0))]);
    // where only one of two grew, the other is not told
    let three = FOUR.replace(", ['c'] -> s3", "").replace("\ns3: app.Session", "");
    let found = checked(&heap(&three), Some(&heap(TWO)), "max-growth Session=0");
    assert_eq!(found.outcomes[0].violations.len(), 1);
}

#[test]
fn what_is_allowed_does_not_count() {
    let found = checked(&heap(FOUR), None, "max Session=0");
    let in_list = &found.outcomes[0].violations.iter().find(|violation| violation.count == 1).unwrap().fingerprint;
    let with = |rule: &str| only(FOUR, TWO, &format!("{rule}\nallow {in_list}  # on purpose"));
    assert_eq!(with("max Session=3"), (3, true));
    assert_eq!(with("max Session=2"), (3, false));
    assert_eq!(with("max-growth Session=1"), (1, true));
    assert_eq!(with("no-new-signatures"), (0, true));
    let outcome = checked(&heap(FOUR), None, &format!("max Session=2\nallow {in_list}")).outcomes.remove(0);
    assert_eq!(outcome.allowed, 1);
    assert!(outcome.violations.iter().all(|violation| &violation.fingerprint != in_list));
}

#[test]
fn objects_that_no_root_reaches_count_and_are_told() {
    let lost = format!("{TWO}\nlost: app.Session");
    let found = checked(&heap(&lost), Some(&heap(TWO)), "max-growth Session=0");
    assert_eq!((found.outcomes[0].found, found.outcomes[0].violations.len()), (1, 1));
    assert_eq!(found.outcomes[0].violations[0].fingerprint, "");
    let page = page(&found.report(&heap(&lost)));
    assert!(page.contains("1 app.Session that no root reaches, 0 in the baseline"), "{page}");
}

#[test]
fn a_person_reads_the_rule_the_chain_and_its_fingerprint_once() {
    let now = heap(FOUR);
    let found = checked(&now, Some(&heap(TWO)), "max Session=3\nmax-growth Session=2\nmax-growth Session=0");
    let report = found.report(&now);
    let page = page(&report);
    assert!(page.starts_with("violated  max Session=3: 4 alive\n"), "{page}");
    assert!(page.contains("holds     max-growth Session=2: 2 more than the 2 of the baseline\n"), "{page}");
    assert!(page.contains("violated  max-growth Session=0: 2 more than the 2 of the baseline\n"), "{page}");
    assert!(page.contains("3 rules, 2 violated"), "{page}");
    assert_eq!(page.matches("╰▶ app.Session ×3").count(), 1, "{page}");
    assert!(page.contains("as shown above"), "{page}");
    // two ways, each drawn once
    let mut names: Vec<&str> = report.pictures.iter().map(|picture| picture.name.as_str()).collect();
    names.dedup();
    assert_eq!(names.len(), 2);
    // for machines, every rule has all that violates it
    assert_eq!(report.verdicts[2].findings.len(), 2);
    assert_eq!(report.data["rules"][2]["violations"].as_array().unwrap().len(), 2);
}

#[test]
fn a_type_that_the_dump_does_not_have_is_told_with_the_nearest() {
    let now = heap(TWO);
    let found = checked(&now, None, "max Sesion=5");
    assert!(found.holds());
    let page = page(&found.report(&now));
    assert!(page.contains("the dump has no object of this type; did you mean app.Session"), "{page}");
}

#[test]
fn rules_are_read_from_lines_with_remarks() {
    let text = "\n# a remark\nmax Session=1_\n";
    assert!(Rules::default().add_file("f", text).is_err());
    let read = rules(
        "max shop.Session = 1,000  # many\nmax-retained Cache=1.5GiB\n  max-growth Session=0\nno-new-signatures\nno-new-signatures shop.*\nallow C6DB99C02522",
    );
    let texts: Vec<String> = read.rules.iter().map(Rule::text).collect();
    assert_eq!(
        texts,
        [
            "max shop.Session=1000",
            "max-retained Cache=1536MiB",
            "max-growth Session=0",
            "no-new-signatures",
            "no-new-signatures shop.*",
        ]
    );
    assert_eq!(read.allowed, ["c6db99c02522"]);
}

#[test]
fn what_is_wrong_with_a_rule_is_said_with_its_line() {
    for (line, reason) in [
        ("max Session", "expected TYPE=LIMIT"),
        ("max =3", "expected a type before `=`"),
        ("max Session=-1", "expected a number after `=`"),
        ("max Session=99999999999999999999", "expected a number after `=`"),
        ("max-retained Cache=lots", "expected a size such as 50MiB"),
        ("min Session=1", "no such rule"),
        ("allow everything", "twelve hexadecimal digits"),
        ("allow", "twelve hexadecimal digits"),
    ] {
        let error = Rules::default().add_file("ci.rules", &format!("max A=1\n{line}\n")).unwrap_err().to_string();
        assert!(error.starts_with("ci.rules, line 2: ") && error.contains(reason), "{line}: {error}");
    }
}

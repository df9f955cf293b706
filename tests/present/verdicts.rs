//! Verdicts as JUnit XML, SARIF and GitHub annotations, with foreign text that tries to break out of each.

use retainers::present::{github, junit, place, sarif};
use retainers::report::{Block, Finding, Report, Span, Verdict};

const HOSTILE: &str = "app.<b>&\"x\" ::error::\u{1b}[31m\n]]>%0A,";

fn report() -> Report {
    let violated = Verdict {
        rule: "max app.Session=1".to_owned(),
        kind: "max".to_owned(),
        holds: false,
        summary: "31 alive".to_owned(),
        findings: vec![
            Finding {
                fingerprint: "c6db99c02522".to_owned(),
                summary: "30 app.Session held by app.cache[…]".to_owned(),
                expression: Some("app.cache[…]".to_owned()),
                site: Some("/srv/shop/app web.py:12".to_owned()),
                blocks: vec![
                    Block::Headline(vec![Span::plain("the chain")]),
                    Block::Line(vec![Span::plain("50% of it")]),
                ],
            },
            Finding { summary: HOSTILE.to_owned(), site: Some("<string>:1".to_owned()), ..Finding::default() },
        ],
    };
    let holds =
        Verdict { rule: "max-growth T=0".to_owned(), kind: "max-growth".to_owned(), holds: true, ..Verdict::default() };
    let bare = Verdict {
        rule: format!("max-retained {HOSTILE}=1"),
        kind: "max-retained".to_owned(),
        summary: "2 B retained".to_owned(),
        ..Verdict::default()
    };
    Report { verdicts: vec![violated, holds, bare], ..Report::default() }
}

fn written(write: impl Fn(&mut dyn std::io::Write) -> std::io::Result<()>) -> String {
    let mut bytes = Vec::new();
    write(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_rule_is_a_test_case_of_junit() {
    let xml = written(|out| junit::write(&report(), "dumps/a&b.jsonl", out));
    assert!(
        xml.starts_with(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <testsuites name=\"retainers check\" tests=\"3\" failures=\"2\" errors=\"0\" skipped=\"0\">\n  \
             <testsuite name=\"dumps/a&amp;b.jsonl\" tests=\"3\" failures=\"2\" errors=\"0\" skipped=\"0\">\n    \
             <testcase classname=\"retainers.max\" name=\"max app.Session=1\">\n      \
             <failure type=\"max\" message=\"max app.Session=1: 31 alive\">"
        ),
        "{xml}"
    );
    assert!(
        xml.contains("30 app.Session held by app.cache[…]\nfingerprint c6db99c02522\nthe chain\n50% of it\n"),
        "{xml}"
    );
    assert!(xml.contains("    <testcase classname=\"retainers.max-growth\" name=\"max-growth T=0\"/>\n"), "{xml}");
    // what the program is made of is not markup, and nothing that XML forbids is left
    assert!(xml.contains("app.&lt;b&gt;&amp;&quot;x&quot; ::error::\\x1b[31m\\n]]&gt;%0A,"), "{xml}");
    assert!(!xml.contains('\u{1b}'));
    // the same parser that draws SVG reads it
    assert!(resvg::usvg::roxmltree::Document::parse(&xml).is_ok(), "{xml}");
}

#[test]
fn a_finding_is_an_annotation_of_github_at_its_line() {
    let lines = written(|out| github::write(&report(), "/srv/shop/", out));
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!(
        lines[0],
        "::error file=app web.py,line=12,title=max app.Session=1%3A 31 alive::30 app.Session held by app.cache[…]%0Arule \
         max app.Session=1, fingerprint c6db99c02522%0Athe chain%0A50%25 of it"
    );
    // no line of code: no place, and foreign text cannot end the annotation
    assert!(
        lines[1]
            .starts_with("::error title=max app.Session=1%3A 31 alive::app.<b>&\"x\" ::error::\\x1b[31m\\n]]>%250A,")
    );
    assert!(lines[2].starts_with("::error title=max-retained app.<b>&\"x\" %3A%3Aerror%3A%3A"), "{}", lines[2]);
    assert_eq!(lines.len(), 3);
}

#[test]
fn a_finding_is_a_result_of_sarif_with_its_fingerprint() {
    let text = written(|out| sarif::write(&report(), "/srv/shop/heap dumps/now.jsonl", "/srv/shop", out));
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["version"], "2.1.0");
    let run = &document["runs"][0];
    let rules: Vec<&str> =
        run["tool"]["driver"]["rules"].as_array().unwrap().iter().map(|rule| rule["id"].as_str().unwrap()).collect();
    assert_eq!(rules, ["max", "max-growth", "max-retained"]);
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), 3);
    let first = &results[0];
    assert_eq!((first["ruleId"].as_str(), first["ruleIndex"].as_u64()), (Some("max"), Some(0)));
    assert_eq!(first["partialFingerprints"]["retainers/way/v1"], "c6db99c02522");
    let place = &first["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "app%20web.py");
    assert_eq!(place["region"]["startLine"], 12);
    assert_eq!(first["locations"][0]["logicalLocations"][0]["fullyQualifiedName"], "app.cache[…]");
    // where there is no line of code, the dump is the place
    let second = &results[1]["locations"][0]["physicalLocation"];
    assert_eq!(second["artifactLocation"]["uri"], "heap%20dumps/now.jsonl");
    assert!(second.get("region").is_none() && results[1].get("partialFingerprints").is_none());
    assert!(results[2]["message"]["text"].as_str().unwrap().ends_with("2 B retained"));
}

#[test]
fn places_are_seen_from_the_top_of_the_tree() {
    let found = |site: &str, top: &str| place::place(site, top).map(|place| (place.path, place.line));
    let some = |path: &str, line| Some((path.to_owned(), line));
    assert_eq!(found("/srv/shop/app.py:5", "/srv/shop"), some("app.py", 5));
    assert_eq!(found("/srv/shopping/app.py:5", "/srv/shop"), some("/srv/shopping/app.py", 5));
    assert_eq!(found("./app.py:5", "/srv/shop"), some("app.py", 5));
    assert_eq!(found("C:\\srv\\shop\\a\\b.py:7", "C:\\srv\\shop"), some("a/b.py", 7));
    assert_eq!(found("/srv/app.py:5", ""), some("/srv/app.py", 5));
    for nowhere in ["<string>:3", "<frozen importlib>:9", "app.py", "app.py:x", "app.py:0", ":7"] {
        assert_eq!(found(nowhere, "/srv"), None, "{nowhere}");
    }
}

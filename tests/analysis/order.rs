//! Answers do not depend on the order of the dump's lines.

use crate::support::heap::load;
use retainers::analysis::chains::{Detail, Options, chains};
use retainers::analysis::select::{Query, select};
use retainers::analysis::suspects::suspects;
use retainers::present::{dot, json, text};

/// What the main question and `suspects` print and draw.
fn answers(dump: &[String]) -> String {
    let heap = load((dump.join("\n") + "\n").as_bytes());
    let mut page = Vec::new();
    for types in ["*SessionState", "streamlit.*Session*"] {
        let selection = select(&heap.graph, &Query { types: vec![types.to_owned()], ids: Vec::new() });
        let options = Options { retained: true, ..Options::default() };
        let detail = Detail { limit: 7, pictures: 7, data: true, ..Detail::default() };
        let mut reports = vec![chains(&heap, &selection, &options).report(&heap, &selection, detail)];
        reports.push(retainers::tell::suspects::suspects(&heap, &suspects(&heap, &options), 5));
        for report in &reports {
            text::write(report, text::Layout { width: Some(100), colour: false }, &mut page).unwrap();
            json::write(report, &mut page).unwrap();
            report.pictures.iter().for_each(|picture| page.extend(dot::write(picture).into_bytes()));
        }
    }
    String::from_utf8(page).unwrap()
}

#[test]
fn shuffled_lines_give_the_same_answers() {
    let packed = include_bytes!("../../fixtures/streamlit-0.89/dump.jsonl.zst");
    let dump = String::from_utf8(zstd::stream::decode_all(&packed[..]).unwrap()).unwrap();
    let lines: Vec<String> = dump.lines().map(ToOwned::to_owned).collect();
    let expected = answers(&lines);
    assert!(expected.contains("_on_config_parsed"));
    let mut shuffled = lines;
    let mut seed = 11u64;
    // the header stays first, the end line last
    for place in (2..shuffled.len() - 1).rev() {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        shuffled.swap(place, 1 + (seed >> 33) as usize % place);
    }
    let actual = answers(&shuffled);
    let difference = expected.lines().zip(actual.lines()).find(|(expected, actual)| expected != actual);
    assert_eq!(difference, None);
    assert_eq!(expected.len(), actual.len());
}

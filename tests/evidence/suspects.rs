//! Every planted leak is among the first three suspects, and the fixed program has none of it.

use retainers::analysis::chains::Options;
use retainers::analysis::suspects::{Place, Suspects, suspects};
use retainers::graph::Heap;

use super::{cases, folder, json, load};

fn of(heap: &Heap) -> Suspects {
    suspects(heap, &Options::default())
}

#[test]
fn the_planted_type_is_among_the_first_three_suspects() {
    for case in cases("py").into_iter().chain(cases("meliae-real")) {
        let heap = load(&case.join("dump.jsonl.zst"));
        let planted = json(&case.join("objgraph-truth.json"))["type"].as_str().unwrap().to_owned();
        let is_planted = |name: &str| name == planted || planted.rsplit('.').next() == Some(name);
        let found = of(&heap);
        let place = found.suspects.iter().position(|suspect| {
            let types = suspect.user_types.iter().chain(&suspect.elements);
            types.into_iter().any(|of| is_planted(&of.type_name))
        });
        assert!(place.is_some_and(|place| place < 3), "{}: {place:?}", case.display());
    }
}

#[test]
fn the_signal_of_streamlit_is_the_first_suspect_and_gone_when_fixed() {
    let Some(leaking) = folder("streamlit-0.89") else { return };
    let heap = load(&leaking.join("dump.jsonl.zst"));
    let found = of(&heap);
    assert_eq!(found.suspects[0].expression.as_deref(), Some("streamlit.config._on_config_parsed.receivers"));
    assert!(matches!(found.suspects[0].place, Place::Container));
    let heap = load(&folder("streamlit-1.1.0").unwrap().join("dump.jsonl.zst"));
    let holders: Vec<String> = of(&heap).suspects.into_iter().filter_map(|suspect| suspect.expression).collect();
    assert!(!holders.iter().any(|holder| holder.contains("_on_config_parsed")), "{holders:?}");
}

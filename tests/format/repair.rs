//! One broken record costs one record: wherever it stands, whatever is wrong with it, however the text is laid out.

use std::sync::Arc;

use ::retainers::format::{json_graph, python};
use ::retainers::graph::Heap;
use ::retainers::progress::Progress;
use ::retainers::source::Source;

use crate::support::heap::{load, try_load};

/// What stands in the place of a record of an array, and where in it reading stops to make sense.
const BROKEN: [&str; 14] = [
    r#"{"id": null, "type": "T", "refs": []}"#,
    r#"{"id": oops, "type": "T", "refs": []}"#,
    r#"{"id": 1e, "type": "T", "refs": [16, 32]}"#,
    r#"{"id": 5, "type": "T", "refs": [16, "x"]}"#,
    r#"{"id": 5, "type": "T", "refs": [16, 32}"#,
    r#"{"id": 5, "type": "T", "refs": [16, 32]"#,
    r#"{"id": 5, "type": "T, "refs": []}"#,
    r#"{"id": 5, "type" "T", "refs": []}"#,
    r#"{"id" 5}"#,
    r#"{"type": "T", "refs": []}"#,
    r#"{"id": null, "value": [{"id": 7, "type": "no record"}, {"id": 8}], "refs": []}"#,
    r#"{"id": 5, "value": {"a": [1}, "refs": []}"#,
    "oops",
    "17",
];

fn records(count: usize) -> Vec<String> {
    let record = |number: usize| format!(r#"{{"id": {}, "type": "T", "size": 8, "refs": []}}"#, number * 16);
    (1..=count).map(record).collect()
}

/// The text with each way of separating records.
fn layouts(records: &[String]) -> Vec<String> {
    [",", ", ", ",\n", "\n,\n", ",\r\n  "].iter().map(|between| format!("[{}]", records.join(between))).collect()
}

fn told(heap: &Heap) -> (usize, u64) {
    (heap.graph.object_count(), heap.damage.broken_records)
}

#[test]
fn a_broken_record_of_an_array_costs_one_record() {
    for broken in BROKEN {
        for at in [0, 1, 20, 39] {
            let mut records = records(40);
            records[at] = broken.to_owned();
            for text in layouts(&records) {
                // the first of all is what a dump is known by
                let Ok(heap) = try_load(text.as_bytes()) else {
                    assert_eq!(at, 0, "{broken}: {text}");
                    continue;
                };
                let last_is_open = at == 39 && heap.damage.cut_off.is_some();
                assert!(
                    told(&heap) == (39, 1) || (last_is_open && told(&heap).0 == 39),
                    "{broken} at {at}: {text:?} {:?}",
                    heap.damage
                );
            }
        }
    }
}

#[test]
fn many_broken_records_cost_as_many() {
    let mut records = records(1000);
    for place in (7..1000).step_by(10) {
        records[place] = BROKEN[place / 10 % BROKEN.len()].to_owned();
    }
    for text in layouts(&records) {
        assert_eq!(told(&load(text.as_bytes())), (900, 100), "{:?}", load(text.as_bytes()).damage);
    }
}

#[test]
fn what_is_broken_does_not_depend_on_how_a_list_is_cut_into_pieces() {
    let mut records = records(300);
    for place in (3..300).step_by(7) {
        records[place] = BROKEN[place % BROKEN.len()].to_owned();
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    for text in layouts(&records) {
        let source = || Source::from_bytes("pieces", text.clone().into_bytes(), &Progress::default());
        let read = |piece| {
            let loaded = pool.install(|| python::load_array(&source(), piece, &Progress::default()));
            (loaded.counts, loaded.damage)
        };
        let whole = read(usize::MAX);
        for piece in [1, 50, 333, 4096] {
            assert_eq!(read(piece), whole, "{piece}");
        }
    }
}

/// Edges and nodes of which one is broken: node-link, and both versions of the JSON Graph Format.
#[test]
fn a_broken_node_or_edge_costs_one() {
    let nodes: Vec<String> = (0..40).map(|id| format!(r#"{{"id": {id}, "type": "T", "size": 1}}"#)).collect();
    let named: Vec<String> =
        (0..40).map(|id| format!(r#""{id}": {{"label": "T", "metadata": {{"size": 1}}}}"#)).collect();
    let edges: Vec<String> = (1..40).map(|id| format!(r#"{{"source": {}, "target": {id}}}"#, id - 1)).collect();
    let bad_nodes =
        [r#"{"id": null}"#, r#"{"id": 1e, "type": "T"}"#, r#"{"id": 5, "type": "T""#, r#"{"id" 5}"#, "oops"];
    let bad_named = [
        r#""5": {"label" "T"}"#,
        r#""5": oops"#,
        r#"5: {"label": "T"}"#,
        r#""5": {"label": "T", "metadata": {"size": [}}"#,
    ];
    let bad_edges = [
        r#"{"source": 1}"#,
        r#"{"source": 1, "target"}"#,
        r#"{"source": 1, "target": 2"#,
        r#"{"source": null, "target": 2}"#,
        "oops",
    ];
    for separator in [",", ", ", ",\n ", ",\n"] {
        let document = |nodes: &[String], edges: &[String]| {
            format!(
                r#"{{"directed": true, "nodes": [{}], "links": [{}]}}"#,
                nodes.join(separator),
                edges.join(separator)
            )
        };
        let second = |nodes: &[String], edges: &[String]| {
            format!(r#"{{"graph": {{"nodes": {{{}}}, "edges": [{}]}}}}"#, nodes.join(separator), edges.join(separator))
        };
        for at in [0, 1, 20, 38] {
            for bad in bad_nodes {
                let mut nodes = nodes.clone();
                nodes[at] = bad.to_owned();
                assert_one(&document(&nodes, &edges), 39);
            }
            for bad in bad_named {
                let mut named = named.clone();
                named[at] = bad.to_owned();
                assert_one(&second(&named, &edges), 39);
            }
            for bad in bad_edges {
                let mut edges = edges.clone();
                edges[at] = bad.to_owned();
                assert_one(&document(&nodes, &edges), 40);
                assert_one(&second(&named, &edges), 40);
            }
        }
    }
}

fn assert_one(text: &str, nodes: usize) {
    let heap = load(text.as_bytes());
    assert_eq!(told(&heap), (nodes, 1), "{text}: {:?}", heap.damage);
    assert!(heap.damage.cut_off.is_none(), "{text}: {:?}", heap.damage);
    let edges = if nodes == 40 { 38 } else { 39 - heap.damage.dangling_references };
    assert_eq!(heap.graph.reference_count() as u64, edges, "{text}");
}

/// Edges have ids here, so that one of them looks like a node.
#[test]
fn a_last_node_that_is_not_closed_does_not_hide_the_edges() {
    for end in ["\"links\": ", "\"directed\": true, \"links\": "] {
        let text = format!(
            r#"{{"nodes": [{{"id": 0}}, {{"id": 1}}, {{"id": 2, "type": "T"], {end}[{{"id": "a", "source": 0, "target": 1}}, {{"id": "b", "source": 1, "target": 0}}]}}"#
        );
        let heap = load(text.as_bytes());
        assert_eq!((told(&heap), heap.graph.reference_count()), ((2, 1), 2), "{text}");
        assert_eq!(heap.damage.cut_off, None);
    }
}

#[test]
fn broken_nodes_do_not_depend_on_pieces() {
    let mut nodes: Vec<String> = (0..200).map(|id| format!(r#"{{"id": {id}, "type": "T", "size": 1}}"#)).collect();
    for place in (3..200).step_by(9) {
        nodes[place] = [r#"{"id": null}"#, r#"{"id": 5, "type": "T""#, "oops"][place % 3].to_owned();
    }
    let text = format!(r#"{{"nodes": [{}], "links": []}}"#, nodes.join(", "));
    let read = |piece| {
        let source = Source::from_bytes("pieces", text.clone().into_bytes(), &Progress::default());
        let flavour = json_graph::Flavour::NodeLink;
        let heap = json_graph::read_in_pieces(Arc::new(source), flavour, piece, &Progress::default()).unwrap();
        (super::contents(&heap), heap.damage)
    };
    let whole = read(usize::MAX);
    assert_eq!(whole.1.broken_records, 22);
    for piece in [1, 40, 333] {
        assert_eq!(read(piece), whole, "{piece}");
    }
}

#[test]
fn a_document_of_nothing_but_broken_records_takes_no_long_search() {
    // each would be searched to the end of the text if nothing held it back
    for broken in ["{\"id\":null,\"value\":\"", "{\"id\":1,\"v\":[,", "{\"id\":null,", "[{\"id\":{},", "{},"] {
        let text = format!("[{{\"id\":1,\"type\":\"T\",\"refs\":[]}},{}", broken.repeat(20_000));
        let heap = load(text.as_bytes());
        assert!(heap.damage.cut_off.is_some() || heap.damage.broken_records > 0, "{broken}");
    }
}

#[test]
fn where_nothing_could_be_read_nothing_is_answered() {
    for (text, reason) in [
        (r#"[{"id": "a", "type": "T", "refs": []}, {"id": "b", "type": "T", "refs": []}]"#, "expected an address"),
        ("{\"id\": 1.5, \"type\": \"T\", \"refs\": []}\n", "expected an address"),
        ("{\"retainers\": 1}\n{\"end\": {\"objects\": 0, \"references\": 0}}\n", "no record could be read"),
        (r#"{"nodes": [], "links": []}"#, "no record could be read: it has none"),
        (
            r#"{"nodes": [{"id": 1}, {"id": 2}], "links": [{"a": 1, "b": 2}, {"a": 2}]}"#,
            "none of its 2 edges could be read: an edge has a `source` and a `target` (or `from` and `to`)",
        ),
        (r#"{"nodes": [{"id": 1}, {"id": 2}], "relations": []}"#, "no list of `edges` or `links`"),
        ("{\"id\": 1, \"type\": \"T\"}\n{\"id\": 2, \"type\": \"T\", \"pointers\": [1]}\n", "list no references"),
    ] {
        let error = try_load(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(reason) && error.contains("byte "), "{text}: {error}");
    }
}

#[test]
fn a_last_line_that_is_whole_is_broken_and_not_cut_off() {
    let heap = load(b"{\"id\": 1, \"type\": \"T\", \"refs\": [2]}\n{\"id\": 2, \"type\": \"T\", \"refs\": []}\n{\"id\": null, \"refs\": []}");
    assert_eq!((heap.damage.broken_records, &heap.damage.cut_off), (1, &None));
}

#[test]
fn our_own_dump_is_read_when_something_wrote_it_on_many_lines() {
    let dump = crate::support::heap::dump("module app .cache -> s\ns: app.Session");
    let pretty: Vec<String> = dump
        .lines()
        .map(|line| serde_json::to_string_pretty(&serde_json::from_str::<serde_json::Value>(line).unwrap()).unwrap())
        .collect();
    // keys are sorted there, but for the header, whose first key tells the format
    let heap = load(format!("{{\n\"retainers\": 1}}\n{}", pretty[1..].join("\n")).as_bytes());
    let plain = load(dump.as_bytes());
    assert_eq!(super::contents(&heap), super::contents(&plain));
    assert_eq!(heap.graph.reference_count(), plain.graph.reference_count());
    assert!(heap.damage.facts().is_empty(), "{:?}", heap.damage);
}

#[test]
fn several_records_on_a_line_and_lines_of_a_log_before_are_read() {
    let text = "[2024-01-01] INFO dumping\nWARN {braces}\n{\"pid\": 7}\n{\"id\": 1, \"type\": \"T\", \"refs\": [2]}, {\"id\": 2, \"type\": \"T\", \"refs\": []}\n";
    let heap = load(text.as_bytes());
    assert_eq!(told(&heap), (2, 3));
    let own = format!("loading…\n{}", crate::support::heap::dump("module app .cache -> s\ns: app.Session"));
    let heap = load(own.as_bytes());
    assert_eq!((heap.about.format.as_ref(), told(&heap)), ("retainers heap dump", (3, 1)));
    let graph =
        "INFO exporting\n{\"nodes\": [{\"id\": 1}, {\"id\": 2}], \"links\": [{\"from\": 1, \"to\": 2}]}\ntrailing";
    let heap = load(graph.as_bytes());
    assert_eq!((told(&heap), heap.graph.reference_count()), ((2, 2), 1));
}

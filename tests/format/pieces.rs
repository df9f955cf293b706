//! Lists of one document, read in pieces: the same whatever the pieces and the threads, and what serde_json reads.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;

use ::retainers::error::Result;
use ::retainers::format::json_graph::{Flavour, read_in_pieces};
use ::retainers::format::python::load_array;
use ::retainers::graph::{Damage, Heap, HeapGraph};
use ::retainers::progress::Progress;
use ::retainers::source::Source;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::Value;

/// Everything that a graph has.
fn graph_text(graph: &HeapGraph, damage: &Damage) -> String {
    let mut text = String::new();
    for object in graph.objects() {
        let targets: Vec<String> = graph.referents(object).map(|target| graph.id_text(target)).collect();
        let (id, type_name, size) = (graph.id_text(object), graph.type_name_of(object), graph.shallow_size(object));
        writeln!(text, "{id} {type_name:?} {size} {} {targets:?}", graph.place(object)).unwrap();
    }
    writeln!(text, "{:?} {:?} {damage:?}", graph.roots(), graph.weak_references()).unwrap();
    text
}

/// Everything that a heap has.
fn heap_text(heap: &Heap) -> String {
    let mut text = graph_text(&heap.graph, &heap.damage);
    for object in heap.graph.objects() {
        heap.for_each_reference(object, |_, _, name| writeln!(text, "{name:?}").unwrap());
        let slots = (heap.graph.place(object), heap.graph.type_name_of(object));
        heap.records.references(slots.0, slots.1, &mut |slot| writeln!(text, "{slot:?}").unwrap());
        writeln!(text, "{:?}", heap.describe(object)).unwrap();
    }
    writeln!(text, "{:?}", heap.about).unwrap();
    text
}

fn source(document: &[u8]) -> Source {
    Source::from_bytes("test", document.to_vec(), &Progress::default())
}

fn graph(document: &[u8], flavour: Flavour, piece: usize) -> Result<Heap> {
    read_in_pieces(Arc::new(source(document)), flavour, piece, &Progress::default())
}

fn graph_pieces(document: &[u8], flavour: Flavour, piece: usize) -> String {
    graph(document, flavour, piece).map_or_else(|error| error.to_string(), |heap| heap_text(&heap))
}

fn array_pieces(document: &[u8], piece: usize) -> String {
    let mut loaded = load_array(&source(document), piece, &Progress::default());
    let graph = loaded.builder.finish(&mut loaded.damage, &|_| None, &Progress::default()).unwrap();
    let asides = loaded.asides;
    format!("{}{:?} {:?} {}", graph_text(&graph, &loaded.damage), loaded.counts, asides, loaded.has_names)
}

/// Runs with more threads than the machine may have.
fn threaded<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap().install(run)
}

/// Text that looks like the beginning or the end of an element.
const TRAPS: [&str; 9] =
    ["a", "", "},{\"id\":", "\n},\n{", "\"}},\"7\":{\"id\":", "\\", "\\\"", "é\u{1f600}", "],\"links\":[{\"id\":1},"];

fn text() -> impl Strategy<Value = Value> {
    prop_oneof![
        3 => prop::sample::select(TRAPS.to_vec()).prop_map(Value::from),
        2 => "[a-c.]{0,20}".prop_map(Value::from),
        1 => any::<u64>().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(Value::Null),
        1 => prop::collection::vec(0u8..3, 0..4).prop_map(Value::from),
    ]
}

/// An id that few others have.
fn id() -> impl Strategy<Value = Value> {
    prop_oneof![
        6 => (0u64..12).prop_map(|id| Value::from(id * 16)),
        3 => (0u64..12).prop_map(|id| Value::from((id * 16).to_string())),
        1 => (0u64..6).prop_map(|id| Value::from(format!("node {id}"))),
        1 => Just(Value::from("0x20")),
        1 => Just(Value::from(u64::MAX - 1)),
    ]
}

/// An id that is a number.
fn number() -> impl Strategy<Value = Value> {
    (0u64..12, any::<bool>())
        .prop_map(|(id, is_text)| if is_text { Value::from((id * 16).to_string()) } else { Value::from(id * 16) })
}

/// An object with some of these keys, in any order; those of which a reader needs `all` are never left out.
fn object(keys: &'static [&'static str], all: &'static [&'static str]) -> impl Strategy<Value = Vec<(String, Value)>> {
    let size = prop_oneof![4 => (0u64..1000).prop_map(Value::from), 1 => text()];
    let of_key = move |key: &'static str| match key {
        "id" if all.contains(&"id") => number().boxed(),
        "id" | "source" | "target" => id().boxed(),
        "size" | "len" => size.clone().boxed(),
        "refs" | "children" if all.contains(&"id") => {
            prop::collection::vec(number(), 0..6).prop_map(Value::from).boxed()
        }
        "refs" | "children" => prop::collection::vec(id(), 0..6).prop_map(Value::from).boxed(),
        "type" => prop::sample::select(vec!["dict", "module", "app.Session"]).prop_map(Value::from).boxed(),
        "weak" => any::<bool>().prop_map(Value::from).boxed(),
        "root" => prop::sample::select(vec!["module", "frame"]).prop_map(Value::from).boxed(),
        _ => text().boxed(),
    };
    let fields: Vec<_> = keys.iter().map(|&key| of_key(key).prop_map(move |value| (key.to_owned(), value))).collect();
    fields.prop_flat_map(move |fields| {
        let count = fields.len();
        // mostly as the element before, as writers do
        let order = prop_oneof![2 => Just(fields.clone()), 1 => Just(fields).prop_shuffle()];
        (order, prop_oneof![3 => Just(count), 1 => 0..=count]).prop_map(move |(fields, kept)| {
            let is_kept = |place: usize, key: &str| place < kept || all.contains(&key);
            let fields = fields.into_iter().enumerate();
            fields.filter(|(place, (key, _))| is_kept(*place, key)).map(|(_, field)| field).collect()
        })
    })
}

/// How a document is laid out.
#[derive(Debug, Clone, Copy)]
enum Layout {
    Compact,
    Line,
    Pretty,
    Spaced,
}

fn layouts() -> impl Strategy<Value = Layout> {
    prop::sample::select(vec![Layout::Compact, Layout::Line, Layout::Pretty, Layout::Spaced])
}

/// A list or object of texts that are laid out already.
fn lay_out(brackets: [char; 2], parts: &[String], layout: Layout) -> String {
    let separator = match layout {
        Layout::Compact => ",",
        Layout::Line => ",\n",
        Layout::Pretty => ",\n  ",
        Layout::Spaced => " ,\t ",
    };
    let inner = if matches!(layout, Layout::Pretty | Layout::Spaced) { "\n" } else { "" };
    format!("{}{inner}{}{inner}{}", brackets[0], parts.join(separator), brackets[1])
}

fn write_object(fields: &[(String, Value)], layout: Layout) -> String {
    let colon = if matches!(layout, Layout::Compact) { ":" } else { ": " };
    let within = if matches!(layout, Layout::Line) { Layout::Compact } else { layout };
    let parts: Vec<String> =
        fields.iter().map(|(key, value)| format!("{}{colon}{value}", Value::from(&**key))).collect();
    lay_out(['{', '}'], &parts, within)
}

fn with_metadata(fields: Vec<(String, Value)>, outside: usize) -> Vec<(String, Value)> {
    let mut fields = fields;
    let inside: serde_json::Map<String, Value> = fields.split_off(outside.min(fields.len())).into_iter().collect();
    fields.push(("metadata".to_owned(), Value::Object(inside)));
    fields
}

const NODE: &[&str] = &["id", "type", "label", "module", "size", "len", "name", "value", "root"];
const NAMED_NODE: &[&str] = &["label", "type", "module", "size", "len", "name", "value", "root"];
const EDGE: &[&str] = &["source", "target", "relation", "name", "weak", "key"];
const RECORD: &[&str] = &["id", "type", "size", "refs", "name", "value", "children"];

/// What an edge needs.
const ENDS: &[&str] = &["source", "target"];

/// Documents of both flavours. `ends` are the keys that each edge has.
fn graphs(ends: &'static [&'static str]) -> impl Strategy<Value = (Flavour, String)> {
    let edges = prop::collection::vec(object(EDGE, ends), 0..40);
    let nodes = prop::collection::vec(object(NODE, &[]), 0..25);
    let named = prop::collection::vec((id(), object(NAMED_NODE, &[]), 0usize..4), 0..25);
    (nodes, named, edges, layouts(), any::<[bool; 3]>()).prop_map(
        |(nodes, named, edges, layout, [is_jgf, is_map, late])| {
            let edges: Vec<String> = edges.iter().map(|edge| write_object(edge, layout)).collect();
            let edges = lay_out(['[', ']'], &edges, layout);
            let nodes = if is_jgf && is_map {
                let member = |(id, node, outside): (Value, Vec<(String, Value)>, usize)| {
                    let id = id.as_str().map_or_else(|| id.to_string(), ToOwned::to_owned);
                    format!("{}:{}", Value::from(id), write_object(&with_metadata(node, outside), layout))
                };
                lay_out(['{', '}'], &named.into_iter().map(member).collect::<Vec<_>>(), layout)
            } else {
                lay_out(['[', ']'], &nodes.iter().map(|node| write_object(node, layout)).collect::<Vec<_>>(), layout)
            };
            let name = if is_jgf { "edges" } else { "links" };
            let lists = if late {
                format!("{{\"{name}\": {edges}, \"nodes\": {nodes}, \"roots\": [16, \"node 1\"]}}")
            } else {
                format!("{{\"roots\": [\"32\"], \"nodes\": {nodes}, \"{name}\": {edges}}}")
            };
            if is_jgf {
                (Flavour::JsonGraphFormat, format!("{{\"graph\": {lists}}}"))
            } else {
                (Flavour::NodeLink, lists)
            }
        },
    )
}

/// Arrays of records. `all` are the keys that each record has.
fn arrays(all: &'static [&'static str]) -> impl Strategy<Value = String> {
    (prop::collection::vec(object(RECORD, all), 0..40), layouts()).prop_map(|(records, layout)| {
        let records: Vec<String> = records.iter().map(|record| write_object(record, layout)).collect();
        lay_out(['[', ']'], &records, layout)
    })
}

/// Changes to a text: bytes written over, or stretches left out.
fn damages() -> impl Strategy<Value = Vec<(Index, Option<u8>)>> {
    let byte = prop_oneof![prop::sample::select(b"{}[]\",:\\\n 1a".to_vec()), any::<u8>()];
    prop::collection::vec((any::<Index>(), prop::option::of(byte)), 0..6)
}

fn damaged(text: &str, damages: &[(Index, Option<u8>)]) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for (place, byte) in damages {
        let place = place.index(bytes.len());
        match byte {
            Some(byte) => bytes[place] = *byte,
            None => drop(bytes.drain(place..(place + 7).min(bytes.len()))),
        }
        if bytes.is_empty() {
            break;
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn graphs_are_the_same_in_pieces_of_any_length(
        (flavour, text) in graphs(&[]), damages in damages(), piece in 1usize..400,
    ) {
        let bytes = damaged(&text, &damages);
        let whole = graph_pieces(&bytes, flavour, usize::MAX);
        let (split, in_turn) = threaded(|| (graph_pieces(&bytes, flavour, piece), graph_pieces(&bytes, flavour, usize::MAX)));
        prop_assert_eq!(&whole, &split);
        prop_assert_eq!(whole, in_turn);
    }

    #[test]
    fn arrays_are_the_same_in_pieces_of_any_length(text in arrays(&[]), damages in damages(), piece in 1usize..400) {
        let bytes = damaged(&text, &damages);
        let whole = array_pieces(&bytes, usize::MAX);
        prop_assert_eq!(whole, threaded(|| array_pieces(&bytes, piece)));
    }

    #[test]
    fn graphs_are_read_as_serde_json_reads_them((flavour, text) in graphs(ENDS), piece in 1usize..400) {
        // members of a map may repeat, which serde_json does not tell
        let value: Value = serde_json::from_str(&text).unwrap();
        let outer = if flavour == Flavour::JsonGraphFormat { &value["graph"] } else { &value };
        let (Some(nodes), Some(edges)) = (outer["nodes"].as_array(), outer["edges"].as_array().or(outer["links"].as_array()))
        else { return Ok(()) };
        let Ok(heap) = threaded(|| graph(text.as_bytes(), flavour, piece)) else { return Ok(()) };
        let address = |id: &Value| match id {
            Value::Number(number) => number.as_u64().map(|number| format!("{number:#x}")),
            Value::String(text) if text == "0x20" => Some(text.clone()),
            Value::String(text) => Some(text.parse::<u64>().map_or_else(|_| text.clone(), |number| format!("{number:#x}"))),
            _ => None,
        };
        let mut last: HashMap<String, usize> = HashMap::new();
        for (row, node) in nodes.iter().enumerate() {
            last.insert(address(&node["id"]).unwrap_or_else(|| format!("{row:#x}")), row);
        }
        let mut rows: Vec<(&String, &usize)> = last.iter().collect();
        rows.sort_by_key(|(_, row)| **row);
        let found: Vec<String> = heap.graph.objects().map(|object| heap.graph.id_text(object)).collect();
        prop_assert_eq!(&found, &rows.iter().map(|(id, _)| (*id).clone()).collect::<Vec<_>>());
        for (object, (id, row)) in heap.graph.objects().zip(rows) {
            let whole = |size: &Value| size.as_u64().unwrap_or_else(|| size.as_f64().map_or(0, |size| size as u64));
            prop_assert_eq!(heap.graph.shallow_size(object), whole(&nodes[*row]["size"]));
            let leaves = |edge: &&Value| address(&edge["source"]).as_ref() == Some(id) && edge["weak"] != true;
            let targets = edges.iter().filter(leaves).filter_map(|edge| address(&edge["target"]));
            let targets: Vec<String> = targets.filter(|target| last.contains_key(target)).collect();
            let found: Vec<String> = heap.graph.referents(object).map(|target| heap.graph.id_text(target)).collect();
            prop_assert_eq!(found, targets);
        }
    }

    #[test]
    fn arrays_are_read_as_serde_json_reads_them(text in arrays(&["id"]), piece in 1usize..400) {
        let records: Vec<Value> = serde_json::from_str(&text).unwrap();
        let address = |id: &Value| id.as_str().map_or_else(|| id.as_u64(), |text| text.parse().ok()).unwrap();
        let mut loaded = threaded(|| load_array(&source(text.as_bytes()), piece, &Progress::default()));
        let graph = loaded.builder.finish(&mut loaded.damage, &|_| None, &Progress::default()).unwrap();
        let last: HashMap<u64, &Value> = records.iter().map(|record| (address(&record["id"]), record)).collect();
        prop_assert_eq!(graph.object_count(), last.len());
        prop_assert_eq!(loaded.damage.broken_records, 0);
        for (id, record) in &last {
            let object = graph.object_at(*id).unwrap();
            let fields = record.as_object().unwrap();
            let lists = fields.iter().filter(|(key, _)| matches!(key.as_str(), "refs" | "children"));
            let mut targets: Vec<u64> = lists.filter_map(|(_, list)| list.as_array()).flatten().map(address).collect();
            targets.retain(|target| last.contains_key(target));
            let mut found: Vec<u64> = graph.referents(object).map(|target| graph.address(target)).collect();
            // serde_json sorts keys
            targets.sort_unstable();
            found.sort_unstable();
            prop_assert_eq!(found, targets);
        }
    }
}

#[test]
fn a_list_in_a_text_is_no_list() {
    let trap = r#"\"},\n{\"id\":99,\"type\":\"b\"},{\"id\":98},"#;
    let records: Vec<String> =
        (1..40).map(|id| format!(r#"{{"id":{id},"type":"a","value":"{trap}","refs":[{}]}}"#, id + 1)).collect();
    let text = format!("[{}]", records.join(","));
    let whole = array_pieces(text.as_bytes(), usize::MAX);
    for piece in 1..120 {
        assert_eq!(threaded(|| array_pieces(text.as_bytes(), piece)), whole, "{piece}");
    }
}

#[test]
fn numbers_of_edges_are_no_places_of_texts() {
    let text = r#"{"nodes":[{"id":1},{"id":"a"}],"links":[{"source":1,"target":2},{"source":1,"target":"a"},{"source":2,"target":1}]}"#;
    let heap = graph(text.as_bytes(), Flavour::NodeLink, usize::MAX).unwrap();
    assert_eq!(heap.damage.dangling_references, 2);
    assert_eq!(heap.graph.reference_count(), 1);
}

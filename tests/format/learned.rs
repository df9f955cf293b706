//! The reader that recognises records by earlier ones, beside the reader of any JSON and beside serde_json.

use proptest::prelude::*;
use retainers::graph::Heap;
use serde_json::Value;

use crate::support::heap::load;

/// How a program writes its records.
#[derive(Debug, Clone)]
struct Style {
    keys: Vec<&'static str>,
    after_comma: &'static str,
    after_colon: &'static str,
    end: &'static str,
}

/// Keys of a record, and others that mean the same as some of them.
const KEYS: [&str; 11] = ["address", "type", "size", "module", "value", "len", "name", "refs", "edges", "weak", "flag"];
const ALIASES: [&str; 5] = ["class", "children", "referents", "id", "external"];

fn style(keys: Vec<&'static str>) -> impl Strategy<Value = Style> {
    let keys = (Just(keys).prop_shuffle(), 3usize..12).prop_map(|(mut keys, count)| {
        keys.retain(|key| *key != "address");
        keys.truncate(count);
        keys.insert(count / 2, "address");
        keys
    });
    let spaces = || prop_oneof![5 => Just(""), 3 => Just(" "), 1 => Just("  "), 1 => Just("\t")];
    let end = prop_oneof![6 => Just(""), 1 => Just(","), 1 => Just(" "), 1 => Just("\r"), 1 => Just(" ,")];
    (keys, spaces(), spaces(), end).prop_map(|(keys, after_comma, after_colon, end)| Style {
        keys,
        after_comma,
        after_colon,
        end,
    })
}

/// A record's values, as JSON texts in the order of the style's keys.
fn value(key: &'static str, row: usize) -> BoxedStrategy<String> {
    let number =
        || prop_oneof![4 => 0u64..100, 2 => 0u64..1 << 40, 1 => any::<u64>(), 1 => Just(10_000_000_000_000_000)];
    let text = || {
        prop_oneof![
            6 => "[a-zA-Z_.<> ]{0,40}",
            1 => Just("é\u{1f600}".to_owned()),
            1 => Just("a\"b\\c\nd".to_owned()),
            1 => Just(String::new())
        ]
        .prop_map(|text| Value::from(text).to_string())
    };
    // addresses of a heap, so that references are found
    let address = || prop_oneof![8 => (0u64..40).prop_map(|row| 94_352_915_331_280 + 16 * row), 1 => any::<u64>()];
    let list = |items: Vec<String>| format!("[{}]", items.join(","));
    match key {
        "address" | "id" => Just((94_352_915_331_280 + 16 * row as u64).to_string()).boxed(),
        "refs" | "children" | "referents" => prop::collection::vec(address().prop_map(|address| address.to_string()), 0..6).prop_map(list).boxed(),
        "weak" => prop::collection::vec(address().prop_map(|address| address.to_string()), 0..2).prop_map(list).boxed(),
        "edges" => prop::collection::vec(text(), 0..9).prop_map(list).boxed(),
        "size" => {
            prop_oneof![4 => Just("64".to_owned()), 1 => Just("640".to_owned()), 3 => number().prop_map(|number| number.to_string())]
                .boxed()
        }
        "external" => prop_oneof![3 => Just("0".to_owned()), 2 => Just("4096".to_owned()), 1 => number().prop_map(|number| number.to_string())].boxed(),
        "len" => number().prop_map(|number| number.to_string()).boxed(),
        "flag" => {
            prop_oneof![Just("true"), Just("null"), Just("-12"), Just("0.30000000000000004"), Just("1e-5"), Just("{}")]
                .prop_map(ToOwned::to_owned)
                .boxed()
        }
        // so often the same that they become part of what is around them
        "type" | "class" => prop_oneof![6 => Just("\"dict\"".to_owned()), 3 => Just("\"dictionary\"".to_owned()), 2 => text()].boxed(),
        "module" => prop_oneof![8 => Just("\"builtins\"".to_owned()), 1 => text()].boxed(),
        "value" => prop_oneof![text(), number().prop_map(|number| number.to_string()), Just("null".to_owned())].boxed(),
        _ => text().boxed(),
    }
}

fn line(style: &Style, row: usize) -> impl Strategy<Value = String> + use<> {
    let style = style.clone();
    let values: Vec<_> = style.keys.iter().map(|&key| (value(key, row), prop::bool::weighted(0.9))).collect();
    values.prop_map(move |values| {
        let fields = style.keys.iter().zip(values).filter(|(key, (_, is_there))| *is_there || **key == "address");
        let fields: Vec<String> =
            fields.map(|(key, (value, _))| format!("\"{key}\":{}{value}", style.after_colon)).collect();
        format!("{{{}}}{}", fields.join(&format!(",{}", style.after_comma)), style.end)
    })
}

fn lines() -> impl Strategy<Value = Vec<String>> {
    lines_with(KEYS.to_vec(), 40)
}

/// So many lines, whose records have some of these keys.
fn lines_with(keys: Vec<&'static str>, count: usize) -> impl Strategy<Value = Vec<String>> {
    let styles = prop::collection::vec(style(keys), 1..3);
    styles.prop_flat_map(move |styles| {
        let lines: Vec<_> = (0..count).map(|row| line(&styles[row % styles.len()], row).boxed()).collect();
        lines
    })
}

/// The dump as it is, and with a space before each line: such lines are only read by the reader of any JSON.
fn both(lines: &[String]) -> (Heap, Heap) {
    let all = lines.join("\n") + "\n";
    let spaced: String = lines.iter().map(|line| format!(" {line}\n")).collect();
    // what a dump is, its first line says
    let first = "{\"address\": 1, \"type\": \"module\", \"size\": 72, \"refs\": []}\n";
    (load(format!("{first}{all}").as_bytes()), load(format!("{first}{spaced}").as_bytes()))
}

/// Everything of a heap but the places of its records.
fn all_of(heap: &Heap) -> Vec<String> {
    let graph = &heap.graph;
    let objects = graph.objects().map(|object| {
        let referents: Vec<u64> = graph.referents(object).map(|target| graph.address(target)).collect();
        let mut names = Vec::new();
        heap.for_each_reference(object, |position, target, name| names.push((position, target, name.clone())));
        let (address, size, external) =
            (graph.address(object), graph.shallow_size(object), graph.external_size(object));
        let described = heap.describe(object);
        format!("{address} {} {size} {external} {referents:?} {names:?} {described:?}", graph.type_name_of(object))
    });
    let mut all: Vec<String> = objects.collect();
    all.push(format!("{:?} {:?} {}", graph.weak_references(), graph.roots(), heap.about.has_reference_names));
    let mut damage = heap.damage.clone();
    let reason = damage.first_broken.take().map(|(_, reason)| reason);
    damage.cut_off = damage.cut_off.map(|_| String::new());
    all.push(format!("{damage:?} {reason:?}"));
    all
}

proptest! {
    #[test]
    fn records_that_look_like_earlier_ones_are_read_as_any_json(lines in lines()) {
        let (learned, general) = both(&lines);
        prop_assert_eq!(all_of(&learned), all_of(&general));
    }

    #[test]
    fn keys_that_mean_the_same_are_read_as_any_json(
        lines in lines_with([&KEYS[..], &ALIASES[..]].concat(), 120),
    ) {
        let (learned, general) = both(&lines);
        prop_assert_eq!(all_of(&learned), all_of(&general));
    }

    #[test]
    fn records_are_what_serde_json_reads(lines in lines()) {
        let (heap, _) = both(&lines);
        for line in &lines {
            let record: Value = serde_json::from_str(line.trim().trim_end_matches([',', ' '])).unwrap();
            let object = heap.graph.object_at(record["address"].as_u64().unwrap()).unwrap();
            prop_assert_eq!(heap.graph.shallow_size(object), record["size"].as_u64().unwrap_or(0));
            let found: Vec<u64> = heap.graph.referents(object).map(|target| heap.graph.address(target)).collect();
            let refs = record["refs"].as_array().cloned().unwrap_or_default();
            let known = refs.iter().filter_map(Value::as_u64).filter(|&target| heap.graph.object_at(target).is_some());
            prop_assert_eq!(found, known.collect::<Vec<_>>());
            if let Some(name) = record["type"].as_str().filter(|name| !name.is_empty()) {
                let whole = heap.graph.type_name_of(object);
                prop_assert!(whole == name || whole.ends_with(&format!(".{name}")), "{} {}", whole, name);
            }
        }
    }

    #[test]
    fn broken_records_are_broken_for_both(
        mut lines in lines(),
        wounds in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>(), 0..3), 1..8),
    ) {
        for (line, place, byte, how) in wounds {
            let line = &mut lines[line.index(40)];
            let mut bytes = std::mem::take(line).into_bytes();
            let place = place.index(bytes.len().max(1)).min(bytes.len().saturating_sub(1));
            let byte = if byte == b'\n' { b' ' } else { byte & 0x7f };
            match how {
                _ if bytes.is_empty() => {}
                0 => bytes[place] = byte,
                1 => bytes.insert(place, byte),
                _ => drop(bytes.remove(place)),
            }
            *line = String::from_utf8_lossy(&bytes).replace('\n', " ");
        }
        let (learned, general) = both(&lines);
        prop_assert_eq!(all_of(&learned), all_of(&general));
    }
}

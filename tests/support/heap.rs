//! A heap in a few readable lines.
//!
//! ```text
//! module app .cache -> d        the module named app; its attribute
//! d: dict ['a'] -> s1, ['b'] -> s2
//! s1: app.Session ~> d          a weak reference
//! root frame worker -> s2       another root
//! ```
//!
//! Names become addresses in order of first mention: 16, 32, 48, … A module `app` has the address of the word `app` and
//! refers to its attributes through a dictionary `app.__dict__`, as modules do. Sizes are 8 bytes times the address.

use std::collections::BTreeMap;
use std::fmt::Write;

use retainers::graph::Heap;
use retainers::progress::Progress;
use retainers::source::Source;

/// The dump of a sketched heap in our own format.
pub(crate) fn dump(sketch: &str) -> String {
    let mut heap = Sketch::default();
    for line in sketch.lines().map(str::trim).filter(|line| !line.is_empty()) {
        heap.line(line);
    }
    heap.write()
}

/// A sketched heap, loaded.
pub(crate) fn heap(sketch: &str) -> Heap {
    load(dump(sketch).as_bytes())
}

/// Any dump, loaded.
pub(crate) fn load(bytes: &[u8]) -> Heap {
    try_load(bytes).unwrap()
}

pub(crate) fn try_load(bytes: &[u8]) -> retainers::error::Result<Heap> {
    let progress = Progress::default();
    retainers::format::read(Source::from_bytes("test", bytes.to_vec(), &progress), &progress)
}

#[derive(Default)]
struct Sketch {
    addresses: BTreeMap<String, u64>,
    objects: Vec<(u64, String, Option<String>, Vec<Held>)>,
    roots: Vec<(String, String, u64)>,
}

struct Held {
    name: String,
    target: u64,
    is_weak: bool,
}

impl Sketch {
    fn address(&mut self, word: &str) -> u64 {
        let next = (self.addresses.len() as u64 + 1) * 16;
        *self.addresses.entry(word.to_owned()).or_insert(next)
    }

    fn line(&mut self, line: &str) {
        if let Some(rest) = line.strip_prefix("module ") {
            let (name, held) = rest.split_once(' ').unwrap_or((rest, ""));
            let (module, dictionary) = (self.address(name), self.address(&format!("{name}.__dict__")));
            let held = self.held(held);
            let entries = held.into_iter().map(|held| Held {
                name: held.name.strip_prefix('.').map_or(held.name.clone(), |name| format!("['{name}']")),
                ..held
            });
            let entries: Vec<Held> = entries.collect();
            let to_dict = Held { name: "__dict__".to_owned(), target: dictionary, is_weak: false };
            self.objects.push((module, "module".to_owned(), Some(name.to_owned()), vec![to_dict]));
            self.objects.push((dictionary, "dict".to_owned(), None, entries));
            self.roots.push(("module".to_owned(), name.to_owned(), module));
        } else if let Some(rest) = line.strip_prefix("root ") {
            let (root, target) = rest.split_once(" -> ").unwrap();
            let (kind, name) = root.split_once(' ').unwrap_or((root, ""));
            let target = self.address(target);
            self.roots.push((kind.to_owned(), name.to_owned(), target));
        } else {
            let (word, rest) = line.split_once(": ").unwrap();
            let (type_name, held) = rest.split_once(' ').unwrap_or((rest, ""));
            let address = self.address(word);
            let held = self.held(held);
            self.objects.push((address, type_name.to_owned(), None, held));
        }
    }

    fn held(&mut self, text: &str) -> Vec<Held> {
        let references = text.split(", ").filter(|reference| !reference.trim().is_empty());
        references
            .map(|reference| {
                let is_weak = reference.contains("~>");
                let (name, target) = reference.split_once(if is_weak { "~>" } else { "->" }).unwrap();
                Held { name: name.trim().to_owned(), target: self.address(target.trim()), is_weak }
            })
            .collect()
    }

    fn write(&self) -> String {
        let mut dump = String::from("{\"retainers\":1,\"runtime\":\"cpython\",\"runtime_version\":\"3.11.7\"}\n");
        let mut references = 0;
        for (address, type_name, name, held) in &self.objects {
            let strong: Vec<&Held> = held.iter().filter(|held| !held.is_weak).collect();
            let weak: Vec<u64> = held.iter().filter(|held| held.is_weak).map(|held| held.target).collect();
            references += strong.len();
            let targets: Vec<u64> = strong.iter().map(|held| held.target).collect();
            let names: Vec<Option<&str>> =
                strong.iter().map(|held| Some(held.name.as_str()).filter(|name| !name.is_empty())).collect();
            let mut object = serde_json::json!({
                "address": address, "type": type_name, "size": address * 8, "refs": targets, "edges": names, "weak": weak,
            });
            if let Some(name) = name {
                object["name"] = name.as_str().into();
            }
            writeln!(dump, "{object}").unwrap();
        }
        for (kind, name, object) in &self.roots {
            writeln!(dump, "{}", serde_json::json!({"root": kind, "name": name, "object": object})).unwrap();
        }
        let end = serde_json::json!({"objects": self.objects.len(), "references": references});
        writeln!(dump, "{}", serde_json::json!({"end": end})).unwrap();
        dump
    }
}

//! Shapes of JSON documents, as far as their first bytes tell.

use crate::format::record::{IDS, REFERENCES, TYPES};
use crate::format::scan::Scanner;

/// The members of an object: raw keys, and where their values start.
type Members<'a> = Vec<(&'a [u8], usize)>;

/// The first object of a document, which may stand in a list.
#[derive(Debug)]
pub(super) struct Outline<'a> {
    bytes: &'a [u8],
    members: Members<'a>,
}

/// Keys under which objects are listed that hold an object.
const REFERRERS: [&[u8]; 5] = [b"referrers", b"referers", b"referrer", b"referred_by", b"parents"];
/// Keys of graphs, whose lists are not records.
const OF_GRAPHS: [&[u8]; 7] = [b"nodes", b"links", b"edges", b"graph", b"graphs", b"vertices", b"adjacency"];

impl<'a> Outline<'a> {
    /// The outline of a document; `None` where it does not begin with an object.
    pub(super) fn of(bytes: &'a [u8]) -> Option<Self> {
        let mut scanner = Scanner::new(bytes, if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 });
        while scanner.take(b'[') {}
        (scanner.peek() == Some(b'{')).then(|| Self { bytes, members: members(bytes, scanner.position()) })
    }

    pub(super) fn is_v8(&self) -> bool {
        self.inner(b"snapshot").is_some_and(|members| has(&members, &[b"meta"]))
    }

    pub(super) fn is_v8_profile(&self) -> bool {
        self.inner(b"head").is_some_and(|members| has(&members, &[b"callFrame"]))
    }

    pub(super) fn is_refcycle(&self) -> bool {
        self.list(b"vertices").is_some() && (self.has(b"edges") || self.members.len() == 1)
    }

    pub(super) fn is_adjacency(&self) -> bool {
        self.list(b"adjacency").is_some()
    }

    /// `elements`, or nodes or edges all of whose attributes stand in `data`.
    pub(super) fn is_cytoscape(&self) -> bool {
        let has_elements = self.inner(b"elements").is_some_and(|members| has(&members, &[b"nodes", b"edges"]));
        let is_element = |item: Members<'a>| {
            let data = item.iter().find(|(key, _)| *key == b"data").map(|&(_, at)| members(self.bytes, at));
            let is_plain = has(&item, &[b"id", b"source", b"from"]);
            !is_plain && data.is_some_and(|data| has(&data, &[b"id", b"source"]))
        };
        let lists = [&b"nodes"[..], b"edges", b"elements"];
        has_elements || lists.iter().any(|list| self.first_of(list).is_some_and(is_element))
    }

    /// Nodes with a `key` for an id.
    pub(super) fn is_graphology(&self) -> bool {
        let has_options = self.has(b"options") || self.has(b"attributes");
        let is_node = |node: Members<'a>| {
            has(&node, &[b"key"]) && !has(&node, &[b"id"]) && (has_options || has(&node, &[b"attributes"]))
        };
        self.first_of(b"nodes").is_some_and(is_node)
    }

    /// Objects in objects, under `children`.
    pub(super) fn is_tree(&self) -> bool {
        self.first_of(b"children").is_some() && !self.has(b"nodes")
    }

    pub(super) fn is_ruby(&self) -> bool {
        let is_capital = |text: &[u8]| text.iter().all(|byte| byte.is_ascii_uppercase() || *byte == b'_');
        let type_name = self.text(b"type").filter(|text| !text.is_empty() && is_capital(text));
        let is_root = type_name == Some(b"ROOT") && self.has(b"references");
        let is_address = self.text(b"address").is_some_and(|address| address.starts_with(b"0x"));
        let keys = [&b"class"[..], b"memsize", b"flags", b"slot_size", b"imemo_type", b"shape_id"];
        is_root || (type_name.is_some() && is_address && has(&self.members, &keys))
    }

    /// Records with referrers and without references.
    pub(super) fn is_backwards(&self) -> bool {
        has(&self.members, &IDS) && has(&self.members, &REFERRERS) && !has(&self.members, &REFERENCES)
    }

    pub(super) fn is_own_export(&self) -> bool {
        [&b"address"[..], b"shallow_size", b"idom"].iter().all(|key| self.has(key))
    }

    pub(super) fn is_own_answer(&self) -> bool {
        self.has(b"schema") && self.inner(b"dump").is_some_and(|dump| has(&dump, &[b"format"]))
    }

    /// Records in a list below a key, or below a key below a key.
    pub(super) fn is_wrapped(&self) -> bool {
        self.wraps(&self.members) || {
            let mut inner = self.members.iter().filter(|(key, _)| !OF_GRAPHS.contains(key));
            !is_record(&self.members) && inner.any(|&(_, at)| self.wraps(&members(self.bytes, at)))
        }
    }

    fn wraps(&self, members: &Members<'a>) -> bool {
        let mut lists = members.iter().filter(|(key, _)| !OF_GRAPHS.contains(key));
        !is_record(members) && lists.any(|&(_, at)| first_item(self.bytes, at).is_some_and(|item| is_record(&item)))
    }

    /// Objects under keys that are numbers, one of which at least is a record but for its id.
    pub(super) fn is_by_id(&self) -> bool {
        const SHORTEST_HEXADECIMAL: usize = 8;
        let is_number = |key: &[u8]| {
            let is_long = key.len() >= SHORTEST_HEXADECIMAL;
            let are_digits = key.iter().all(|byte| byte.is_ascii_digit() || (is_long && byte.is_ascii_hexdigit()));
            key.starts_with(b"0x") || (!key.is_empty() && are_digits)
        };
        let is_described = |members: Members<'a>| has(&members, &TYPES) || has(&members, &REFERENCES);
        let first = self.members.first().filter(|(key, _)| is_number(key));
        first.is_some_and(|&(_, at)| is_described(members(self.bytes, at)))
    }

    pub(super) fn is_speedscope(&self) -> bool {
        self.text(b"$schema").is_some_and(|schema| memchr::memmem::find(schema, b"speedscope").is_some())
    }

    pub(super) fn is_trace(&self) -> bool {
        self.list(b"traceEvents").is_some()
    }

    fn has(&self, key: &[u8]) -> bool {
        has(&self.members, &[key])
    }

    fn value(&self, key: &[u8]) -> Option<usize> {
        self.members.iter().find(|(known, _)| *known == key).map(|&(_, at)| at)
    }

    /// The members of the object under a key.
    fn inner(&self, key: &[u8]) -> Option<Members<'a>> {
        let at = self.value(key).filter(|&at| self.bytes.get(at) == Some(&b'{'))?;
        Some(members(self.bytes, at))
    }

    /// Where the list under a key is.
    fn list(&self, key: &[u8]) -> Option<usize> {
        self.value(key).filter(|&at| self.bytes.get(at) == Some(&b'['))
    }

    /// The members of the first object in the list under a key.
    fn first_of(&self, key: &[u8]) -> Option<Members<'a>> {
        first_item(self.bytes, self.list(key)?)
    }

    fn text(&self, key: &[u8]) -> Option<&'a [u8]> {
        Scanner::new(self.bytes, self.value(key)?).string().ok()
    }
}

/// The members of the object at `at`, as far as they can be read; none where there is no object.
fn members(bytes: &[u8], at: usize) -> Members<'_> {
    let mut members = Vec::new();
    let mut scanner = Scanner::new(bytes, at);
    // the first bytes may end within the object: the members so far will do
    let _ = scanner.object(|key, scanner| {
        scanner.peek();
        members.push((key, scanner.position()));
        scanner.skip().map(|_| ())
    });
    members
}

/// The members of the object with which the list at `at` begins.
fn first_item(bytes: &[u8], at: usize) -> Option<Members<'_>> {
    let mut scanner = Scanner::new(bytes, at);
    let is_object = scanner.take(b'[') && scanner.peek() == Some(b'{');
    is_object.then(|| members(bytes, scanner.position()))
}

fn has(members: &Members<'_>, keys: &[&[u8]]) -> bool {
    members.iter().any(|(key, _)| keys.contains(key))
}

/// Whether an object with these members is a record: it has an id, and a type or references.
fn is_record(members: &Members<'_>) -> bool {
    has(members, &IDS) && (has(members, &TYPES) || has(members, &REFERENCES))
}

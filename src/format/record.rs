//! One object as one JSON object: the record that Meliae made, that others vary, and that our own format extends.
//!
//! Keys by meaning, aliases included; unknown keys are passed over:
//!
//! | meaning | keys |
//! |---|---|
//! | address | `address`, `id`, `addr` |
//! | type | `type`, `class`; with `module` in front when that key is there |
//! | shallow size, bytes | `size` |
//! | strong references | `refs`, `referents`, `references`, `children` |
//! | their names, kinds | `edges`, `kinds` (parallel to the references) |
//! | weak references, their names | `weak`, `weak_edges` |
//! | root | `root` (a kind, or `true`); as a line of its own with `object` |
//! | text | `name`, `value`, `len`, `rc`, `site`, `external` |

use std::borrow::Cow;

use super::scan::{Malformed, Number, Scan, Scanner, address_of_text, decode};
use crate::graph::builder::RootRecord;
use crate::graph::{Description, ObjectTable, ReferenceKind, ReferenceName, ReferenceSlot, RootKind};

/// Keys that give the address.
pub const IDS: [&[u8]; 3] = [b"address", b"id", b"addr"];
/// Keys that give the type.
pub const TYPES: [&[u8]; 2] = [b"type", b"class"];
/// Keys that list strong references.
pub const REFERENCES: [&[u8]; 4] = [b"refs", b"referents", b"references", b"children"];
/// Longest text of a value that is kept, in characters.
const MAX_VALUE: usize = 400;
/// Integers from here on are not exact in floating point.
const FIRST_INEXACT: u64 = 1 << 53;

/// What the numbers in a record's references mean where the dump does not name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// As CPython's traversal reports them (Meliae): sequences from last to first; a dictionary's values, or value, key,
    /// value, key where not all keys are strings.
    Traversal,
    /// As CPython's traversal reported them before version 3: a dictionary's key, value, key, value.
    KeysFirst,
    /// Sequences from first to last; dictionaries key, value, key, value (Midden).
    Natural,
    /// Nothing is known.
    Unknown,
}

/// A record while it is read. Kept between records so that its lists need not be allocated again.
#[derive(Debug, Default)]
pub struct Record<'a> {
    address: Option<u64>,
    type_name: &'a [u8],
    module: Option<&'a [u8]>,
    size: u64,
    external: u64,
    root: Option<&'a [u8]>,
    name: Option<&'a [u8]>,
    thread: Option<&'a [u8]>,
    /// The object of a root line.
    object: Option<u64>,
    references: Vec<u64>,
    weak: Vec<u64>,
    has_names: bool,
    has_unread_size: bool,
    aside: Option<Aside<'a>>,
}

/// A line that describes no object, in our own format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aside<'a> {
    /// The header line, raw.
    Header(&'a [u8]),
    /// Something that the capture could not see, and how often.
    Unseen(&'a [u8], u64),
    /// The end line, raw.
    End(&'a [u8]),
}

/// What a record turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept<'a> {
    /// A line that describes no object.
    pub aside: Option<Aside<'a>>,
    /// Whether the id passed 2⁵³.
    pub has_wide_id: bool,
    /// Whether its references have names.
    pub has_names: bool,
    /// Whether its size is a text that is no number.
    pub has_unread_size: bool,
    /// Whether it is an object.
    pub is_object: bool,
}

impl<'a> Record<'a> {
    /// Reads the record under the cursor into `table`.
    ///
    /// # Errors
    /// The text is malformed, or the record has no address; nothing is added to the table then.
    pub fn read(&mut self, scanner: &mut Scanner<'a>, table: &mut ObjectTable) -> Scan<Kept<'a>> {
        scanner.peek();
        let place = scanner.position();
        self.clear();
        scanner.object(|key, scanner| self.field(key, scanner))?;
        self.keep(place, table)
    }

    /// Strong references of the record that was read last.
    pub fn reference_count(&self) -> usize {
        self.references.len()
    }

    /// Forgets the record that was read last.
    fn clear(&mut self) {
        let Self {
            address,
            type_name,
            module,
            size,
            external,
            root,
            name,
            thread,
            object,
            references,
            weak,
            has_names,
            has_unread_size,
            aside,
        } = self;
        (*address, *type_name, *module, *size, *external) = (None, b"", None, 0, 0);
        (*root, *name, *thread, *object) = (None, None, None, None);
        references.clear();
        weak.clear();
        (*has_names, *has_unread_size, *aside) = (false, false, None);
    }

    fn field(&mut self, key: &[u8], scanner: &mut Scanner<'a>) -> Scan<()> {
        match key {
            b"address" | b"id" | b"addr" => self.address = Some(scanner.address()?),
            b"type" | b"class" => self.type_name = string_or_nothing(scanner)?.unwrap_or(b""),
            b"module" => self.module = string_or_nothing(scanner)?,
            b"size" => self.size = stated_size(scanner, &mut self.has_unread_size)?,
            b"external" => self.external = size(scanner)?,
            b"refs" | b"referents" | b"references" | b"children" => addresses(scanner, &mut self.references)?,
            b"weak" => addresses(scanner, &mut self.weak)?,
            b"edges" => self.has_names |= scanner.skip_strings()? > 2,
            b"root" => self.root = root_word(scanner)?,
            b"name" => self.name = string_or_nothing(scanner)?,
            b"thread" => self.thread = string_or_nothing(scanner)?,
            b"object" => self.object = Some(scanner.address()?),
            b"retainers" => {
                scanner.skip()?;
                self.aside = Some(Aside::Header(b""));
            }
            b"end" => self.aside = Some(Aside::End(scanner.skip()?)),
            b"unseen" => self.aside = Some(Aside::Unseen(string_or_nothing(scanner)?.unwrap_or(b"something"), 1)),
            b"count" => {
                let count = size(scanner)?;
                if let Some(Aside::Unseen(_, times)) = &mut self.aside {
                    *times = count;
                }
            }
            _ => {
                scanner.skip()?;
            }
        }
        Ok(())
    }

    /// Adds what was read at `place` to `table`.
    ///
    /// # Errors
    /// The record has no address; nothing is added then.
    fn keep(&mut self, place: usize, table: &mut ObjectTable) -> Scan<Kept<'a>> {
        let (has_names, has_unread_size) = (self.has_names, self.has_unread_size);
        let mut kept = Kept { aside: None, has_wide_id: false, has_names, has_unread_size, is_object: false };
        let Some(address) = self.address else {
            if let (Some(kind), Some(object)) = (self.root, self.object) {
                table.root(self.root_record(object, kind));
            } else if self.aside.is_some() {
                kept.aside = self.aside;
            } else {
                return Err(Malformed { offset: place, expected: "a record with an address" });
            }
            return Ok(kept);
        };
        kept.is_object = true;
        kept.has_wide_id = has_wide_id(address);
        self.keep_object(address, place, table);
        if let Some(kind) = self.root {
            table.root(self.root_record(address, kind));
        }
        Ok(kept)
    }

    /// Adds the object that was read at `place`, whether it is a root or not.
    fn keep_object(&self, address: u64, place: usize, table: &mut ObjectTable) {
        let type_number = type_number(table, self.module.unwrap_or(b""), self.type_name);
        table.object(address, type_number, self.size, place as u64);
        table.references(&self.references);
        self.weak.iter().for_each(|&target| table.weak_reference(target));
        if self.external > 0 {
            table.external_size(self.external);
        }
    }

    fn root_record(&self, address: u64, kind: &[u8]) -> RootRecord {
        let name = self.name.map(decode);
        let thread = self.thread.map(decode);
        let name = match (name, thread) {
            (Some(name), Some(thread)) => Some(format!("{name} in {thread}").into()),
            (name, thread) => name.or(thread).map(Into::into),
        };
        RootRecord { address, kind: RootKind::from_word(&decode(kind)), name }
    }
}

/// The number of a type in a table, by what a record says of it.
pub(super) fn type_number(table: &mut ObjectTable, module: &[u8], name: &[u8]) -> u32 {
    table.type_number(module, name, || qualified(&decode(module), &decode(name)))
}

/// Whether an id passed 2⁵³, up to which writers that go through floating point are exact.
#[inline]
pub(super) fn has_wide_id(address: u64) -> bool {
    address >= FIRST_INEXACT
}

/// A type's name as all formats are to show it: module in front, `builtins` left out, `<class 'x'>` unwrapped.
pub fn qualified(module: &str, name: &str) -> String {
    let unwrapped = name.strip_prefix("<class '").or_else(|| name.strip_prefix("<type '"));
    let name = unwrapped.and_then(|name| name.strip_suffix("'>")).unwrap_or(name);
    let name = name.strip_prefix("builtins.").or_else(|| name.strip_prefix("__builtin__.")).unwrap_or(name);
    match (module, name) {
        (_, "") => "<unknown type>".to_owned(),
        ("" | "builtins" | "__builtin__", name) => name.to_owned(),
        (module, name) => format!("{module}.{name}"),
    }
}

/// A string's bytes; `None` for any other value, which is consumed.
fn string_or_nothing<'a>(scanner: &mut Scanner<'a>) -> Scan<Option<&'a [u8]>> {
    if scanner.peek() == Some(b'"') {
        return scanner.string().map(Some);
    }
    scanner.skip().map(|_| None)
}

/// The kind of root: a word, or `true` for a root of no stated kind.
pub fn root_word<'a>(scanner: &mut Scanner<'a>) -> Scan<Option<&'a [u8]>> {
    if let Some(b'"') = scanner.peek() {
        return scanner.string().map(Some);
    }
    Ok(match scanner.skip()? {
        b"false" | b"null" | b"0" => None,
        _ => Some(b"root"),
    })
}

/// A size in bytes, bare or between quotes; what is no natural number counts as 0.
pub fn size(scanner: &mut Scanner<'_>) -> Scan<u64> {
    match scanner.peek() {
        Some(b'0'..=b'9' | b'-') => scanner.number().map(natural),
        Some(b'"') => Ok(size_of_text(scanner.string()?).unwrap_or(0)),
        _ => scanner.skip().map(|_| 0),
    }
}

/// A size as [`size`] reads it; notes where it is a text that is no number (`12 kB`).
pub fn stated_size(scanner: &mut Scanner<'_>, is_unread: &mut bool) -> Scan<u64> {
    if scanner.peek() != Some(b'"') {
        return size(scanner);
    }
    let text = scanner.string()?;
    let size = size_of_text(text);
    *is_unread |= size.is_none() && !text.is_empty();
    Ok(size.unwrap_or(0))
}

/// The size that a string holds, which is a number.
fn size_of_text(text: &[u8]) -> Option<u64> {
    let mut inside = Scanner::new(text, 0);
    match inside.number() {
        Ok(number) if inside.peek().is_none() => Some(natural(number)),
        _ => std::str::from_utf8(text).ok().and_then(address_of_text),
    }
}

fn natural(number: Number) -> u64 {
    match number {
        Number::Unsigned(size) => size,
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and 0 for negatives")]
        Number::Float(size) => size as u64,
        Number::Negative(_) => 0,
    }
}

fn addresses(scanner: &mut Scanner<'_>, addresses: &mut Vec<u64>) -> Scan<()> {
    if scanner.peek() == Some(b'n') {
        return scanner.skip().map(|_| ());
    }
    scanner.array(|scanner| {
        addresses.push(scanner.address()?);
        Ok(())
    })
}

/// What the record at `place` says of its object.
pub fn describe(bytes: &[u8], place: u64, type_name: &str) -> Description {
    let mut description = Description::default();
    let mut scanner = Scanner::new(bytes, usize::try_from(place).unwrap_or(usize::MAX));
    // a record was read whole before it was given a place: reading it again cannot fail
    let _ = scanner.object(|key, scanner| describe_field(key, scanner, &mut description));
    name_from_value(&mut description, type_name);
    description
}

fn describe_field(key: &[u8], scanner: &mut Scanner<'_>, description: &mut Description) -> Scan<()> {
    match key {
        b"name" => description.name = lenient(scanner, text)?.flatten(),
        b"value" | b"repr" => description.value = lenient(scanner, text)?.flatten(),
        b"len" | b"length" => description.length = lenient(scanner, size)?,
        b"rc" | b"refcount" => description.reference_count = lenient(scanner, size)?,
        b"site" => description.site = lenient(scanner, text)?.flatten(),
        _ => {
            scanner.skip()?;
        }
    }
    Ok(())
}

/// Reads a value in some way, or passes over it where it cannot be read so: loading only passed over it too, and what
/// follows it in the record must be found again.
fn lenient<'a, T>(scanner: &mut Scanner<'a>, read: impl FnOnce(&mut Scanner<'a>) -> Scan<T>) -> Scan<Option<T>> {
    let start = scanner.position();
    match read(scanner) {
        Ok(value) => Ok(Some(value)),
        Err(_) => {
            scanner.seek(start);
            scanner.skip_strings().map(|_| None)
        }
    }
}

/// Types whose value, where a record has no name, is the name.
const NAMED_BY_VALUE: [&str; 7] =
    ["function", "type", "method", "builtin_function_or_method", "code", "classmethod", "staticmethod"];

fn name_from_value(description: &mut Description, type_name: &str) {
    if description.name.is_some() {
        return;
    }
    if type_name == "module" {
        let value = description.value.take();
        description.name = value.map(|value| value.strip_prefix("module ").unwrap_or(&value).to_owned());
    } else if NAMED_BY_VALUE.contains(&type_name) {
        description.name = description.value.take();
    }
}

/// Any value as bounded text; `null` is no text.
pub fn text(scanner: &mut Scanner<'_>) -> Scan<Option<String>> {
    let text = match scanner.peek() {
        Some(b'"') => scanner.text()?,
        _ => match scanner.skip()? {
            b"null" => return Ok(None),
            other => String::from_utf8_lossy(other),
        },
    };
    Ok(Some(bounded(text)))
}

fn bounded(text: Cow<'_, str>) -> String {
    match text.char_indices().nth(MAX_VALUE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into_owned(),
    }
}

/// The references of a record, with the names that it gives them or that follow from their order.
#[derive(Debug, Default)]
struct References<'a> {
    strong: Vec<u64>,
    names: Vec<Option<&'a [u8]>>,
    kinds: &'a [u8],
    weak: Vec<u64>,
    weak_names: Vec<Option<&'a [u8]>>,
    length: Option<u64>,
}

/// Calls `visit` for each reference of the record at `place`, strong ones first.
pub fn references(bytes: &[u8], place: u64, holder: &str, order: Order, visit: &mut dyn FnMut(ReferenceSlot)) {
    let mut found = References::default();
    let mut scanner = Scanner::new(bytes, usize::try_from(place).unwrap_or(usize::MAX));
    // a record was read whole before it was given a place: reading it again cannot fail
    let _ = scanner.object(|key, scanner| reference_field(key, scanner, &mut found));
    let has_names = found.names.len() == found.strong.len();
    for (position, &target) in found.strong.iter().enumerate() {
        let (name, key) = match found.names.get(position).filter(|_| has_names) {
            Some(Some(raw)) => (named(raw, found.kinds.get(position), holder), None),
            Some(None) => (ReferenceName::unknown(), None),
            None => rebuilt(&found, position, holder, order),
        };
        visit(ReferenceSlot { target, name, key, is_weak: false });
    }
    for (position, &target) in found.weak.iter().enumerate() {
        let name = found.weak_names.get(position).copied().flatten();
        let name = name.map_or_else(ReferenceName::unknown, |raw| named(raw, None, holder));
        visit(ReferenceSlot { target, name, key: None, is_weak: true });
    }
}

fn reference_field<'a>(key: &[u8], scanner: &mut Scanner<'a>, found: &mut References<'a>) -> Scan<()> {
    match key {
        b"refs" | b"referents" | b"references" | b"children" => addresses(scanner, &mut found.strong),
        b"edges" => {
            found.names = lenient(scanner, strings)?.unwrap_or_default();
            Ok(())
        }
        b"kinds" => {
            found.kinds = lenient(scanner, string_or_nothing)?.flatten().unwrap_or(b"");
            Ok(())
        }
        b"weak" => addresses(scanner, &mut found.weak),
        b"weak_edges" => {
            found.weak_names = lenient(scanner, strings)?.unwrap_or_default();
            Ok(())
        }
        b"len" | b"length" => {
            found.length = lenient(scanner, size)?;
            Ok(())
        }
        _ => scanner.skip().map(|_| ()),
    }
}

fn strings<'a>(scanner: &mut Scanner<'a>) -> Scan<Vec<Option<&'a [u8]>>> {
    let mut strings = Vec::new();
    if scanner.peek() != Some(b'[') {
        return scanner.skip().map(|_| strings);
    }
    scanner.array(|scanner| {
        strings.push(string_or_nothing(scanner)?);
        Ok(())
    })?;
    Ok(strings)
}

fn named(raw: &[u8], letter: Option<&u8>, holder: &str) -> ReferenceName {
    let text = decode(raw);
    match letter.and_then(|&letter| ReferenceName::kind_for_letter(letter)) {
        Some(kind) => ReferenceName::new(kind, text),
        None => ReferenceName::parse(&text, holder),
    }
}

/// The name that follows from the position of a reference in a record without names, and the address of its key.
/// Nothing is invented: what the order does not say stays unknown, or a position without its number.
fn rebuilt(found: &References<'_>, position: usize, holder: &str, order: Order) -> (ReferenceName, Option<u64>) {
    let count = found.strong.len();
    let plain = |kind, text: &str| (ReferenceName::new(kind, text), None);
    match holder {
        "module" if count == 1 => plain(ReferenceKind::Namespace, "__dict__"),
        "cell" if count == 1 => plain(ReferenceKind::Cell, "cell_contents"),
        "set" | "frozenset" => plain(ReferenceKind::Member, "{}"),
        "method" | "instancemethod" if count == 2 && order != Order::Unknown => {
            plain(ReferenceKind::Attribute, ["__func__", "__self__"][position])
        }
        "list" | "tuple" => (rebuilt_index(found, position, order), None),
        "dict" => rebuilt_entry(found, position, order),
        _ => (ReferenceName::unknown(), None),
    }
}

fn rebuilt_index(found: &References<'_>, position: usize, order: Order) -> ReferenceName {
    let count = found.strong.len();
    let is_whole = found.length.is_none_or(|length| length == count as u64);
    let text = match order {
        Order::Traversal | Order::KeysFirst if is_whole => format!("[{}]", count - 1 - position),
        Order::Natural if is_whole => format!("[{position}]"),
        _ => String::new(),
    };
    ReferenceName::new(ReferenceKind::Index, text)
}

fn rebuilt_entry(found: &References<'_>, position: usize, order: Order) -> (ReferenceName, Option<u64>) {
    let count = found.strong.len();
    let pairs =
        count.is_multiple_of(2) && found.length.is_none_or(|length| length.checked_mul(2) == Some(count as u64));
    let value_first = match order {
        Order::Natural if pairs => false,
        Order::KeysFirst if pairs && found.length.is_some() => false,
        Order::Traversal if pairs && found.length.is_some() => true,
        _ if found.length == Some(count as u64) => return (ReferenceName::new(ReferenceKind::Value, ""), None),
        _ => return (ReferenceName::unknown(), None),
    };
    let is_value = position.is_multiple_of(2) == value_first;
    let key = if value_first { position + 1 } else { position.wrapping_sub(1) };
    if is_value {
        (ReferenceName::new(ReferenceKind::Value, ""), found.strong.get(key).copied())
    } else {
        (ReferenceName::new(ReferenceKind::Key, ""), found.strong.get(position).copied())
    }
}

//! What a node or an edge says of itself, `metadata` included.

use rustc_hash::FxHashMap;

use super::super::record;
use super::super::scan::{Scan, Scanner, address_of_number, address_of_text, decode};
use super::Flavour;
use super::pattern::{Lesson, Pattern, Step, Value, Written, lesson};

/// The id of a node: a number, or the place of its text among the ids that are none. Both are as wide, so that none is kept
/// in a register and not copied by way of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Id {
    Number(u64),
    Text(u64),
}

/// Ids that are no numbers, numbered in order of first appearance.
#[derive(Debug, Default)]
pub(super) struct Texts {
    numbers: FxHashMap<Box<str>, u32>,
    next: u32,
}

impl Texts {
    pub(super) fn intern(&mut self, text: &str) -> u32 {
        if let Some(&number) = self.numbers.get(text) {
            return number;
        }
        let number = self.next;
        self.numbers.insert(text.into(), number);
        self.next += 1;
        number
    }

    pub(super) fn find(&self, text: &str) -> Option<u32> {
        self.numbers.get(text).copied()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// All texts in the order of their numbers.
    pub(super) fn in_order(&self) -> Vec<&str> {
        let mut texts = vec![""; self.numbers.len()];
        for (text, &number) in &self.numbers {
            texts[number as usize] = text;
        }
        texts
    }
}

/// Fields of a node or edge. Texts stand as in the document, their quotes included; `null` is none.
#[derive(Debug, Default)]
pub(super) struct Fields<'a> {
    pub(super) id: Option<Id>,
    pub(super) source: Option<Id>,
    pub(super) target: Option<Id>,
    pub(super) type_name: Option<&'a [u8]>,
    pub(super) label: Option<&'a [u8]>,
    pub(super) relation: Option<&'a [u8]>,
    pub(super) module: Option<&'a [u8]>,
    pub(super) name: Option<&'a [u8]>,
    pub(super) size: u64,
    /// The inside of a string, or the word that stands for one.
    pub(super) root: Option<&'a [u8]>,
    pub(super) is_weak: bool,
    pub(super) is_undirected: bool,
    /// Whether its id is said to be none.
    pub(super) has_null_id: bool,
    /// Whether its size is a text that is no number.
    pub(super) has_unread_size: bool,
}

impl<'a> Fields<'a> {
    /// What a node is called, its module included, as it is written: the module's name, and its own.
    pub(super) fn written_type(&self) -> (&'a [u8], &'a [u8]) {
        (self.module.unwrap_or(b""), self.type_name.or(self.label).unwrap_or(b""))
    }

    /// What an edge is called, as it is written.
    pub(super) fn written_label(&self) -> Option<&'a [u8]> {
        self.relation.or(self.name).or(self.label).filter(|label| *label != b"\"\"")
    }
}

/// The text of a value that was kept as it is written.
pub(super) fn text_of(written: &[u8]) -> String {
    if written.is_empty() {
        return String::new();
    }
    // it was read before
    record::text(&mut Scanner::new(written, 0)).ok().flatten().unwrap_or_default()
}

/// Reads the fields of nodes and edges.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) flavour: Flavour,
    pub(super) texts: Texts,
    /// Why the document cannot be used at all, and where that is said.
    pub(super) refusal: Option<(usize, &'static str)>,
}

/// The fields that count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    Id,
    Source,
    Target,
    /// `from`, where there is no `source`.
    From,
    /// `to`, where there is no `target`.
    To,
    Type,
    Label,
    Relation,
    Module,
    Name,
    Size,
    Root,
    Weak,
    Directed,
}

impl Slot {
    fn of_key(key: &[u8]) -> Option<Self> {
        Some(match key {
            b"id" => Self::Id,
            b"source" => Self::Source,
            b"target" => Self::Target,
            b"from" => Self::From,
            b"to" => Self::To,
            b"type" | b"class" => Self::Type,
            b"label" => Self::Label,
            b"relation" => Self::Relation,
            b"module" => Self::Module,
            b"name" => Self::Name,
            b"size" => Self::Size,
            b"root" => Self::Root,
            b"weak" => Self::Weak,
            b"directed" => Self::Directed,
            _ => return None,
        })
    }

    fn wants_number(self) -> bool {
        matches!(self, Self::Size) || self.is_id()
    }

    fn is_id(self) -> bool {
        matches!(self, Self::Id | Self::Source | Self::Target | Self::From | Self::To)
    }
}

impl Reader {
    pub(super) fn new(flavour: Flavour) -> Self {
        Self { flavour, texts: Texts::default(), refusal: None }
    }

    pub(super) fn refuse(&mut self, offset: usize, reason: &'static str) {
        self.refusal.get_or_insert((offset, reason));
    }

    /// Reads the node or edge under the cursor.
    pub(super) fn fields<'a>(&mut self, scanner: &mut Scanner<'a>) -> Scan<Fields<'a>> {
        let mut fields = Fields::default();
        scanner.object(|key, scanner| match (key, scanner.peek()) {
            (b"metadata", Some(b'{')) => scanner.object(|key, scanner| self.field(key, scanner, &mut fields)),
            _ => self.field(key, scanner, &mut fields),
        })?;
        Ok(fields)
    }

    fn field<'a>(&mut self, key: &[u8], scanner: &mut Scanner<'a>, fields: &mut Fields<'a>) -> Scan<()> {
        let place = scanner.position();
        let Some(slot) = Slot::of_key(key) else {
            return scanner.skip().map(|_| ());
        };
        match slot {
            Slot::Source | Slot::Target | Slot::From | Slot::To
                if scanner.peek() == Some(b'[') && self.flavour == Flavour::JsonGraphFormat =>
            {
                self.refuse(place, "an edge has several ends; a reference has one holder and one target");
                scanner.skip()?;
            }
            _ if slot.is_id() && scanner.peek() == Some(b'n') => {
                scanner.skip()?;
                fields.has_null_id |= slot == Slot::Id;
            }
            Slot::Id | Slot::Source | Slot::Target | Slot::From | Slot::To => {
                Self::take_id(slot, self.id(scanner)?, fields);
            }
            Slot::Type => fields.type_name = written(scanner)?,
            Slot::Label => fields.label = written(scanner)?,
            Slot::Relation => fields.relation = written(scanner)?,
            Slot::Module => fields.module = written(scanner)?,
            Slot::Name => fields.name = written(scanner)?,
            Slot::Size => fields.size = record::stated_size(scanner, &mut fields.has_unread_size)?,
            Slot::Root => fields.root = record::root_word(scanner)?,
            Slot::Weak => fields.is_weak = !matches!(scanner.skip()?, b"false" | b"null" | b"0"),
            Slot::Directed => fields.is_undirected = scanner.skip()? == b"false",
        }
        Ok(())
    }

    /// An id: a number, a string, the `id` of an object (d3 puts nodes in the place of their ids), or any other value by its
    /// text (NetworkX writes tuples as arrays).
    pub(super) fn id(&mut self, scanner: &mut Scanner<'_>) -> Scan<Id> {
        if scanner.peek() != Some(b'{') {
            return self.plain_id(scanner);
        }
        let start = scanner.position();
        let (mut id, mut index) = (None, None);
        scanner.object(|key, scanner| {
            scanner.peek();
            match key {
                b"id" => id = Some(scanner.position()),
                b"index" => index = Some(scanner.position()),
                _ => {}
            }
            scanner.skip().map(|_| ())
        })?;
        let end = scanner.position();
        // nodes without an id are known by their position, which d3 calls their index
        let inner = id.or(index).unwrap_or(start);
        scanner.seek(inner);
        let id = self.plain_id(scanner);
        scanner.seek(end);
        id
    }

    fn plain_id(&mut self, scanner: &mut Scanner<'_>) -> Scan<Id> {
        match scanner.peek() {
            Some(b'"') => {
                let text = scanner.text()?;
                Ok(self.id_of_text(&text))
            }
            Some(b'0'..=b'9') => {
                let start = scanner.position();
                let number = scanner.number()?;
                // a fraction, or more than 64 bits
                let text = || scanner.since(start);
                Ok(address_of_number(number).map_or_else(|| self.id_of_text(&text()), Id::Number))
            }
            _ => {
                let text = String::from_utf8_lossy(scanner.skip()?).into_owned();
                Ok(self.id_of_text(&text))
            }
        }
    }

    pub(super) fn id_of_text(&mut self, text: &str) -> Id {
        address_of_text(text).map_or_else(|| Id::Text(self.texts.intern(text).into()), Id::Number)
    }

    /// Reads the element at `position` into `fields`, which are empty, if it is written as one before it, and returns where it
    /// ends. Ids that it has are entered, and fields filled, even if it is not.
    #[inline]
    pub(super) fn familiar<'a>(
        &mut self,
        pattern: &mut Pattern<Slot>,
        bytes: &'a [u8],
        position: usize,
        fields: &mut Fields<'a>,
    ) -> Option<usize> {
        pattern.read(bytes, position, |slot, value| match (slot, value) {
            (Slot::Size, Value::Number(size)) => fields.size = size,
            (_, Value::Number(number)) => Self::take_id(slot, Id::Number(number), fields),
            (_, Value::Text(_) | Value::Word) => self.take(slot, value, fields),
        })
    }

    fn take<'a>(&mut self, slot: Slot, value: Value<'a>, fields: &mut Fields<'a>) {
        match (slot, value) {
            (_, Value::Text(text)) if slot.is_id() => {
                let id = self.id_of_text(&decode(inside(text)));
                Self::take_id(slot, id, fields);
            }
            (Slot::Type, Value::Text(text)) => fields.type_name = Some(text),
            (Slot::Label, Value::Text(text)) => fields.label = Some(text),
            (Slot::Relation, Value::Text(text)) => fields.relation = Some(text),
            (Slot::Module, Value::Text(text)) => fields.module = Some(text),
            (Slot::Name, Value::Text(text)) => fields.name = Some(text),
            (Slot::Root, Value::Text(text)) => fields.root = Some(inside(text)),
            (Slot::Weak, Value::Word) => fields.is_weak = true,
            // nothing else is learned
            (_, _) => {}
        }
    }

    #[inline]
    fn take_id(slot: Slot, id: Id, fields: &mut Fields<'_>) {
        match slot {
            Slot::Id => fields.id = Some(id),
            Slot::Source => fields.source = Some(id),
            Slot::From => fields.source = fields.source.or(Some(id)),
            Slot::To => fields.target = fields.target.or(Some(id)),
            _ => fields.target = Some(id),
        }
    }
}

fn inside(text: &[u8]) -> &[u8] {
    text.get(1..text.len().saturating_sub(1)).unwrap_or(b"")
}

/// A text as it is written; `null` is none.
fn written<'a>(scanner: &mut Scanner<'a>) -> Scan<Option<&'a [u8]>> {
    Ok(Some(scanner.skip()?).filter(|text| *text != b"null"))
}

/// Finds the values of the element under the cursor, which has a name in front where `is_named`. Returns whether all of
/// them can be learned: no field comes twice, and what is no plain string or number says nothing.
pub(super) fn steps(scanner: &mut Scanner<'_>, is_named: bool, steps: &mut Vec<Step<Slot>>) -> Scan<bool> {
    let mut seen = Vec::new();
    let mut is_plain = true;
    if is_named {
        match lesson(scanner, Some(Slot::Id), true)? {
            Lesson::Value(step) => steps.push(step),
            _ => is_plain = false,
        }
        scanner.expect(b':', "`:`")?;
    }
    scanner.object(|key, scanner| match (key, scanner.peek()) {
        (b"metadata", Some(b'{')) => scanner.object(|key, scanner| {
            is_plain &= learn_field(key, scanner, &mut seen, steps)?;
            Ok(())
        }),
        _ => {
            is_plain &= learn_field(key, scanner, &mut seen, steps)?;
            Ok(())
        }
    })?;
    // an id beside the name is overruled by it
    Ok(is_plain && !(is_named && seen.contains(&Slot::Id)))
}

fn learn_field(key: &[u8], scanner: &mut Scanner<'_>, seen: &mut Vec<Slot>, steps: &mut Vec<Step<Slot>>) -> Scan<bool> {
    let slot = Slot::of_key(key);
    let is_repeated = slot.is_some_and(|slot| seen.contains(&slot));
    seen.extend(slot);
    let wants_number = slot.is_some_and(Slot::wants_number);
    let step = match (slot, lesson(scanner, slot, wants_number)?) {
        (_, _) if is_repeated => return Ok(false),
        (Some(Slot::Size), Lesson::Value(step)) if step.written == Written::Digits => Some(step),
        (Some(Slot::Weak), Lesson::Text(b"true")) => {
            let end = scanner.position();
            Some(Step { start: end, end, written: Written::Word, slot })
        }
        (Some(Slot::Weak), Lesson::Text(b"false" | b"null")) | (Some(Slot::Directed), Lesson::Text(b"true")) => None,
        (Some(Slot::Size | Slot::Weak | Slot::Directed), _) => return Ok(false),
        (_, Lesson::Value(step)) => Some(step),
        (None, Lesson::Text(_)) => None,
        (Some(Slot::Root), Lesson::Text(b"false" | b"null")) => None,
        (Some(Slot::Type | Slot::Label | Slot::Relation | Slot::Module | Slot::Name), Lesson::Text(b"null")) => None,
        (_, _) => return Ok(false),
    };
    steps.extend(step);
    Ok(true)
}

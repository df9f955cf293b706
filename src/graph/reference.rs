//! What a reference is called: the name under which one object holds another.
//!
//! In a dump a name is a short piece of text that reads as the end of a Python expression: `.cache`, `['key']`, `[3]`,
//! `cell_contents`, `key ['x']`, `{}`. [`ReferenceName::parse`] finds its kind; what the text alone does not say (is
//! `[3]` an index or a key?) follows from the type of the holder.

use std::fmt;

/// How an object holds another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReferenceKind {
    /// An attribute, a slot, a member of a built-in type: `.cache`, `__closure__`.
    Attribute,
    /// The dictionary of the attributes: `__dict__`.
    Namespace,
    /// The value under a key: `['key']`.
    Value,
    /// A key of a mapping.
    Key,
    /// An item of a sequence: `[3]`.
    Index,
    /// A member of a set.
    Member,
    /// The content of a closure's cell.
    Cell,
    /// A local variable of a frame, generator or coroutine.
    Local,
    /// The dump does not say.
    Unknown,
}

/// The name of a reference.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ReferenceName {
    /// How the object holds the other.
    pub kind: ReferenceKind,
    /// As in the dump: `.cache`, `['key']`, `[3]`, `f_locals['x']`; empty where unknown.
    pub text: String,
}

/// Built-in types whose items have a position.
const SEQUENCES: [&str; 3] = ["list", "tuple", "collections.deque"];

impl ReferenceName {
    /// A reference of which nothing is known.
    pub fn unknown() -> Self {
        Self { kind: ReferenceKind::Unknown, text: String::new() }
    }

    /// A name of a known kind.
    pub fn new(kind: ReferenceKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }

    /// Reads the name that a dump gives to a reference of an object of type `holder`.
    pub fn parse(text: &str, holder: &str) -> Self {
        Self::new(kind_of(text, holder), text)
    }

    /// The kind that goes with a letter of the dump format's `kinds`.
    pub fn kind_for_letter(letter: u8) -> Option<ReferenceKind> {
        Some(match letter {
            b'a' => ReferenceKind::Attribute,
            b'd' => ReferenceKind::Namespace,
            b'v' => ReferenceKind::Value,
            b'k' => ReferenceKind::Key,
            b'i' => ReferenceKind::Index,
            b'm' => ReferenceKind::Member,
            b'c' => ReferenceKind::Cell,
            b'l' => ReferenceKind::Local,
            _ => return None,
        })
    }

    /// Whether the concrete text says nothing about the shape of the heap, so that `[3]` and `[4]` count as the same.
    /// `in_namespace` says that the holder is the dictionary of an object's attributes, whose keys are names.
    pub fn is_wild(&self, in_namespace: bool) -> bool {
        match self.kind {
            ReferenceKind::Index | ReferenceKind::Member | ReferenceKind::Key => true,
            ReferenceKind::Value => !in_namespace,
            _ => false,
        }
    }

    /// The name with what differs between equal shapes replaced by `…`: `[…]`.
    pub fn wildcard(&self) -> &'static str {
        match self.kind {
            ReferenceKind::Member => "{…}",
            ReferenceKind::Key => ".keys()[…]",
            _ => "[…]",
        }
    }

    /// The attribute that this names when it stands for one: `cache` for `.cache`, for `cache`, and for `['cache']` in
    /// the dictionary of an object's attributes.
    pub fn attribute(&self, in_namespace: bool) -> Option<&str> {
        match self.kind {
            ReferenceKind::Attribute | ReferenceKind::Namespace | ReferenceKind::Cell => {
                Some(self.text.strip_prefix('.').unwrap_or(&self.text))
            }
            ReferenceKind::Value if in_namespace => quoted(&self.text),
            _ => None,
        }
    }

    /// The name as the end of a Python expression: `.cache`, `[3]`, `.f_locals['x']`, `.keys()['x']`.
    pub fn expression(&self, in_namespace: bool) -> String {
        match self.kind {
            ReferenceKind::Unknown => ".<unnamed>".to_owned(),
            ReferenceKind::Member => "{…}".to_owned(),
            _ if self.text.is_empty() => self.wildcard().to_owned(),
            ReferenceKind::Key => format!(".keys(){}", self.text.strip_prefix("key ").unwrap_or(&self.text)),
            ReferenceKind::Value if in_namespace => match quoted(&self.text) {
                Some(name) if is_identifier(name) => format!(".{name}"),
                _ => self.text.clone(),
            },
            _ if self.text.starts_with(['.', '[', '{']) => self.text.clone(),
            _ => format!(".{}", self.text),
        }
    }
}

impl fmt::Display for ReferenceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn kind_of(text: &str, holder: &str) -> ReferenceKind {
    match text {
        "" => ReferenceKind::Unknown,
        "__dict__" | ".__dict__" => ReferenceKind::Namespace,
        "cell_contents" | ".cell_contents" => ReferenceKind::Cell,
        "{}" => ReferenceKind::Member,
        _ if text.starts_with("key ") => ReferenceKind::Key,
        _ if text.starts_with('[') => {
            let digits = text.trim_start_matches('[').trim_end_matches(']');
            let is_position = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            if SEQUENCES.contains(&holder) || (is_position && holder != "dict" && !holder.ends_with("Dict")) {
                ReferenceKind::Index
            } else {
                ReferenceKind::Value
            }
        }
        _ if text.contains("f_locals[") || text.starts_with("local ") => ReferenceKind::Local,
        _ => ReferenceKind::Attribute,
    }
}

/// The text inside `['…']` or `["…"]`.
fn quoted(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('[')?.strip_suffix(']')?;
    let quote = inner.chars().next().filter(|quote| matches!(quote, '\'' | '"'))?;
    inner.strip_prefix(quote)?.strip_suffix(quote)
}

/// Whether Python would take `name` after a dot.
pub fn is_identifier(name: &str) -> bool {
    let mut letters = name.chars();
    letters.next().is_some_and(|first| first == '_' || first.is_alphabetic())
        && letters.all(|letter| letter == '_' || letter.is_alphanumeric())
}

//! What is a name in the code, and what is data? One rule for every text of a dump.
//!
//! A name in the code is what Python's grammar takes for one: identifiers with dots between them, as modules, classes,
//! functions, attributes and variables have. Between `<` and `>` stand names that the interpreter gives (`<lambda>`), in
//! brackets an index, a type, or, in a namespace, the name of a variable. All else is data, wherever it stands; and so is
//! every name in an object that is made to hold data under names ([`DATA_HOLDERS`]), and what people call threads and tasks.

use std::ops::Range;

use memchr::{memchr, memmem};

use crate::graph::reference::is_identifier;

/// Types whose objects hold data under names of attributes; their subclasses do too.
pub(super) const DATA_HOLDERS: [&[u8]; 9] = [
    b"types.SimpleNamespace",
    b"_thread._local",
    b"threading.local",
    b"_threading_local.local",
    b"argparse.Namespace",
    b"optparse.Values",
    b"multiprocessing.managers.Namespace",
    b"email.message.Message",
    b"http.cookies.Morsel",
];

/// Types whose objects are called by people, not by code.
pub(super) const CALLED_BY_PEOPLE: [&[u8]; 4] =
    [b"_asyncio.Task", b"asyncio.tasks.Task", b"threading.Thread", b"threading._MainThread"];

/// The one name of a thread that the interpreter gives.
pub(super) const MAIN_THREAD: &str = "MainThread";

/// Members of those that are the interpreter's own, and a type whose name is no name.
const OWN_MEMBERS: [&str; 1] = ["dummies"];
const OWN_TYPES: [&str; 1] = ["symtable entry"];

/// Where a name of a reference stands.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place {
    /// It belongs to an item of a sequence.
    pub(super) is_index: bool,
    /// Its holder is a dictionary whose keys are names of variables or attributes.
    pub(super) is_namespace: bool,
    /// Its holder is one of [`DATA_HOLDERS`].
    pub(super) is_data: bool,
}

/// The part of the name of a reference that is data; `None` where there is none.
pub(super) fn data_in(name: &str, place: Place) -> Option<Range<usize>> {
    let start = usize::from(name.starts_with('.'));
    let Some(open) = memchr(b'[', name.as_bytes()).map(|open| open + 1) else {
        let rest = &name[start..];
        let is_own = place.is_data && !is_dunder(rest) && !OWN_MEMBERS.contains(&name);
        let stays = matches!(name, "" | "{}") || is_placeholder(rest) || is_given(rest) || (!is_own && is_path(rest));
        return (!stays).then_some(start..name.len());
    };
    let close = name.rfind(']').filter(|&close| close >= open).unwrap_or(name.len());
    let (before, inside, behind) = (&name[..open - 1], &name[open..close], name.get(close + 1..).unwrap_or(""));
    let around_is_code = is_before(before) && (behind.is_empty() || behind.strip_prefix('.').is_some_and(is_path));
    if !around_is_code {
        return Some(start..name.len());
    }
    let is_member = !before.is_empty() && before != "key ";
    let is_local = before.ends_with("f_locals");
    let is_index = is_index(inside) && (place.is_index || is_member);
    let is_variable = (is_local || place.is_namespace) && quoted(inside).is_some_and(is_variable);
    let stays = inside.is_empty() || is_index || is_variable || is_type(inside) || is_placeholder(inside);
    (!stays).then_some(open..close)
}

/// `<stack>`: a name that the interpreter or the capture gives.
fn is_given(text: &str) -> bool {
    text.strip_prefix('<').and_then(|text| text.strip_suffix('>')).is_some_and(is_identifier)
}

/// What may stand before a bracket: nothing, a path to a member, or what says that a key itself is meant.
fn is_before(text: &str) -> bool {
    matches!(text, "" | "key ") || is_path(text.strip_prefix('.').unwrap_or(text))
}

/// Identifiers with dots between.
fn is_path(text: &str) -> bool {
    text.split('.').all(is_identifier)
}

fn is_dunder(text: &str) -> bool {
    text.len() > 4 && text.starts_with("__") && text.ends_with("__") && is_identifier(text)
}

/// The name of a variable: an identifier, or `.0` as comprehensions have.
fn is_variable(text: &str) -> bool {
    is_identifier(text) || text.strip_prefix('.').is_some_and(|rest| !rest.is_empty() && is_digits(rest))
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `3`, and `0][1` as between the outer brackets of `[0][1]`; `…` for any.
fn is_index(inside: &str) -> bool {
    inside.split("][").all(|part| part == "…" || (!part.is_empty() && is_digits(part)))
}

/// `<module.Type>`.
fn is_type(inside: &str) -> bool {
    inside.strip_prefix('<').and_then(|inside| inside.strip_suffix('>')).is_some_and(is_code)
}

/// `<str 17>`: what stands for data already.
pub(super) fn is_placeholder(text: &str) -> bool {
    let inside = text.strip_prefix('<').and_then(|inside| inside.strip_suffix('>'));
    let parts = inside.and_then(|inside| inside.split_once(' '));
    parts.is_some_and(|(kind, number)| is_identifier(kind) && !number.is_empty() && is_digits(number))
}

/// The text between quotes of a key; none where it has quotes or escapes in it, as no name has.
fn quoted(inside: &str) -> Option<&str> {
    let quote = inside.chars().next().filter(|quote| matches!(quote, '\'' | '"'))?;
    inside.strip_prefix(quote)?.strip_suffix(quote)
}

/// Whether a text is a name in the code, of a module, class or function: `open_session.<locals>.close`, `Box[int]`,
/// `method-wrapper`; perhaps with its place behind: `serve (web.py:42)`.
pub(super) fn is_code(text: &str) -> bool {
    let name = match text.split_once(" (") {
        Some((name, place)) if place.strip_suffix(')').is_some_and(is_place) => name,
        _ => text,
    };
    let is_letter = |letter: char| {
        letter.is_alphanumeric() || matches!(letter, '_' | '.' | '<' | '>' | '[' | ']' | '-' | '|' | '*')
    };
    let is_separator = |(at, letter): (usize, char)| {
        letter == ','
            || (letter == ' ' && name[..at].ends_with([',', '|']))
            || (letter == ' ' && name[at..].starts_with(" | "))
    };
    let is_written_so = name.char_indices().all(|(at, letter)| is_letter(letter) || is_separator((at, letter)));
    let begins_so = name.starts_with(|letter: char| letter == '_' || letter == '<' || letter.is_alphabetic());
    is_placeholder(name) || OWN_TYPES.contains(&name) || (is_written_so && begins_so)
}

/// Whether a text says where something is in the code: `web.py:42`, or a file of Python.
pub(super) fn is_place(text: &str) -> bool {
    let (file, line) = text.rsplit_once(':').unwrap_or((text, ""));
    let has_line = !line.is_empty() && is_digits(line) && !file.is_empty();
    let is_file = [".py", ".pyc", ".pyx", ".so", ".pyd"].iter().any(|end| text.ends_with(end));
    (has_line || is_file) && memmem::find(text.as_bytes(), b"://").is_none()
}

/// Whether the value of an object of code says what it is or where: of a module also `module shop`, as Midden has it.
pub(super) fn is_of_code(text: &str) -> bool {
    is_place(text) || is_code(text.strip_prefix("module ").unwrap_or(text))
}

//! Where reading goes on after an element of a list that cannot be read, so that one broken element costs one element.
//!
//! Three ways, in this order. Where its brackets match, the element is what they enclose: a number that is none, a key that is
//! missing. Where they do not, and the error is at the bracket that closes the list, the list ends there. Else the next element is supposed to stand where something begins as the first element of the list
//! does, after a comma; or where a line begins with an object. Which one is taken depends on the text alone, never on how a
//! list was cut into pieces.
//!
//! Cost: each byte is looked at at most twice, but for [`AHEAD`] bytes for each broken element.

use memchr::memchr;

use super::scan::{Malformed, Scanner};
use super::split::Beginning;

/// Bytes after the place of an error in which the brackets of its element may close, beside as many as [`TIMES`] those of
/// the element before the error: those were read with profit, so that no text makes this search long.
const AHEAD: usize = 1 << 12;
const TIMES: usize = 8;

/// Moves the cursor from anywhere to where reading goes on after the element that starts at `place`, and of which
/// `malformed` says what is wrong: to the comma or bracket behind it, or to the beginning of another. Returns whether there
/// is such a place.
pub(super) fn go_on(
    bytes: &[u8],
    scanner: &mut Scanner<'_>,
    place: usize,
    malformed: &Malformed,
    beginning: Option<&Beginning<'_>>,
) -> bool {
    let is_named = beginning.is_some_and(Beginning::is_named);
    let after = matched_end(bytes, place, malformed.offset, is_named)
        .or_else(|| closes_list(bytes, malformed.offset).then_some(malformed.offset))
        .or_else(|| next(bytes, malformed.offset.max(place + 1), beginning));
    if let Some(after) = after {
        scanner.seek(after);
    }
    after.is_some()
}

/// Where the element at `place` ends if its brackets match, and a list may go on there.
fn matched_end(bytes: &[u8], place: usize, error: usize, is_named: bool) -> Option<usize> {
    let before = error.saturating_sub(place);
    let end = error.saturating_add(before.saturating_mul(TIMES)).saturating_add(AHEAD).min(bytes.len());
    let mut scanner = Scanner::new(bytes.get(..end)?, place);
    if is_named {
        scanner.string().ok()?;
        scanner.expect(b':', "`:`").ok()?;
    }
    let end = match scanner.peek()? {
        b'{' | b'[' | b'"' => scanner.skip().map(|_| scanner.position()).ok()?,
        // a word that is none of JSON's
        _ => scanner.position() + bytes[scanner.position()..end].iter().position(|byte| b",]}\n".contains(byte))?,
    };
    // what follows may lie beyond what was searched
    let follows = Scanner::new(bytes, end).peek();
    let is_end = end > place && matches!(follows, None | Some(b',' | b']' | b'}' | b'{'));
    is_end.then_some(end)
}

/// Keys that may follow a list in a document; no element has them.
const AFTER_LISTS: [&[u8]; 8] =
    [b"nodes", b"links", b"edges", b"graph", b"directed", b"multigraph", b"hyperedges", b"roots"];

/// Whether a list ends at `at`: its bracket stands there, and behind it the document ends or goes on with another part.
fn closes_list(bytes: &[u8], at: usize) -> bool {
    let mut scanner = Scanner::new(bytes, at);
    if !scanner.take(b']') {
        return false;
    }
    if scanner.take(b',') {
        return scanner.string().is_ok_and(|key| AFTER_LISTS.contains(&key));
    }
    while scanner.take(b'}') || scanner.take(b']') {}
    scanner.peek().is_none()
}

/// The next place from `from` on where an element seems to begin.
fn next(bytes: &[u8], from: usize, beginning: Option<&Beginning<'_>>) -> Option<usize> {
    let mut from = from;
    while let Some(distance) = memchr(b'{', bytes.get(from..)?) {
        let bracket = from + distance;
        let found = match beginning {
            Some(beginning) => {
                beginning.after_comma(bytes, bracket).or_else(|| first_on_line(bytes, bracket, beginning))
            }
            None => begins_line(bytes, bracket).then_some(bracket),
        };
        if found.is_some() {
            return found;
        }
        from = bracket + 1;
    }
    None
}

/// The bracket, if no more than commas stand before it on its line. Members of an object have their names there.
fn first_on_line(bytes: &[u8], bracket: usize, beginning: &Beginning<'_>) -> Option<usize> {
    (!beginning.is_named() && begins_line(bytes, bracket)).then_some(bracket)
}

fn begins_line(bytes: &[u8], bracket: usize) -> bool {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b',');
    let last = bytes[..bracket].iter().rev().find(|byte| !is_blank(byte));
    last.is_none_or(|&byte| byte == b'\n')
}

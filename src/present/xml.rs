//! Text inside XML: SVG and JUnit.

use std::borrow::Cow;

/// Text as XML, in content and between quotation marks alike. What XML 1.0 forbids is left out: make it
/// [visible](super::label::visible) before where that matters. Line breaks stay.
pub fn escape(text: &str) -> Cow<'_, str> {
    let is_special = |character| matches!(character, '&' | '<' | '>' | '"') || is_forbidden(character);
    if !text.contains(is_special) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            _ if is_forbidden(character) => {}
            _ => escaped.push(character),
        }
    }
    Cow::Owned(escaped)
}

fn is_forbidden(character: char) -> bool {
    matches!(character, '\u{0}'..'\u{20}' | '\u{fffe}' | '\u{ffff}') && character != '\n'
}

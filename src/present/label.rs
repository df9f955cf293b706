//! Makes foreign text fit to be seen in a picture: "what is this object called, on a line that I can read?"
//!
//! Names and values come from somebody's heap. A control character would break the file, an override of the writing
//! direction would show a name that is not there, and a string of 16 KB would push everything else off the picture.

/// Text with nothing invisible left in it: control and direction characters become escapes such as `\x1b`.
///
/// Tabs become four blanks. Line breaks are control characters here; see [`lines`].
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\t' => shown.push_str("    "),
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            _ if character.is_control() => shown.push_str(&format!("\\x{:02x}", u32::from(character))),
            _ if is_unseen(character) => shown.push_str(&format!("\\u{{{:x}}}", u32::from(character))),
            _ => shown.push(character),
        }
    }
    shown
}

/// The lines of a text, each made [`visible`], at most `most` of them; the last says how many were left out.
pub fn lines(text: &str, most: usize) -> Vec<String> {
    let total = text.lines().count();
    let kept = if total > most { most.saturating_sub(1) } else { total };
    let mut shown: Vec<String> = text.lines().take(kept).map(visible).collect();
    if total > kept {
        shown.push(format!("… {} more lines", total - kept));
    }
    shown
}

/// At most `most` characters: the middle gives way to `…`, the end, where names differ, keeps the larger half.
pub fn elide(text: &str, most: usize) -> String {
    let total = text.chars().count();
    if total <= most {
        return text.to_owned();
    }
    let kept = most.saturating_sub(1);
    let head = kept * 2 / 5;
    let start = text.chars().take(head);
    start.chain(['…']).chain(text.chars().skip(total - (kept - head))).collect()
}

/// A count as pictures show it: `×30`, `×1,234`.
pub fn times(count: u64) -> String {
    format!("×{}", crate::counts::grouped(count))
}

/// The start of a text, at most `most` bytes and whole characters; `…` marks a cut.
pub fn head(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(most.saturating_sub('…'.len_utf8()));
    format!("{}…", &text[..end])
}

/// Characters that change what is seen without being seen, and those that XML forbids.
fn is_unseen(character: char) -> bool {
    matches!(
        character,
        '\u{ad}'
            | '\u{61c}'
            | '\u{200b}'
            | '\u{200e}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{fffe}'..='\u{ffff}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

//! Counts and sizes in words.

use std::borrow::Cow;

/// `1 root`, `31 roots`, with thousands separated.
pub fn counted(count: u64, what: &str) -> String {
    let plural = match what {
        _ if count == 1 => what.to_owned(),
        _ if what.ends_with('y') && !what.ends_with("ay") && !what.ends_with("ey") => {
            format!("{}ies", &what[..what.len() - 1])
        }
        _ if what.ends_with('s') => format!("{what}es"),
        _ => format!("{what}s"),
    };
    format!("{} {plural}", grouped(count))
}

/// `… 37 more ways`.
pub fn more_of(count: u64, what: &str) -> String {
    let counted = counted(count, what);
    let noun = counted.split_once(' ').map_or(what, |(_, noun)| noun);
    format!("… {} more {noun}", grouped(count))
}

/// `1,234,567`.
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A part of a whole for people: `12.3 %`, `< 0.1 %`.
pub fn share_text(part: u64, whole: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
    let share = if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 };
    match share {
        0.0 => "0 %".to_owned(),
        _ if share < 0.1 => "< 0.1 %".to_owned(),
        _ => format!("{share:.1} %"),
    }
}

/// A size for people: `72 B`, `405.7 KiB`.
pub fn bytes_text(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    #[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// A change with its sign, `+20`, `-3`, its size written by `text`; `0` for none.
pub fn signed(change: i64, text: impl Fn(u64) -> String) -> String {
    match change {
        0 => "0".to_owned(),
        1.. => format!("+{}", text(change.unsigned_abs())),
        _ => format!("-{}", text(change.unsigned_abs())),
    }
}

/// Bytes of a size as typed: `8GiB`, `500MB`, `4096`. Fractions are cut off, what is too large is `u64::MAX`.
pub fn parse_bytes(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.trim() {
        "" | "B" => 1,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        "K" | "KiB" => 1 << 10,
        "M" | "MiB" => 1 << 20,
        "G" | "GiB" => 1 << 30,
        "T" | "TiB" => 1 << 40,
        _ => return None,
    };
    let number: f64 = number.parse().ok()?;
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a limit need not be exact, and saturates"
    )]
    let bytes = (number * factor as f64) as u64;
    Some(bytes)
}

/// A text of at most `most` bytes: of a longer one the start and the end, where names differ, with `…` between them.
pub fn cut(text: &str, most: usize) -> Cow<'_, str> {
    if text.len() <= most {
        return Cow::Borrowed(text);
    }
    let kept = most.saturating_sub('…'.len_utf8());
    let start = text.floor_char_boundary(kept / 2);
    let end = text.ceil_char_boundary(text.len() - (kept - kept / 2));
    Cow::Owned(format!("{}…{}", &text[..start], &text[end..]))
}

//! The few pieces of JSON that an object line is made of.

use crate::buffer::Text;

const DIGITS: &[u8; 200] = b"0001020304050607080910111213141516171819\
2021222324252627282930313233343536373839\
4041424344454647484950515253545556575859\
6061626364656667686970717273747576777879\
8081828384858687888990919293949596979899";

/// Writes a number in decimal.
#[inline]
pub fn number(out: &mut Text, mut value: u64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    while at >= 2 {
        let pair = (value % 100) as usize * 2;
        value /= 100;
        at -= 2;
        if let (Some(to), Some(from)) = (digits.get_mut(at..at + 2), DIGITS.get(pair..pair + 2)) {
            to.copy_from_slice(from);
        }
        if value == 0 {
            break;
        }
    }
    if digits.get(at) == Some(&b'0') && at < digits.len() - 1 {
        at += 1;
    }
    out.extend(digits.get(at..).unwrap_or_default());
}

/// Writes a number with its sign.
pub fn signed(out: &mut Text, value: i64) {
    if value < 0 {
        out.push(b'-');
    }
    number(out, value.unsigned_abs());
}

/// Whether a byte stands for itself within a JSON string, and ASCII.
pub fn is_plain(byte: u8) -> bool {
    (0x20..0x7f).contains(&byte) && byte != b'"' && byte != b'\\'
}

/// Writes one code point as it stands within a JSON string: UTF-8, with control characters, quotes, backslashes and
/// lone surrogates escaped.
pub fn character(out: &mut Text, code: u32) {
    match code {
        0x22 => out.extend(b"\\\""),
        0x5c => out.extend(b"\\\\"),
        0x09 => out.extend(b"\\t"),
        0x0a => out.extend(b"\\n"),
        0x0d => out.extend(b"\\r"),
        0x20..=0x7f => out.push(code as u8),
        _ => match char::from_u32(code).filter(|_| code >= 0x20) {
            Some(character) => out.extend(character.encode_utf8(&mut [0; 4]).as_bytes()),
            None => escape(out, code),
        },
    }
}

/// Writes ASCII bytes within a JSON string.
pub fn ascii(out: &mut Text, bytes: &[u8]) {
    if bytes.iter().all(|&byte| is_plain(byte)) {
        out.extend(bytes);
        return;
    }
    for &byte in bytes {
        character(out, byte.into());
    }
}

/// Writes what Python's `repr` makes of an ASCII string, within a JSON string.
pub fn python_repr(out: &mut Text, bytes: &[u8]) {
    if bytes.iter().all(|&byte| is_plain(byte) && byte != b'\'') {
        out.push(b'\'');
        out.extend(bytes);
        out.push(b'\'');
        return;
    }
    let quote = if bytes.contains(&b'\'') && !bytes.contains(&b'"') { b'"' } else { b'\'' };
    character(out, quote.into());
    for &byte in bytes {
        match byte {
            b'\n' => out.extend(b"\\\\n"),
            b'\r' => out.extend(b"\\\\r"),
            b'\t' => out.extend(b"\\\\t"),
            b'\\' => out.extend(b"\\\\\\\\"),
            _ if byte == quote => {
                out.extend(b"\\\\");
                character(out, byte.into());
            }
            0x20..0x7f => character(out, byte.into()),
            _ => {
                out.extend(b"\\\\x");
                out.push(hexadecimal_digit(byte >> 4));
                out.push(hexadecimal_digit(byte & 15));
            }
        }
    }
    character(out, quote.into());
}

fn escape(out: &mut Text, unit: u32) {
    out.extend(b"\\u");
    for shift in [12, 8, 4, 0] {
        out.push(hexadecimal_digit((unit >> shift & 15) as u8));
    }
}

/// A digit of a hexadecimal number, from a number below sixteen.
pub fn hexadecimal_digit(digit: u8) -> u8 {
    if digit < 10 { b'0' + digit } else { b'a' + digit - 10 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl Fn(&mut Text)) -> String {
        let mut out = Text::new();
        write(&mut out);
        String::from_utf8_lossy(out.as_slice()).into_owned()
    }

    #[test]
    fn numbers_are_decimal() {
        for value in [0, 7, 9, 10, 99, 100, 101, 4096, 140_345_674_399_552, u64::MAX] {
            assert_eq!(written(|out| number(out, value)), value.to_string());
        }
        for value in [0, -1, 42, i64::MIN, i64::MAX] {
            assert_eq!(written(|out| signed(out, value)), value.to_string());
        }
    }

    #[test]
    fn strings_are_utf8_with_the_fewest_escapes() {
        let all =
            |out: &mut Text| [0x61, 0x22, 0x5c, 0x0a, 0, 0x7f, 0xe9, 0xd800, 0x1f600].map(|c| character(out, c)).len();
        assert_eq!(written(|out| _ = all(out)), "a\\\"\\\\\\n\\u0000\u{7f}é\\ud800😀");
    }

    #[test]
    fn keys_are_quoted_as_python_quotes_them() {
        let cases = [
            ("a", r"'a'"),
            ("it's", r#"\"it's\""#),
            ("say \"it's\"", r#"'say \"it\\'s\"'"#),
            ("a\\b\n\t\u{1}\u{7f}", r"'a\\\\b\\n\\t\\x01\\x7f'"),
        ];
        for (key, expected) in cases {
            assert_eq!(written(|out| python_repr(out, key.as_bytes())), expected);
        }
    }
}

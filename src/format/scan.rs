//! Reading JSON without building it: the vocabulary of all JSON readers.
//!
//! No method panics on any input, none recurses, and each error carries the byte offset where the text stopped making
//! sense. More is accepted than JSON allows, because dumps contain it: lone surrogates, `NaN`, integers of any length.

use std::borrow::Cow;

use memchr::memchr3;

use super::block;

/// Where and why the text is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// Offset of the byte that does not fit, from the start of the dump.
    pub offset: usize,
    /// What was expected there.
    pub expected: &'static str,
}

/// Digits of a number that fit in 64 bits whatever they are.
const SAFE_DIGITS: usize = 19;

/// The result of a step through the text.
pub type Scan<T> = Result<T, Malformed>;

/// A number of a record.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// A whole number that fits.
    Unsigned(u64),
    /// A negative whole number that fits.
    Negative(i64),
    /// Anything else that reads as a number.
    Float(f64),
}

/// A cursor over JSON text.
#[derive(Debug, Clone)]
pub struct Scanner<'a> {
    bytes: &'a [u8],
    position: usize,
    /// Surrogates without partner that were passed over so far.
    pub lone_surrogates: u64,
}

impl<'a> Scanner<'a> {
    /// A cursor at `position` of `bytes`; the text ends where `bytes` end.
    pub fn new(bytes: &'a [u8], position: usize) -> Self {
        Self { bytes, position, lone_surrogates: 0 }
    }

    /// Offset of the next byte.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Moves the cursor.
    pub fn seek(&mut self, position: usize) {
        self.position = position;
    }

    /// The next byte that is no white space, not consumed; `None` at the end.
    pub fn peek(&mut self) -> Option<u8> {
        while let Some(&byte) = self.bytes.get(self.position) {
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Some(byte);
            }
            self.position += 1;
        }
        None
    }

    /// Consumes `byte` if it is next.
    pub fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.position += usize::from(is_next);
        is_next
    }

    /// Consumes `byte`.
    ///
    /// # Errors
    /// Something else is next.
    pub fn expect(&mut self, byte: u8, expected: &'static str) -> Scan<()> {
        if self.take(byte) { Ok(()) } else { Err(self.malformed(expected)) }
    }

    /// An error at the cursor.
    pub fn malformed(&self, expected: &'static str) -> Malformed {
        Malformed { offset: self.position, expected }
    }

    /// Walks through an object: `field` gets each key, raw, with the cursor on its value, which it must consume.
    ///
    /// # Errors
    /// The text is no object, or `field` fails.
    pub fn object(&mut self, mut field: impl FnMut(&'a [u8], &mut Self) -> Scan<()>) -> Scan<()> {
        self.expect(b'{', "`{`")?;
        if self.take(b'}') {
            return Ok(());
        }
        loop {
            let key = self.string()?;
            self.expect(b':', "`:`")?;
            field(key, self)?;
            if self.take(b'}') {
                return Ok(());
            }
            self.expect(b',', "`,` or `}`")?;
        }
    }

    /// Walks through an array: `item` is called with the cursor on each item, which it must consume.
    ///
    /// # Errors
    /// The text is no array, or `item` fails.
    pub fn array(&mut self, mut item: impl FnMut(&mut Self) -> Scan<()>) -> Scan<()> {
        self.expect(b'[', "`[`")?;
        if self.take(b']') {
            return Ok(());
        }
        loop {
            item(self)?;
            if self.take(b']') {
                return Ok(());
            }
            self.expect(b',', "`,` or `]`")?;
        }
    }

    /// Consumes a string and returns the bytes between its quotes, escapes as they stand.
    ///
    /// # Errors
    /// No string is next, or it does not end on its line.
    pub fn string(&mut self) -> Scan<&'a [u8]> {
        self.expect(b'"', "a string")?;
        let start = self.position;
        if let Some(length) = block::near_string_end(self.bytes, start)
            && self.bytes[start + length] == b'"'
        {
            self.position = start + length + 1;
            return Ok(&self.bytes[start..start + length]);
        }
        loop {
            let rest = self.bytes.get(self.position..).unwrap_or(&[]);
            let Some(distance) = memchr3(b'"', b'\\', b'\n', rest) else {
                self.position = self.bytes.len();
                return Err(self.malformed("the end of a string"));
            };
            self.position += distance;
            match self.bytes[self.position] {
                b'"' => {
                    let text = &self.bytes[start..self.position];
                    self.position += 1;
                    return Ok(text);
                }
                b'\\' => self.escape(),
                _ => return Err(self.malformed("the end of a string")),
            }
        }
    }

    /// Passes over an escape in a string, the cursor on its backslash.
    fn escape(&mut self) {
        match surrogate(self.bytes, self.position) {
            Some(Surrogate::High) if surrogate(self.bytes, self.position + 6) == Some(Surrogate::Low) => {
                self.position += 12;
            }
            Some(_) => {
                self.lone_surrogates += 1;
                self.position += 6;
            }
            None => self.position += 2,
        }
        self.position = self.position.min(self.bytes.len());
    }

    /// Consumes a string and decodes it.
    ///
    /// # Errors
    /// As [`Scanner::string`].
    pub fn text(&mut self) -> Scan<Cow<'a, str>> {
        self.string().map(decode)
    }

    /// Consumes a number.
    ///
    /// # Errors
    /// No number is next.
    pub fn number(&mut self) -> Scan<Number> {
        self.peek();
        let start = self.position;
        if let Some((value, end)) = block::number(self.bytes, start)
            && !self.bytes.get(end).is_some_and(is_of_other_number)
        {
            self.position = end;
            return Ok(Number::Unsigned(value));
        }
        let mut value: u64 = 0;
        let mut fits = true;
        while let Some(digit) = self.bytes.get(self.position).map(|byte| byte.wrapping_sub(b'0')).filter(|d| *d < 10) {
            if self.position - start < SAFE_DIGITS {
                value = value * 10 + u64::from(digit);
            } else {
                let next = value.checked_mul(10).and_then(|value| value.checked_add(u64::from(digit)));
                fits &= next.is_some();
                value = next.unwrap_or(value);
            }
            self.position += 1;
        }
        let is_plain = !self.bytes.get(self.position).is_some_and(is_of_other_number);
        if self.position > start && fits && is_plain {
            return Ok(Number::Unsigned(value));
        }
        self.position = start;
        self.other_number()
    }

    fn other_number(&mut self) -> Scan<Number> {
        let start = self.position;
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'+' | b'-');
        let rest = self.bytes.get(start..).unwrap_or(&[]);
        let length = rest.iter().take_while(|byte| is_part(byte)).count();
        let text = std::str::from_utf8(&rest[..length]).unwrap_or("");
        let is_number = text.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '-' | 'N' | 'I'));
        let number = match text.parse::<i64>() {
            Ok(negative) => Some(Number::Negative(negative)),
            Err(_) => text.parse::<f64>().ok().map(Number::Float),
        };
        match number.filter(|_| is_number) {
            Some(number) => {
                self.position += length;
                Ok(number)
            }
            None => Err(self.malformed("a number")),
        }
    }

    /// The text from `start` to the cursor.
    pub fn since(&self, start: usize) -> Cow<'a, str> {
        String::from_utf8_lossy(self.bytes.get(start..self.position).unwrap_or(&[]))
    }

    /// Consumes a whole number that names an object: a number, or a string that holds one.
    ///
    /// # Errors
    /// Something else is next, or the number does not fit in 64 bits.
    pub fn address(&mut self) -> Scan<u64> {
        let start = self.position;
        let address = match self.peek() {
            Some(b'"') => address_of_text(&self.text()?),
            _ => address_of_number(self.number()?),
        };
        address.ok_or(Malformed { offset: start, expected: "an address" })
    }

    /// Consumes any value and returns its bytes.
    ///
    /// # Errors
    /// The value is not closed, or nothing that could be one is next.
    pub fn skip(&mut self) -> Scan<&'a [u8]> {
        let first = self.peek();
        let start = self.position;
        match first {
            Some(b'"') => {
                self.string()?;
            }
            Some(b'{' | b'[') => self.skip_nested()?,
            _ => self.skip_word()?,
        }
        Ok(&self.bytes[start..self.position])
    }

    /// Consumes a value that is most likely an array of strings, and returns its length in bytes. Faster than
    /// [`Scanner::skip`] where it is one.
    ///
    /// # Errors
    /// As [`Scanner::skip`].
    pub fn skip_strings(&mut self) -> Scan<usize> {
        self.peek();
        let start = self.position;
        if !self.take(b'[') {
            return self.skip().map(<[u8]>::len);
        }
        loop {
            match self.bytes.get(self.position) {
                Some(b'"') => {
                    self.string()?;
                }
                Some(b',' | b' ' | b'n' | b'u' | b'l') => self.position += 1,
                Some(b']') => {
                    self.position += 1;
                    return Ok(self.position - start);
                }
                _ => {
                    self.position = start;
                    return self.skip().map(<[u8]>::len);
                }
            }
        }
    }

    /// Passes over an object or array by counting brackets.
    fn skip_nested(&mut self) -> Scan<()> {
        let mut open: Vec<u8> = Vec::new();
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.string()?;
                    continue;
                }
                Some(b'{') => open.push(b'}'),
                Some(b'[') => open.push(b']'),
                Some(byte @ (b'}' | b']')) => {
                    if open.pop() != Some(byte) {
                        return Err(self.malformed("another bracket"));
                    }
                }
                Some(_) => {}
                None => return Err(self.malformed("a closing bracket")),
            }
            self.position += 1;
            if open.is_empty() {
                return Ok(());
            }
        }
    }

    fn skip_word(&mut self) -> Scan<()> {
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'+' | b'-');
        if let Some(end) = block::after_number(self.bytes, self.position)
            && !self.bytes.get(end).is_some_and(is_part)
        {
            self.position = end;
            return Ok(());
        }
        let rest = self.bytes.get(self.position..).unwrap_or(&[]);
        let length = rest.iter().take_while(|byte| is_part(byte)).count();
        let word = &rest[..length];
        let known = [&b"true"[..], b"false", b"null", b"NaN", b"Infinity", b"-Infinity"];
        let is_number = word.first().is_some_and(|first| first.is_ascii_digit() || *first == b'-')
            && word.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'+' | b'-' | b'e' | b'E'));
        if !is_number && !known.contains(&word) {
            return Err(self.malformed("a value"));
        }
        self.position += length;
        Ok(())
    }
}

/// What some writers put before UTF-8.
pub const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Where JSON begins: after a byte order mark, and after lines of a log that came before it.
pub fn first_document(bytes: &[u8]) -> usize {
    let start = if bytes.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
    let mut line = start;
    for _ in 0..MOST_LOG_LINES {
        if begins_with_json(bytes, line) {
            return line;
        }
        match bytes.get(line..bytes.len().min(line + LONGEST_LOG_LINE)).and_then(|rest| memchr::memchr(b'\n', rest)) {
            Some(distance) => line += distance + 1,
            None => break,
        }
    }
    start
}

/// Lines of a log before JSON that are passed over, and bytes of each.
const MOST_LOG_LINES: usize = 64;
const LONGEST_LOG_LINE: usize = 1 << 16;

/// Whether an object, perhaps in a list, begins at `position`: `[` may also begin the line of a log.
fn begins_with_json(bytes: &[u8], position: usize) -> bool {
    let mut scanner = Scanner::new(bytes, position);
    while scanner.take(b'[') {}
    scanner.take(b'{') && matches!(scanner.peek(), Some(b'"' | b'}') | None)
}

/// Whether digits before this byte are not all of a number, or no whole one.
fn is_of_other_number(byte: &u8) -> bool {
    matches!(byte, b'.' | b'e' | b'E' | b'-' | b'+' | b'I' | b'N')
}

/// The whole number that a number stands for as an address. Negative addresses are those of signed writers.
pub fn address_of_number(number: Number) -> Option<u64> {
    match number {
        Number::Unsigned(value) => Some(value),
        Number::Negative(value) => Some(value.cast_unsigned()),
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked: whole and below 2⁵³")]
        Number::Float(value) => {
            (value.fract() == 0.0 && (0.0..9_007_199_254_740_992.0).contains(&value)).then_some(value as u64)
        }
    }
}

/// The address that a string holds, decimal or hexadecimal with `0x`.
pub fn address_of_text(text: &str) -> Option<u64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
        None => None,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Surrogate {
    High,
    Low,
}

/// The surrogate that is escaped at `position`, as in `\ud83d`.
fn surrogate(bytes: &[u8], position: usize) -> Option<Surrogate> {
    match code_unit(bytes, position)? {
        0xd800..=0xdbff => Some(Surrogate::High),
        0xdc00..=0xdfff => Some(Surrogate::Low),
        _ => None,
    }
}

/// The code unit that is escaped at `position`.
fn code_unit(bytes: &[u8], position: usize) -> Option<u32> {
    let escape = bytes.get(position..position.checked_add(6)?)?;
    let digits = std::str::from_utf8(escape.strip_prefix(b"\\u")?).ok()?;
    digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok())?
}

/// Decodes the inside of a string. What cannot be decoded stays visible: a lone surrogate as `\ud800`, an unknown escape
/// as it stands, bytes that are no UTF-8 as `�`.
pub fn decode(raw: &[u8]) -> Cow<'_, str> {
    if memchr::memchr(b'\\', raw).is_none() {
        return String::from_utf8_lossy(raw);
    }
    let mut text = String::with_capacity(raw.len());
    let mut rest = 0;
    while let Some(distance) = memchr::memchr(b'\\', &raw[rest..]) {
        text.push_str(&String::from_utf8_lossy(&raw[rest..rest + distance]));
        rest += distance;
        rest += decode_escape(raw, rest, &mut text);
    }
    text.push_str(&String::from_utf8_lossy(&raw[rest..]));
    Cow::Owned(text)
}

/// Decodes the escape at `position` and returns its length, at most what is left.
fn decode_escape(raw: &[u8], position: usize, text: &mut String) -> usize {
    let simple = match raw.get(position + 1) {
        Some(b'n') => Some('\n'),
        Some(b't') => Some('\t'),
        Some(b'r') => Some('\r'),
        Some(b'b') => Some('\u{8}'),
        Some(b'f') => Some('\u{c}'),
        Some(byte @ (b'"' | b'\\' | b'/')) => Some(char::from(*byte)),
        _ => None,
    };
    if let Some(character) = simple {
        text.push(character);
        return 2;
    }
    let Some(unit) = code_unit(raw, position) else {
        text.push('\\');
        return 1;
    };
    if let Some(character) = char::from_u32(unit) {
        text.push(character);
        return 6;
    }
    match code_unit(raw, position + 6).filter(|low| (0xdc00..0xe000).contains(low) && unit < 0xdc00) {
        Some(low) => {
            let code = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
            text.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            12
        }
        None => {
            text.push_str(&String::from_utf8_lossy(&raw[position..position + 6]));
            6
        }
    }
}

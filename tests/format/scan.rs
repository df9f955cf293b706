//! The JSON scanner against serde_json, and where it takes more than JSON.

use ::retainers::format::scan::{Number, Scanner, decode};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Rebuilds a value with the scanner, for comparison.
fn rebuild(scanner: &mut Scanner<'_>) -> Value {
    match scanner.peek().unwrap() {
        b'{' => {
            let mut fields = serde_json::Map::new();
            scanner
                .object(|key, scanner| {
                    fields.insert(decode(key).into_owned(), rebuild(scanner));
                    Ok(())
                })
                .unwrap();
            Value::Object(fields)
        }
        b'[' => {
            let mut items = Vec::new();
            scanner
                .array(|scanner| {
                    items.push(rebuild(scanner));
                    Ok(())
                })
                .unwrap();
            Value::Array(items)
        }
        b'"' => Value::String(scanner.text().unwrap().into_owned()),
        b't' | b'f' | b'n' => serde_json::from_slice(scanner.skip().unwrap()).unwrap(),
        _ => match scanner.number().unwrap() {
            Number::Unsigned(number) => json!(number),
            Number::Negative(number) => json!(number),
            Number::Float(number) => json!(number),
        },
    }
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e300..1e300).prop_map(|number: f64| json!(number)),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::hash_map(any::<String>(), inner, 0..8)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// Floating-point numbers that are whole come back as whole numbers of the same value.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, value)| b.get(key).is_some_and(|other| same(value, other)))
        }
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        _ => a == b,
    }
}

proptest! {
    #[test]
    fn any_json_is_read_as_serde_json_reads_it(value in values(), is_pretty: bool) {
        let text = if is_pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        let mut scanner = Scanner::new(text.as_bytes(), 0);
        let found = rebuild(&mut scanner);
        prop_assert!(same(&found, &value), "{} {}", found, value);
        prop_assert_eq!(scanner.position(), text.len());
        let mut skipping = Scanner::new(text.as_bytes(), 0);
        prop_assert_eq!(skipping.skip().unwrap().len(), text.len());
    }

    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>) {
        for start in 0..bytes.len().min(4) {
            let mut scanner = Scanner::new(&bytes, start);
            let _ = scanner.skip();
            let _ = Scanner::new(&bytes, start).number();
            let _ = Scanner::new(&bytes, start).text();
            let _ = Scanner::new(&bytes, start).address();
            let _ = decode(&bytes[start..]);
        }
    }
}

#[test]
fn pairs_of_surrogates_are_one_character_and_lone_ones_stay_visible() {
    let mut scanner = Scanner::new(br#""\ud83d\ude00 \ud83d \ude00 \u00e9""#, 0);
    assert_eq!(scanner.text().unwrap(), "😀 \\ud83d \\ude00 é");
    assert_eq!(scanner.lone_surrogates, 2);
}

#[test]
fn a_string_ends_on_its_line() {
    let mut scanner = Scanner::new(b"\"abc\ndef\"", 0);
    assert_eq!(scanner.string().unwrap_err().offset, 4);
}

/// Many digits are looked at together, unless the text begins or ends nearby.
#[test]
fn whole_numbers_of_any_length_are_read_wherever_they_stand() {
    for digits in (1..=20).map(|count| &"98765432109876543210"[..count]) {
        for (before, after) in [(0, 0), (0, 20), (3, 20), (15, 20), (16, 1), (20, 20)] {
            for end in ["", ",", "]", "}", " ", "\n", "/", ":"] {
                let text = [&"7".repeat(before), digits, end, &" ".repeat(after)].concat();
                let mut scanner = Scanner::new(text.as_bytes(), before);
                let number = scanner.number().unwrap();
                match digits.parse() {
                    Ok(whole) => assert_eq!(number, Number::Unsigned(whole), "{text:?}"),
                    Err(_) => assert!(matches!(number, Number::Float(_)), "{text:?}"),
                }
                assert_eq!(scanner.position(), before + digits.len(), "{text:?}");
            }
            for end in [".5", "e3", "E+2"] {
                let text = [&"7".repeat(before), digits, end, &" ".repeat(after)].concat();
                let mut scanner = Scanner::new(text.as_bytes(), before);
                let expected = [digits, end].concat().parse().unwrap();
                assert_eq!(scanner.number().unwrap(), Number::Float(expected), "{text:?}");
                assert_eq!(scanner.position(), before + digits.len() + end.len(), "{text:?}");
            }
        }
    }
}

#[test]
fn numbers_that_json_lacks_are_taken() {
    for (text, expected) in [("NaN", None), ("Infinity", Some(f64::INFINITY)), ("1e3", Some(1000.0))] {
        match Scanner::new(text.as_bytes(), 0).number().unwrap() {
            Number::Float(number) => assert!(expected.is_none_or(|expected| expected == number)),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(Scanner::new(b"18446744073709551615", 0).number().unwrap(), Number::Unsigned(u64::MAX));
    assert!(matches!(Scanner::new(b"18446744073709551616", 0).number().unwrap(), Number::Float(_)));
}

#[test]
fn addresses_are_exact_numbers_however_they_are_written() {
    let address = |text: &str| Scanner::new(text.as_bytes(), 0).address().ok();
    assert_eq!(address("18446744073709551615"), Some(u64::MAX));
    assert_eq!(address("\"0x7f00\""), Some(0x7f00));
    assert_eq!(address("\"42\""), Some(42));
    assert_eq!(address("-1"), Some(u64::MAX));
    assert_eq!(address("1.4e14"), Some(140_000_000_000_000));
    assert_eq!(address("18446744073709551616"), None);
    assert_eq!(address("1.5"), None);
    assert_eq!(address("\"x\""), None);
}

use super::pictures::nasty_texts;
use retainers::counts::grouped;
use retainers::present::label::{elide, head, lines, times, visible};

#[test]
fn what_cannot_be_seen_is_spelled_out() {
    assert_eq!(visible("a\u{1b}[0m\nb\tc\u{9b}\u{202e}d"), "a\\x1b[0m\\nb    c\\x9b\\u{202e}d");
}

#[test]
fn what_can_be_seen_is_left_alone() {
    for text in ["<locals>.<lambda>", "日本語 🐍", "שלום", "\"quoted\" \\ & co", "👨‍👩‍👧"] {
        assert_eq!(visible(text), text);
    }
}

#[test]
fn the_end_of_a_long_name_is_kept() {
    assert_eq!(elide("package.module.ClassName", 16), "packag…ClassName");
    assert_eq!(elide("short", 5), "short");
    assert_eq!(elide("日本語日本語", 4), "日…本語");
}

#[test]
fn left_out_lines_are_counted() {
    assert_eq!(lines("a\nb\nc\nd", 3), ["a", "b", "… 2 more lines"]);
    assert_eq!(lines("a\nb\nc", 3), ["a", "b", "c"]);
    assert!(lines("", 3).is_empty());
}

#[test]
fn counts_are_grouped_by_thousands() {
    assert_eq!([1, 30, 999, 1_000, 1_234_567].map(grouped), ["1", "30", "999", "1,000", "1,234,567"]);
    assert_eq!(times(30), "×30");
}

#[test]
fn cuts_keep_whole_characters_and_the_limit() {
    for text in nasty_texts() {
        for most in [3, 7, 50, 4096] {
            assert!(head(&text, most).len() <= most);
            assert!(elide(&text, most).chars().count() <= most);
        }
    }
}

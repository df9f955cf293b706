//! Text output: widths, colours, foreign characters.

use retainers::present::text::{Layout, write};
use retainers::report::{Block, Cell, ChainBlock, ChainStep, Report, Span, Table, Tone};
use unicode_width::UnicodeWidthStr;

fn page(blocks: Vec<Block>, layout: Layout) -> String {
    let mut page = Vec::new();
    write(&Report { blocks, ..Report::default() }, layout, &mut page).unwrap();
    String::from_utf8(page).unwrap()
}

fn long_chain() -> Block {
    let step = |name: &str, reference: Option<&str>| ChainStep {
        object: vec![Span::new(Tone::Type, name)],
        object_notes: vec![Span::new(Tone::Faint, "72 B")],
        reference: reference.map(ToOwned::to_owned),
        reference_note: "through dict of 34".to_owned(),
        is_must_pass: false,
    };
    Block::Chain(ChainBlock {
        heading: vec![Span::plain("[1] all held by module a.very.long.module.name.that.goes.on.and.on")],
        steps: vec![
            step(
                "module a.very.long.module.name.that.goes.on",
                Some(".attribute['a long key']['another long key'].more"),
            ),
            step("名前がとても長いクラスの名前です.クラス", Some(".x")),
            step("target", None),
        ],
        notes: vec!["a.very.long.module.name.attribute['a long key']['another long key'].more.x".to_owned()],
    })
}

#[test]
fn lines_are_no_wider_than_the_terminal_and_lose_nothing() {
    let all = |text: &str| text.chars().filter(|letter| !letter.is_whitespace() && *letter != '│').collect::<String>();
    let free = page(vec![long_chain()], Layout::default());
    for width in [30, 40, 57, 80] {
        let narrow = page(vec![long_chain()], Layout { width: Some(width), colour: false });
        assert!(narrow.lines().all(|line| line.width() <= width), "{width}\n{narrow}");
        assert_eq!(all(&narrow), all(&free), "{width}");
    }
}

#[test]
fn colours_are_only_written_when_asked_for() {
    assert!(!page(vec![long_chain()], Layout::default()).contains('\x1b'));
    assert!(page(vec![long_chain()], Layout { width: None, colour: true }).contains("\x1b[36m"));
}

#[test]
fn foreign_text_cannot_command_the_terminal() {
    let nasty = "a\x1b[31mred\u{202e}evil\u{7}\nline\ttab\u{9b}x";
    let text = page(vec![Block::Line(vec![Span::plain(nasty)])], Layout { width: None, colour: true });
    assert_eq!(text.lines().count(), 1);
    assert!(!text.contains(|letter: char| letter.is_control() && letter != '\n'), "{text:?}");
    assert!(text.contains("\\x1b[31mred") && !text.contains('\u{202e}'), "{text:?}");
}

#[test]
fn tables_align_words_left_and_numbers_right() {
    let table = Table {
        columns: ["type", "objects", "size"].map(ToOwned::to_owned).to_vec(),
        rows: vec![
            vec![Cell::Text("dict".to_owned()), Cell::Count(1_234_567), Cell::Bytes(1536)],
            vec![Cell::Text("app.Session".to_owned()), Cell::Count(3), Cell::Bytes(72)],
        ],
    };
    let expected = "  type           objects     size
  dict         1,234,567  1.5 KiB
  app.Session          3     72 B
";
    assert_eq!(page(vec![Block::Table(table)], Layout::default()), expected);
}

#[test]
fn numbers_are_neither_split_nor_parted_from_their_units() {
    let facts = "module app retains 2.4 KiB (1,234 objects, 0.5 % of it) 12.75 MiB at 0x7fc0a43da7c0";
    let words = ["2.4 KiB", "1,234", "12.75 MiB"];
    for indent in 0..40 {
        let text = format!("{}{facts}", "x".repeat(indent));
        for width in 30..60 {
            let shown =
                page(vec![Block::Line(vec![Span::plain(text.clone())])], Layout { width: Some(width), colour: false });
            for word in words {
                assert!(shown.lines().any(|line| line.contains(word)), "{word} at {width}:\n{shown}");
            }
            assert!(shown.lines().all(|line| line.width() <= width), "{width}\n{shown}");
        }
    }
    // what is all digits is broken all the same
    let shown = page(vec![Block::Line(vec![Span::plain("1".repeat(200))])], Layout { width: Some(30), colour: false });
    assert!(shown.lines().count() > 6 && shown.lines().all(|line| line.width() <= 30), "{shown}");
}

#[test]
fn a_name_without_end_is_cut_in_lines_and_in_tables() {
    let long = format!("start{}end", "n".repeat(10_000_000));
    let row = vec![Cell::Text(long.clone()), Cell::Count(1)];
    let table = Table { columns: vec!["type".to_owned(), "objects".to_owned()], rows: vec![row] };
    let shown = page(vec![Block::Line(vec![Span::plain(long)]), Block::Table(table)], Layout::default());
    assert!(shown.len() < 10_000);
    assert_eq!(shown.matches("start").count(), 2);
    assert_eq!(shown.matches("end").count(), 2, "both ends are shown");
}

//! Icicles: tiles within tiles.

use resvg::usvg::roxmltree::{Document, Node};
use retainers::present::icicle::{self, FILLS, NARROWEST, NEUTRAL, QUIET, ROW, ROWS, TEXT, WIDTH, fill};
use retainers::report::{Icicle, Tile};
use std::collections::{BTreeSet, HashMap};

fn tile(parent: Option<usize>, label: &str, bytes: u64) -> Tile {
    Tile { parent, label: label.to_owned(), detail: String::new(), bytes, kind: "app".to_owned() }
}

fn icicle(tiles: Vec<Tile>) -> Icicle {
    Icicle { name: "retained".to_owned(), title: "title".to_owned(), subtitle: "subtitle".to_owned(), tiles }
}

/// A rectangle in ten-thousandths of a pixel, so that comparisons are exact.
#[derive(Debug, Clone, Copy)]
struct Rect {
    left: u64,
    right: u64,
    top: u64,
}

fn length(node: Node<'_, '_>, name: &str) -> u64 {
    let text = node.attribute(name).expect("a length");
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    format!("{whole}{rest:0<4}").parse().expect("at most four decimal places")
}

fn rect(group: Node<'_, '_>) -> Rect {
    let node = group.children().find(|node| node.has_tag_name("rect")).expect("a rectangle");
    let left = length(node, "x");
    Rect { left, right: left + length(node, "width"), top: length(node, "y") }
}

fn groups<'a>(document: &'a Document<'_>) -> Vec<Node<'a, 'a>> {
    let is_tile = |node: &Node<'_, '_>| {
        node.has_tag_name("g") && node.attribute("class").is_some_and(|class| class.starts_with("tile"))
    };
    document.descendants().filter(is_tile).collect()
}

fn title<'a>(group: Node<'a, 'a>) -> &'a str {
    group.children().find(|node| node.has_tag_name("title")).and_then(|node| node.text()).expect("a hover text")
}

/// The rectangles of the tiles by label, where labels differ.
fn rects(svg: &str) -> HashMap<String, Rect> {
    let document = Document::parse(svg).expect("well-formed XML");
    let named = |group: Node<'_, '_>| (title(group).lines().next().unwrap_or("").to_owned(), rect(group));
    groups(&document).into_iter().map(named).collect()
}

fn text_of(svg: &str, class: &str) -> String {
    let document = Document::parse(svg).expect("well-formed XML");
    let node = document.descendants().find(|node| node.has_tag_name("text") && node.attribute("class") == Some(class));
    node.and_then(|node| node.text()).unwrap_or("").to_owned()
}

/// What is written on each tile that has words.
fn words(svg: &str) -> Vec<String> {
    let document = Document::parse(svg).expect("well-formed XML");
    let text = |group: Node<'_, '_>| group.children().find(|node| node.has_tag_name("text"))?.text().map(str::to_owned);
    groups(&document).into_iter().filter_map(text).collect()
}

/// Numbers that look random and are the same everywhere.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// A tree whose labels are its indices. Some tiles are smaller than their parts together.
fn random(seed: u64, tiles: usize) -> Icicle {
    let mut numbers = Numbers(seed);
    let mut all = vec![tile(None, "0", 1_000_000)];
    for index in 1..tiles {
        let parent = numbers.below(index as u64) as usize;
        let top = numbers.below(20) == 0;
        let most = if top { 1_000_000 } else { all[parent].bytes / (1 + numbers.below(4)) + 1 };
        all.push(tile((!top).then_some(parent), &index.to_string(), numbers.below(most)));
    }
    icicle(all)
}

#[test]
fn a_tile_is_below_and_within_the_one_that_it_is_a_part_of() {
    for seed in 0..40 {
        let icicle = random(seed, 400);
        let rects = rects(&icicle::write(&icicle));
        for (label, part) in &rects {
            let Some(parent) = icicle.tiles[label.parse::<usize>().expect("an index")].parent else { continue };
            let whole = rects.get(&parent.to_string()).expect("a parent is drawn where its part is");
            assert!(whole.left <= part.left && part.right <= whole.right, "seed {seed}: {part:?} in {whole:?}");
            assert_eq!(part.top, whole.top + ROW * 10_000);
        }
    }
}

#[test]
fn tiles_do_not_overlap_and_stay_on_the_page() {
    for seed in 0..40 {
        let mut rects: Vec<Rect> = rects(&icicle::write(&random(seed, 400))).into_values().collect();
        rects.sort_by_key(|rect| (rect.top, rect.left));
        for pair in rects.windows(2) {
            assert!(pair[0].top < pair[1].top || pair[0].right <= pair[1].left, "seed {seed}: {pair:?}");
        }
        assert!(rects.iter().all(|rect| rect.right <= WIDTH * 10_000 && rect.right - rect.left >= NARROWEST));
    }
}

#[test]
fn widths_are_in_proportion_and_the_own_share_stays_blank() {
    let tiles = vec![tile(None, "all", 1000), tile(Some(0), "quarter", 250), tile(Some(0), "half", 500)];
    let rects = rects(&icicle::write(&icicle(tiles)));
    let width = |label: &str| rects[label].right - rects[label].left;
    assert_eq!(width("all"), 2 * width("half"));
    assert_eq!(width("all"), 4 * width("quarter"));
    assert_eq!(rects["half"].left, rects["all"].left, "the largest comes first");
    assert_eq!(rects["half"].right, rects["quarter"].left);
}

#[test]
fn equal_tiles_keep_their_order() {
    let labels = ["a", "b", "c", "d"];
    let rects = rects(&icicle::write(&icicle(labels.iter().map(|label| tile(None, label, 10)).collect())));
    assert!(labels.windows(2).all(|pair| rects[pair[0]].right == rects[pair[1]].left));
}

#[test]
fn parts_that_are_larger_than_the_whole_share_its_width() {
    let tiles = vec![tile(None, "all", 10), tile(Some(0), "a", u64::MAX), tile(Some(0), "b", u64::MAX)];
    let rects = rects(&icicle::write(&icicle(tiles)));
    assert_eq!(rects["a"].right, rects["b"].left);
    assert_eq!(rects["b"].right, rects["all"].right);
}

#[test]
fn a_parent_that_does_not_come_before_counts_as_none() {
    let tiles = vec![tile(Some(0), "self", 10), tile(Some(9), "nowhere", 10), tile(Some(1), "part", 10)];
    let rects = rects(&icicle::write(&icicle(tiles)));
    assert_eq!(rects["self"].top, rects["nowhere"].top);
    assert_eq!(rects["part"].left, rects["nowhere"].left);
}

#[test]
fn what_is_too_small_is_counted() {
    let mut tiles = vec![tile(None, "all", 1_000_000)];
    tiles.extend((0..1234).map(|_| tile(Some(0), "small", 100)));
    let svg = icicle::write(&icicle(tiles));
    assert_eq!(rects(&svg).len(), 1);
    assert_eq!(text_of(&svg, "subtitle"), "subtitle · … 1,234 smaller not drawn");
}

#[test]
fn nothing_at_all_is_still_a_picture() {
    for tiles in [vec![], vec![tile(None, "empty", 0)], vec![tile(None, "empty", 0), tile(Some(0), "part", 0)]] {
        let count = tiles.len();
        let svg = icicle::write(&icicle(tiles));
        assert!(rects(&svg).is_empty());
        assert_eq!(text_of(&svg, "subtitle").contains("not drawn"), count > 0);
    }
}

fn chain(tiles: usize) -> Icicle {
    icicle((0..tiles).map(|index| tile(index.checked_sub(1), &index.to_string(), (2 * tiles - index) as u64)).collect())
}

#[test]
fn a_deep_chain_needs_no_deep_stack() {
    let write = || icicle::write(&chain(100_000));
    let thread = std::thread::Builder::new().stack_size(256 << 10).spawn(write).expect("a thread");
    let svg = thread.join().expect("no overflow of the stack");
    assert_eq!(rects(&svg).len() as u64, ROWS);
    assert_eq!(text_of(&svg, "subtitle"), "subtitle · … 99,940 deeper levels not drawn");
}

const HOSTILE: [&str; 10] = [
    "</title><script>alert(1)</script>",
    "]]></script>",
    "\"' onclick=\"alert(1)",
    "&amp; &#0; &unknown;",
    "\0\u{1}\u{8}\u{b}\u{1b}[31m\u{7f}\u{85}",
    "\u{fffe}\u{ffff}\u{feff}",
    "\u{202e}reversed\u{2066}",
    "line\nbreak\r\n\ttab",
    "<!-- -- --><![CDATA[ ]]>",
    "👩‍👩‍👧‍👦 日本語 العربية é",
];

#[test]
fn hostile_text_is_text() {
    for text in HOSTILE {
        let mut all = tile(None, text, 100);
        (all.detail, all.kind) = (text.to_owned(), text.to_owned());
        let icicle =
            Icicle { name: text.to_owned(), title: text.to_owned(), subtitle: text.to_owned(), tiles: vec![all] };
        let svg = icicle::write(&icicle);
        let document = Document::parse(&svg).expect("well-formed XML");
        assert_eq!(document.descendants().filter(|node| node.has_tag_name("script")).count(), 1);
        let own = ["xmlns", "class", "width", "height", "viewBox", "space", "role", "aria-label", "x", "y", "rx", "dx"];
        let attributes = document.descendants().flat_map(|node| node.attributes());
        assert!(attributes.map(|attribute| attribute.name()).all(|name| own.contains(&name) || name == "text-anchor"));
        assert!(!svg.chars().any(|character| character.is_control() && character != '\n'), "{text:?}");
        assert_eq!(title(groups(&document)[0]).lines().nth(1), Some("100 B, 100.0 %"), "{text:?}");
    }
}

#[test]
fn nothing_is_fetched() {
    let svg = icicle::write(&random(1, 100));
    assert_eq!(svg.matches("http").count(), 1, "the name of SVG itself");
    assert!(!svg.contains("href") && !svg.contains("url(") && !svg.contains("@import"));
    assert_eq!(svg.matches("]]>").count(), 1, "the end of the script");
}

#[test]
fn the_hover_text_tells_label_size_share_and_detail() {
    let mut part = tile(Some(0), "function a.<locals>.<lambda> & \"b\"", 1536);
    part.detail = "held by .receivers\nof module app".to_owned();
    let svg = icicle::write(&icicle(vec![tile(None, "all", 4096), part]));
    let document = Document::parse(&svg).expect("well-formed XML");
    let expected = "function a.<locals>.<lambda> & \"b\"\n1.5 KiB, 37.5 %\nheld by .receivers\nof module app";
    assert_eq!(title(groups(&document)[1]), expected);
}

#[test]
fn words_are_whole_where_they_fit_and_cut_where_they_do_not() {
    let name = "streamlit.report_session.ReportSession";
    for (bytes, expected) in [(1000, Some(name)), (200, Some("streamlit.report_session.ReportSes…")), (20, None)] {
        let svg = icicle::write(&icicle(vec![tile(None, "", 1000), tile(Some(0), name, bytes)]));
        let words = words(&svg);
        let shown = words.iter().find(|words| words.starts_with("stream")).map(String::as_str);
        assert_eq!(shown, expected, "{bytes} of 1000");
    }
}

#[test]
fn no_word_is_wider_than_its_tile() {
    for label in ["…", "x", "W", "WWWW", "iiiiiiiiii", "日本語のラベル", "function <lambda>"] {
        let parts = (1..200).map(|bytes| tile(Some(0), label, bytes));
        let svg = icicle::write(&icicle([tile(None, "all", 20_000)].into_iter().chain(parts).collect()));
        let document = Document::parse(&svg).expect("well-formed XML");
        for group in groups(&document).into_iter().skip(1) {
            let shown = group.children().find(|node| node.has_tag_name("text")).and_then(|node| node.text());
            let least = 30_000 * shown.unwrap_or("").chars().count() as u64;
            let rect = rect(group);
            assert!(rect.right - rect.left >= least, "{shown:?} in {rect:?}");
        }
    }
}

#[test]
fn a_long_title_and_a_long_subtitle_do_not_leave_the_page() {
    let mut icicle = random(3, 4000);
    icicle.title = "title ".repeat(100);
    icicle.subtitle = "subtitle ".repeat(100);
    let svg = icicle::write(&icicle);
    let (title, subtitle) = (text_of(&svg, "heading"), text_of(&svg, "subtitle"));
    assert!(title.ends_with('…') && title.len() < 130, "{title}");
    assert!(subtitle.ends_with("smaller not drawn") && subtitle.len() < 220, "{subtitle}");
}

#[test]
fn the_same_tiles_give_the_same_bytes() {
    for seed in 0..10 {
        assert_eq!(icicle::write(&random(seed, 300)), icicle::write(&random(seed, 300)));
    }
}

#[test]
fn a_kind_has_the_same_colour_in_every_file() {
    assert_eq!(fill("streamlit"), "#7fd4e3");
    assert_eq!(fill(""), NEUTRAL);
    for neighbours in 0..20 {
        let mut tiles: Vec<Tile> = (0..neighbours).map(|_| tile(None, "other", 5)).collect();
        tiles.push(Tile { kind: "streamlit".to_owned(), ..tile(None, "it", 1000) });
        let svg = icicle::write(&icicle(tiles));
        let document = Document::parse(&svg).expect("well-formed XML");
        let group = groups(&document).into_iter().find(|group| title(*group).starts_with("it")).expect("the tile");
        let class = group.children().find_map(|node| node.attribute("class")).expect("a class of the rectangle");
        assert!(svg.contains(&format!(".{class} {{ fill: {}; }}", fill("streamlit"))));
    }
}

#[test]
fn the_legend_names_the_kinds_and_counts_those_without_room() {
    let kinds = (0..100).map(|index| Tile { kind: format!("package{index}"), ..tile(None, "part", 200 - index) });
    let svg = icicle::write(&icicle(kinds.collect()));
    let document = Document::parse(&svg).expect("well-formed XML");
    let names = document.descendants().filter(|node| node.attribute("class") == Some("kind"));
    let names: Vec<&str> = names.filter_map(|node| node.text()).collect();
    assert_eq!(names[0], "package0");
    assert_eq!(names[names.len() - 1], format!("… {} more kinds", 101 - names.len()));
}

#[test]
fn packages_often_met_with_differ_in_colour() {
    let packages = [
        "numpy",
        "pandas",
        "asyncio",
        "threading",
        "collections",
        "torch",
        "tensorflow",
        "django",
        "flask",
        "sqlalchemy",
        "pydantic",
        "streamlit",
        "tornado",
        "matplotlib",
        "google",
        "requests",
        "logging",
        "functools",
    ];
    let colours: BTreeSet<&str> = packages.into_iter().map(fill).collect();
    assert_eq!(colours.len(), packages.len());
}

/// Contrast as WCAG 2 defines it, from 1 to 21.
fn contrast(first: &str, second: &str) -> f64 {
    let luminance = |colour: &str| {
        let channel = |at: usize| {
            let value = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).expect("a colour")) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5) + 0.05
    };
    let (first, second) = (luminance(first), luminance(second));
    first.max(second) / first.min(second)
}

#[test]
fn words_can_be_read_on_every_colour() {
    for fill in FILLS.into_iter().chain([NEUTRAL]) {
        assert!(contrast(TEXT, fill) >= 7.0, "{TEXT} on {fill}: {}", contrast(TEXT, fill));
        assert!(contrast(QUIET, fill) >= 4.5, "{QUIET} on {fill}: {}", contrast(QUIET, fill));
    }
}

use super::pictures::{ROLES, arrow, chain, empty, merged, nasty_texts, shape, wild};
use petgraph::graph::NodeIndex;
use resvg::usvg::roxmltree::{Document, Node, ParsingOptions};
use retainers::present::font::{Ruler, Style};
use retainers::present::{palette, svg};
use retainers::report::{Picture, Role};

fn parse(svg: &str) -> Document<'_> {
    Document::parse_with_options(svg, ParsingOptions::default()).expect("well-formed XML")
}

fn number(node: Node<'_, '_>, name: &str) -> f64 {
    node.attribute(name).and_then(|value| value.parse().ok()).unwrap_or(0.0)
}

fn one(role: Role, heading: &str) -> Picture {
    let mut picture = empty("title");
    picture.graph.add_node(shape(role, heading, 1));
    picture
}

fn texts<'a>(document: &'a Document<'_>) -> Vec<&'a str> {
    document.descendants().filter(|node| node.has_tag_name("text")).filter_map(|node| node.text()).collect()
}

/// Left and right end of a text, as it is drawn with the embedded fonts.
fn ends(text: Node<'_, '_>, ruler: &Ruler) -> (f64, f64) {
    let (style, size) = match text.attribute("class") {
        Some("title") => (Style::Bold, 17.0),
        Some("subtitle") => (Style::Plain, 12.0),
        Some("strong") => (Style::Bold, 13.0),
        Some("heading") => (Style::Plain, 13.0),
        Some("line") => (Style::Plain, 11.0),
        Some("badge") => (Style::Bold, 11.0),
        Some("reference") => (Style::Code, 11.5),
        Some("note") => (Style::Plain, 10.0),
        other => panic!("unknown class {other:?}"),
    };
    let width = ruler.width(text.text().unwrap_or(""), style, size);
    let x = number(text, "x");
    if text.attribute("text-anchor") == Some("middle") { (x - width / 2.0, x + width / 2.0) } else { (x, x + width) }
}

/// Every text lies within the first rectangle of its group, and within the canvas.
fn check_texts_fit(svg: &str, what: &str) {
    let document = parse(svg);
    let ruler = Ruler::default();
    let canvas = document.descendants().find(|node| node.attribute("class") == Some("canvas")).expect("a canvas");
    for text in document.descendants().filter(|node| node.has_tag_name("text")) {
        let group = text.parent().filter(|group| group.has_tag_name("g"));
        let around = group.and_then(|group| group.children().find(|node| node.has_tag_name("rect")));
        let around = around.unwrap_or(canvas);
        let (left, right) = ends(text, &ruler);
        let (x, y) = (number(around, "x"), number(around, "y"));
        assert!(left >= x - 0.1 && right <= x + number(around, "width") + 0.1, "{what}: {:?}", text.text());
        let baseline = number(text, "y");
        assert!(baseline > y && baseline < y + number(around, "height"), "{what}: {:?}", text.text());
    }
}

#[test]
fn every_text_is_inside_its_box() {
    for objects in [1, 2, 4, 9, 60] {
        check_texts_fit(&svg::write(&chain(objects)), &format!("chain of {objects}"));
        check_texts_fit(&svg::write(&merged(objects.max(2), 7)), &format!("{objects} merged"));
    }
    for seed in 0..60 {
        check_texts_fit(&svg::write(&wild(seed)), &format!("seed {seed}"));
    }
}

#[test]
fn nothing_invisible_is_left_in_the_file() {
    for seed in 0..60 {
        let svg = svg::write(&wild(seed));
        let unseen = |character: &char| {
            let line_break = *character == '\n';
            let direction =
                matches!(*character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            (character.is_control() && !line_break) || direction || matches!(*character, '\u{fffe}' | '\u{ffff}')
        };
        assert_eq!(svg.chars().find(unseen), None, "seed {seed}");
    }
}

#[test]
fn control_and_direction_characters_are_shown_as_escapes() {
    let svg = svg::write(&one(Role::Holder, "red \u{1b}[31m and \u{202e}reversed"));
    assert!(texts(&parse(&svg)).contains(&"red \\x1b[31m and \\u{202e}reversed"), "{svg}");
}

#[test]
fn markup_in_a_name_is_shown_as_it_is() {
    for role in ROLES {
        let svg = svg::write(&one(role, "function a.<locals>.<lambda> & \"b\""));
        assert!(texts(&parse(&svg)).contains(&"function a.<locals>.<lambda> & \"b\""), "{svg}");
    }
}

#[test]
fn a_long_name_is_elided_in_the_middle_and_whole_in_the_tooltip() {
    let name = format!("package.{}.Class", "module.".repeat(40));
    let svg = svg::write(&one(Role::Target, &name));
    let document = parse(&svg);
    let shown = *texts(&document).last().expect("a heading");
    assert!(shown.starts_with("package.module.") && shown.contains('…') && shown.ends_with("module..Class"), "{shown}");
    assert!(shown.chars().count() <= 50);
    let tooltip = document.descendants().find(|node| node.has_tag_name("title")).and_then(|node| node.text());
    assert_eq!(tooltip, Some(name.as_str()));
}

#[test]
fn names_of_the_usual_length_are_shown_whole() {
    for name in ["streamlit.report_session.ReportSession", "function on_config_parsed.<locals>.func_with_lock"] {
        let svg = svg::write(&one(Role::Target, name));
        assert!(texts(&parse(&svg)).contains(&name), "{name}");
    }
}

#[test]
fn a_count_is_a_badge_and_one_is_not_worth_one() {
    let mut picture = one(Role::Target, "Session");
    picture.graph.add_node(shape(Role::Holder, "dict", 1_234));
    picture.graph.add_node(shape(Role::Holder, "list", 30));
    let svg = svg::write(&picture);
    let document = parse(&svg);
    let badges = document.descendants().filter(|node| node.attribute("class") == Some("badge"));
    let badges: Vec<&str> = badges.filter_map(|node| node.text()).collect();
    assert_eq!(badges, ["×1,234", "×30"]);
}

#[test]
fn arrows_through_which_more_is_held_are_wider() {
    let mut picture = chain(3);
    for (edge, count) in picture.graph.edge_weights_mut().zip([1, 1000]) {
        edge.count = count;
    }
    let svg = svg::write(&picture);
    let document = parse(&svg);
    let shafts = document.descendants().filter(|node| node.attribute("class") == Some("shaft"));
    let widths: Vec<f64> = shafts.map(|node| number(node, "stroke-width")).collect();
    assert!(widths.len() == 2 && widths[1] > 2.0 * widths[0], "{widths:?}");
}

#[test]
fn roles_differ_in_lightness() {
    let lightness = |role: Role| {
        let fill = palette::paint(role).fill;
        let part = |at: usize| u8::from_str_radix(&fill[at..at + 2], 16).map_or(255.0, f64::from) / 255.0;
        let linear = |at: usize| part(at).powf(2.2);
        let luminance = 0.2126 * linear(1) + 0.7152 * linear(3) + 0.0722 * linear(5);
        116.0 * luminance.cbrt() - 16.0
    };
    let (root, target, holder) = (lightness(Role::Root), lightness(Role::Target), lightness(Role::Holder));
    assert!(target - root > 18.0 && holder - target > 40.0, "{root} {target} {holder}");
}

#[test]
fn no_side_is_longer_than_the_limit() {
    let mut picture = empty("many");
    for _ in 0..20_000 {
        picture.graph.add_node(shape(Role::Holder, "concurrent.futures.thread._WorkItem", 1));
    }
    let svg = svg::write(&picture);
    let document = parse(&svg);
    let root = document.root_element();
    let longest = number(root, "width").max(number(root, "height"));
    assert!(longest <= svg::LONGEST_SIDE && longest > 0.9 * svg::LONGEST_SIDE, "{longest}");
}

#[test]
fn the_same_picture_gives_the_same_bytes() {
    for seed in 0..20 {
        assert!(svg::write(&wild(seed)) == svg::write(&wild(seed)), "seed {seed}");
    }
}

#[test]
fn every_nasty_text_can_be_everything() {
    for text in nasty_texts() {
        let mut picture = empty(&text);
        picture.subtitle.clone_from(&text);
        let node = picture.graph.add_node(shape(Role::Target, &text, 2));
        picture.graph.add_edge(node, node, arrow(&text, &text, 3));
        picture.graph.add_edge(NodeIndex::new(0), node, arrow(&text, &text, 3));
        let svg = svg::write(&picture);
        check_texts_fit(&svg, &text[..text.floor_char_boundary(20)]);
        assert!(svg.len() < 200_000, "{} bytes", svg.len());
    }
}

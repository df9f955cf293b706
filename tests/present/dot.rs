use super::pictures::{ROLES, arrow, chain, empty, merged, nasty_texts, shape, wild};
use retainers::present::dot;
use retainers::present::graphviz::{self, Format};
use retainers::report::Role;
use std::collections::BTreeSet;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

/// What the system's Graphviz makes of it; `None`, with a word about it, when it is not installed.
fn rendered(dot: &str, format: Format) -> Option<Vec<u8>> {
    match graphviz::render(dot, format, LIMIT) {
        Ok(drawing) => Some(drawing),
        Err(error) if error.contains("not found") => {
            crate::support::skipped("present::dot, by Graphviz", &error.to_string());
            None
        }
        Err(error) => panic!("{error}\n{dot}"),
    }
}

/// The value of an attribute in each line that has it.
fn values<'a>(dot: &'a str, name: &str) -> Vec<&'a str> {
    let start = format!(" {name}=\"");
    dot.lines().filter_map(|line| Some(line.split_once(&start)?.1.split_once('"')?.0)).collect()
}

#[test]
fn a_chain_is_written_from_the_root_down() {
    let dot = dot::write(&chain(3));
    assert!(dot.starts_with("digraph {\n"), "{dot}");
    for part in ["n0 [label=\"module app\"", "n2 [label=\"app.Leaf\\n×30\"", "n0 -> n1 [label=\".next\\ndict of 34\""]
    {
        assert!(dot.contains(part), "{part} is not in {dot}");
    }
}

#[test]
fn roles_differ_in_colour_and_in_shape() {
    let mut picture = empty("title");
    for role in ROLES {
        picture.graph.add_node(shape(role, "name", 1));
    }
    let dot = dot::write(&picture);
    for attribute in ["fillcolor", "shape"] {
        let different: BTreeSet<&str> = values(&dot, attribute).into_iter().collect();
        assert_eq!(different.len(), ROLES.len(), "{attribute}: {different:?}");
    }
}

#[test]
fn quotes_and_backslashes_are_escaped() {
    let mut picture = empty("say \"hi\"");
    picture.graph.add_node(shape(Role::Holder, "a\\b \"c\" & \u{1b}[0m\u{202e}", 1));
    let dot = dot::write(&picture);
    assert!(dot.contains(r#"label="say \"hi\"""#), "{dot}");
    assert!(dot.contains(r#"label="a\\b \"c\" &amp; \\x1b[0m\\u{202e}""#), "{dot}");
}

#[test]
fn no_quoted_text_is_longer_than_graphviz_can_read() {
    for text in nasty_texts() {
        let mut picture = empty(&text);
        let mut node = shape(Role::Target, &text, 2);
        node.tooltip.clone_from(&text);
        node.lines = vec![text.clone(); 40];
        let node = picture.graph.add_node(node);
        picture.graph.add_edge(node, node, arrow(&text, &text, 3));
        let dot = dot::write(&picture);
        let longest = dot.lines().map(str::len).max().unwrap_or(0);
        assert!(longest < 10_000, "{longest} bytes");
        rendered(&dot, Format::Svg);
    }
}

#[test]
fn graphviz_reads_what_is_written() {
    for seed in 0..25 {
        let Some(svg) = rendered(&dot::write(&wild(seed)), Format::Svg) else {
            return;
        };
        let svg = String::from_utf8(svg).expect("UTF-8");
        let options = resvg::usvg::roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() };
        resvg::usvg::roxmltree::Document::parse_with_options(&svg, options).expect("well-formed XML");
    }
}

#[test]
fn graphviz_shows_the_text_that_was_meant() {
    let text = "<>{}| &amp; &lt; \\N \\l \"quoted\" back\\slash";
    let mut picture = empty("title");
    picture.graph.add_node(shape(Role::Holder, text, 1));
    let Some(svg) = rendered(&dot::write(&picture), Format::Svg) else {
        return;
    };
    let svg = String::from_utf8(svg).expect("UTF-8");
    let options = resvg::usvg::roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() };
    let document = resvg::usvg::roxmltree::Document::parse_with_options(&svg, options).expect("well-formed XML");
    let shown: Vec<&str> =
        document.descendants().filter(|node| node.has_tag_name("text")).filter_map(|node| node.text()).collect();
    assert!(shown.contains(&text), "{shown:?}");
}

#[test]
fn graphviz_draws_a_png() {
    let Some(png) = rendered(&dot::write(&merged(30, 1)), Format::Png) else {
        return;
    };
    assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
}

#[test]
fn graphviz_is_stopped_at_its_limit() {
    let dot = dot::write(&merged(600, 1));
    let error = graphviz::render(&dot, Format::Svg, Duration::from_millis(1)).expect_err("too little time");
    assert!(error.contains("not found") || error.contains("did not finish within 1ms"), "{error}");
}

#[test]
fn a_graph_that_graphviz_refuses_is_an_error_in_its_words() {
    let error = graphviz::render("digraph { \"", Format::Svg, LIMIT).expect_err("not a graph");
    assert!(error.contains("not found") || error.contains("syntax error"), "{error}");
}

#[test]
fn the_same_picture_gives_the_same_bytes() {
    for seed in 0..20 {
        assert!(dot::write(&wild(seed)) == dot::write(&wild(seed)), "seed {seed}");
    }
}

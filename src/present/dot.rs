//! DOT: "let me lay this graph out, restyle it or search it with the tools of Graphviz."
//!
//! `dot-writer` writes the statements and quotes values, but escapes nothing; and it stops the process when a write
//! fails. So it writes to memory, in its pretty mode (the compact one drops blanks), and the quoting is done here.

use super::label;
use super::palette::{self, paint};
use crate::report::{Arrow, Picture, Role, Shape};
use dot_writer::{Attributes, AttributesList, DotWriter, Scope};
use petgraph::visit::{EdgeRef, IntoNodeReferences};

/// Characters shown of a line.
const SHOWN: usize = 80;
/// Lines shown of an object.
const LINES: usize = 10;
/// Bytes between quotes; Graphviz 2.43 refuses more than 16,384.
const QUOTED: usize = 4096;
/// Lines of a tooltip.
const TOOLTIP_LINES: usize = 40;

/// Writes a picture as a graph in the DOT language. Nodes are `n0`, `n1` and so on, in the order of the picture.
pub fn write(picture: &Picture) -> String {
    let mut bytes = Vec::new();
    {
        let mut writer = DotWriter::from(&mut bytes);
        let mut graph = writer.digraph();
        defaults(&mut graph, picture);
        for (index, shape) in picture.graph.node_references() {
            let mut node = graph.node_named(format!("n{}", index.index()));
            describe_shape(&mut node, shape);
        }
        for edge in picture.graph.edge_references() {
            let (from, to) = (edge.source().index(), edge.target().index());
            let mut attributes = graph.edge(format!("n{from}"), format!("n{to}")).attributes();
            describe_arrow(&mut attributes, edge.weight());
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What holds for the whole graph.
fn defaults(graph: &mut Scope<'_, '_>, picture: &Picture) {
    let title = [picture.title.as_str(), picture.subtitle.as_str()];
    let title = title.iter().filter(|line| !line.is_empty()).flat_map(|line| label::lines(line, 3));
    let title: Vec<String> = title.map(|line| label::elide(&line, 2 * SHOWN)).collect();
    let mut attributes = graph.graph_attributes();
    set(&mut attributes, "label", &title.join("\n"));
    set(&mut attributes, "labelloc", "t");
    set(&mut attributes, "fontname", "DejaVu Sans");
    set(&mut attributes, "fontcolor", palette::TITLE);
    set(&mut attributes, "bgcolor", palette::CANVAS);
    set(&mut attributes, "charset", "UTF-8");
    drop(attributes);
    let mut attributes = graph.node_attributes();
    set(&mut attributes, "fontname", "DejaVu Sans");
    set(&mut attributes, "fontsize", "12");
    drop(attributes);
    let mut attributes = graph.edge_attributes();
    set(&mut attributes, "fontname", "DejaVu Sans Mono");
    set(&mut attributes, "fontsize", "10");
    set(&mut attributes, "color", palette::ARROW);
    set(&mut attributes, "fontcolor", palette::REFERENCE);
}

fn describe_shape(attributes: &mut AttributesList<'_, '_>, shape: &Shape) {
    let colours = paint(shape.role);
    let (outline, style) = outline(shape.role);
    for (name, value) in [
        ("label", shape_label(shape)),
        ("tooltip", tooltip(shape)),
        ("shape", outline.to_owned()),
        ("style", style.to_owned()),
        ("fillcolor", if colours.fill == "none" { "transparent".to_owned() } else { colours.fill.to_owned() }),
        ("color", colours.outline.to_owned()),
        ("fontcolor", colours.text.to_owned()),
    ] {
        set(attributes, name, &value);
    }
    if shape.is_must_pass {
        set(attributes, "penwidth", "2.5");
    }
}

/// Shape and style of a role; no two roles share a shape.
const fn outline(role: Role) -> (&'static str, &'static str) {
    match role {
        Role::Root => ("ellipse", "filled"),
        Role::Holder => ("box", "filled,rounded"),
        Role::Plumbing => ("component", "filled,dashed"),
        Role::Target => ("doubleoctagon", "filled,bold"),
        Role::More => ("note", "dashed"),
    }
}

fn describe_arrow(attributes: &mut AttributesList<'_, '_>, arrow: &Arrow) {
    let lines = [&arrow.label, &arrow.note];
    let lines: Vec<String> =
        lines.into_iter().flat_map(|line| label::lines(line, 2)).map(|line| label::elide(&line, SHOWN)).collect();
    set(attributes, "label", &lines.join("\n"));
    set(attributes, "penwidth", &format!("{:.1}", (1.0 + 0.62 * (arrow.count.max(1) as f64).ln()).min(6.0)));
    if arrow.count > 1 {
        set(attributes, "tooltip", &format!("{} held through here", crate::counts::counted(arrow.count, "object")));
    }
}

fn shape_label(shape: &Shape) -> String {
    let mut lines = label::lines(&shape.heading, 3);
    lines.extend(shape.lines.iter().flat_map(|line| label::lines(line, LINES)));
    if lines.len() > LINES {
        let left_out = lines.len() - (LINES - 1);
        lines.truncate(LINES - 1);
        lines.push(format!("… {left_out} more lines"));
    }
    if shape.count > 1 {
        lines.push(label::times(shape.count));
    }
    let shown: Vec<String> = lines.iter().map(|line| label::elide(line, SHOWN)).collect();
    shown.join("\n")
}

fn tooltip(shape: &Shape) -> String {
    let story = if shape.tooltip.is_empty() { &shape.heading } else { &shape.tooltip };
    label::lines(story, TOOLTIP_LINES).join("\n")
}

fn set(attributes: &mut AttributesList<'_, '_>, name: &str, value: &str) {
    attributes.set(name, &quotable(value, QUOTED), true);
}

/// Text that is right between double quotes, at most so many bytes.
///
/// Graphviz reads escapes and, in ordinary text too, HTML entities.
fn quotable(text: &str, most: usize) -> String {
    let mut quotable = String::with_capacity(text.len().min(most));
    for character in text.chars() {
        let mut buffer = [0; 4];
        let piece = match character {
            '\\' => "\\\\",
            '"' => "\\\"",
            '&' => "&amp;",
            '\n' => "\\n",
            _ => character.encode_utf8(&mut buffer),
        };
        if quotable.len() + piece.len() + '…'.len_utf8() > most {
            quotable.push('…');
            break;
        }
        quotable.push_str(piece);
    }
    quotable
}

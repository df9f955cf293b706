//! Pictures to draw: chains, seeded random graphs, and text that somebody's heap may hold.

use petgraph::graph::{DiGraph, NodeIndex};
use retainers::report::{Arrow, Picture, Role, Shape};

pub(crate) const ROLES: [Role; 5] = [Role::Root, Role::Holder, Role::Plumbing, Role::Target, Role::More];

/// A small generator of the same numbers on every machine (xorshift).
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % most as u64) as usize
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// Text with everything that quoting, measuring and showing can get wrong.
pub(crate) fn nasty_texts() -> Vec<String> {
    let mut texts: Vec<String> = [
        "",
        " ",
        "plain.module.Type",
        "back\\slash \"quoted\" 'single'",
        "\\",
        "\\\\N \\G \\l",
        "line one\nline two\r\nthree",
        "\n\n\n",
        "<>{}|&",
        "&amp; &lt; &#65; <b>bold</b> ]]> <!--",
        "nul \0 bell \u{7} escape \u{1b}[31m delete \u{7f} c1 \u{9b}",
        "tab\tand\u{b}vertical",
        "\u{202e}override\u{202c} \u{2066}isolate\u{2069} \u{200e}mark",
        "\u{fffe}\u{ffff}\u{feff} nothing",
        "日本語のクラス名 한국어 中文",
        "🐍🎉 family 👨‍👩‍👧 flag 🇯🇵",
        "שלום مرحبا",
        "combining e\u{301}\u{323} zalgo Z\u{335}\u{321}",
    ]
    .map(str::to_owned)
    .to_vec();
    texts.extend(["x".repeat(16_384), "\"".repeat(16_384), "&\\\n".repeat(6_000), "語".repeat(16_384)]);
    texts.push("streamlit.runtime.scriptrunner.very.deep.package.".repeat(5));
    texts
}

/// An object.
pub(crate) fn shape(role: Role, heading: impl Into<String>, count: u64) -> Shape {
    Shape { role, heading: heading.into(), lines: Vec::new(), count, is_must_pass: false, tooltip: String::new() }
}

/// A reference.
pub(crate) fn arrow(label: impl Into<String>, note: impl Into<String>, count: u64) -> Arrow {
    Arrow { label: label.into(), note: note.into(), count }
}

/// A picture with nothing in it.
pub(crate) fn empty(title: impl Into<String>) -> Picture {
    Picture {
        name: "test".to_owned(),
        is_merged: false,
        title: title.into(),
        subtitle: String::new(),
        graph: DiGraph::new(),
    }
}

/// `module app → Node → … → Leaf`.
pub(crate) fn chain(objects: usize) -> Picture {
    let mut picture = empty("1 Leaf is held by module app");
    for index in 0..objects {
        let node = match index {
            0 => shape(Role::Root, "module app", 1),
            _ if index + 1 == objects => shape(Role::Target, "app.Leaf", 30),
            _ => shape(Role::Holder, "app.linked.Node", 1),
        };
        picture.graph.add_node(node);
        if index > 0 {
            let (from, to) = (NodeIndex::new(index - 1), NodeIndex::new(index));
            picture.graph.add_edge(from, to, arrow(".next", "dict of 34", 30));
        }
    }
    picture
}

/// Chains to one target, merged: each object has one or two holders among those shortly before it.
pub(crate) fn merged(objects: usize, seed: u64) -> Picture {
    let mut dice = Dice::new(seed);
    let mut picture = empty("412 Session are held in many ways");
    let roots = (objects / 8).max(1);
    for index in 0..objects {
        let role = match index {
            _ if index < roots => Role::Root,
            _ if index + 1 == objects => Role::Target,
            _ => *dice.pick(&[Role::Holder, Role::Holder, Role::Holder, Role::Plumbing, Role::More]),
        };
        let heading = dice.pick(&["dict", "list", "app.cache.LRU", "concurrent.futures.thread._WorkItem"]);
        picture.graph.add_node(shape(role, *heading, [1, 30][index % 2]));
    }
    for index in roots..objects {
        for _ in 0..1 + dice.below(10) / 7 {
            let first = index.saturating_sub(14);
            let from = first + dice.below(index - first);
            let label = *dice.pick(&[".cache", "['key']", "[…]", ".__closure__[0].cell_contents", ""]);
            let reference = arrow(label, *dice.pick(&["", "dict of 34"]), 1 + dice.below(200) as u64);
            picture.graph.add_edge(NodeIndex::new(from), NodeIndex::new(index), reference);
        }
    }
    picture
}

/// Any graph at all: cycles, loops, parallel arrows, isolated objects, nasty text.
pub(crate) fn wild(seed: u64) -> Picture {
    let mut dice = Dice::new(seed);
    let texts = nasty_texts();
    let mut picture = empty(dice.pick(&texts));
    picture.subtitle.clone_from(dice.pick(&texts));
    let objects = 1 + dice.below(30);
    for _ in 0..objects {
        let mut node = shape(*dice.pick(&ROLES), dice.pick(&texts), dice.below(40) as u64);
        node.lines = (0..dice.below(4)).map(|_| dice.pick(&texts).clone()).collect();
        node.tooltip.clone_from(dice.pick(&texts));
        picture.graph.add_node(node);
    }
    for _ in 0..dice.below(2 * objects) {
        let (from, to) = (NodeIndex::new(dice.below(objects)), NodeIndex::new(dice.below(objects)));
        let reference = arrow(dice.pick(&texts), dice.pick(&texts), dice.below(1000) as u64);
        picture.graph.add_edge(from, to, reference);
    }
    picture
}

//! The answer in words.

use std::collections::BTreeMap;

use super::reading::{ReadStep, read, short_name, title, whole_expression};
use super::{Chains, Retained, Signature, TypeAnswer, Unreached};
use super::{data, pictures};
use crate::analysis::select::Selection;
use crate::counts::{bytes_text, counted, grouped, more_of, share_text};
use crate::graph::{Heap, RootKind};
use crate::report::{Block, ChainBlock, ChainStep, Report, Span, Tone};

/// How much to show.
#[derive(Debug, Clone, Copy)]
pub struct Detail {
    /// Signatures shown of each type; the rest is counted.
    pub limit: usize,
    /// Show each hop.
    pub raw: bool,
    /// Pictures drawn at most; ways beyond are counted. None are made for 0.
    pub pictures: usize,
    /// Whether to make the data for machines.
    pub data: bool,
}

impl Default for Detail {
    /// Ten ways of each type, all of them drawn, with data.
    fn default() -> Self {
        Self { limit: 10, raw: false, pictures: usize::MAX, data: true }
    }
}

impl Chains {
    /// The answer as text, pictures and data.
    pub fn report(&self, heap: &Heap, selection: &Selection, detail: Detail) -> Report {
        let mut blocks: Vec<Block> = about_selection(selection, self);
        for answer in &self.types {
            blocks.extend(of_type(heap, answer, self.reachable, detail));
        }
        blocks.extend(notes(heap).into_iter().map(Block::Note));
        Report {
            blocks,
            pictures: pictures::pictures(heap, self, detail),
            data: if detail.data { data::data(heap, selection, self) } else { serde_json::Value::Null },
            ..Report::default()
        }
    }
}

fn about_selection(selection: &Selection, chains: &Chains) -> Vec<Block> {
    let mut blocks = Vec::new();
    for (asked, types) in &selection.ambiguous {
        let listed: Vec<String> = types.iter().map(|name| format!("`{name}`")).collect();
        let list = listed.join(", ");
        blocks.push(Block::Note(format!(
            "`{asked}` names {}, each answered apart: {list}",
            counted(types.len() as u64, "type")
        )));
    }
    for missing in &selection.missing {
        blocks.push(Block::Headline(vec![Span::plain(if missing.is_id {
            format!("no object has the id `{}`", missing.asked)
        } else {
            format!("no object is of type `{}`", missing.asked)
        })]));
        if !missing.nearest.is_empty() {
            blocks.push(Block::Line(vec![Span::plain("did you mean")]));
        }
        for (name, count) in &missing.nearest {
            blocks.push(Block::Line(vec![
                Span::plain("  "),
                Span::new(Tone::Type, name.clone()),
                Span::new(Tone::Faint, format!("  {}", counted(*count, "object"))),
            ]));
        }
    }
    if let Some(freed) = &chains.freed {
        blocks.push(Block::Headline(vec![Span::plain(format!(
            "going without frees {} ({}), {} of those asked for",
            counted(freed.objects, "object"),
            bytes_text(freed.bytes),
            grouped(freed.targets_freed)
        ))]));
    }
    if chains.excluded_references > 0 {
        blocks.push(Block::Note(format!("{} excluded", counted(chains.excluded_references, "reference"))));
    }
    blocks
}

fn of_type(heap: &Heap, answer: &TypeAnswer, reachable: Option<Retained>, detail: Detail) -> Vec<Block> {
    let ways = answer.signatures.len() as u64 + answer.further.0;
    let mut headline = vec![
        Span::new(Tone::Number, grouped(answer.count)),
        Span::plain(" "),
        Span::new(Tone::Target, short_name(heap.graph.type_name(answer.type_id))),
        Span::plain(if answer.count == 1 { " is alive" } else { " are alive" }),
    ];
    if ways > 0 {
        headline.push(Span::plain(format!(", held in {}", counted(ways, "way"))));
    }
    headline.push(Span::new(Tone::Faint, format!(" · {} shallow", bytes_text(answer.shallow_size))));
    if let Some(retained) = answer.retained.as_ref().filter(|retained| retained.objects > 0) {
        headline.push(Span::plain(format!(" · {}", retained_text(retained, reachable))));
    }
    let mut blocks = vec![Block::Headline(headline)];
    for (number, signature) in answer.signatures.iter().take(detail.limit).enumerate() {
        blocks.push(Block::Chain(chain(heap, answer, signature, number + 1, detail)));
    }
    let hidden = &answer.signatures[answer.signatures.len().min(detail.limit)..];
    let objects = hidden.iter().map(|signature| signature.objects.len() as u64).sum::<u64>() + answer.further.1;
    if objects > 0 {
        let more = hidden.len() as u64 + answer.further.0;
        let objects = counted(objects, "object");
        blocks.push(Block::Note(format!("{}, holding {objects} (--limit shows more)", more_of(more, "way"))));
    }
    blocks.extend(unreached(heap, answer));
    blocks
}

fn chain(heap: &Heap, answer: &TypeAnswer, signature: &Signature, number: usize, detail: Detail) -> ChainBlock {
    let steps = read(heap, signature, detail.raw);
    ChainBlock {
        heading: heading(heap, answer, signature, number),
        steps: steps.iter().flat_map(|step| chain_steps(heap, signature, step, detail)).collect(),
        notes: chain_notes(heap, signature, &steps, detail),
    }
}

fn heading(heap: &Heap, answer: &TypeAnswer, signature: &Signature, number: usize) -> Vec<Span> {
    let count = signature.objects.len() as u64;
    let share = if count == answer.count && answer.signatures.len() == 1 {
        if count == 1 { "the only one".to_owned() } else { format!("all {}", grouped(count)) }
    } else {
        format!("{} of {}", grouped(count), grouped(answer.count))
    };
    let mut spans = vec![
        Span::new(Tone::Faint, format!("[{number}] ")),
        Span::new(Tone::Number, share),
        Span::plain(" held by "),
        Span::new(Tone::Root, root_title(heap, signature)),
    ];
    let length = if signature.longest > signature.length {
        format!("{} to {}", grouped(signature.length), counted(signature.longest, "reference"))
    } else {
        counted(signature.length, "reference")
    };
    if let Some(retained) = &signature.retained {
        spans.push(Span::plain(format!(" · {}", retained_text(retained, None))));
    }
    spans.push(Span::new(Tone::Faint, format!(" · {length} · {}", signature.fingerprint)));
    spans
}

/// `retain 228.6 KiB together (2,616 objects, 0.5 % of the heap)`.
fn retained_text(retained: &Retained, of: Option<Retained>) -> String {
    let mut facts = vec![counted(retained.objects, "object")];
    if let Some(of) = of.filter(|of| of.bytes > 0) {
        facts.push(format!("{} of the heap", share_text(retained.bytes, of.bytes)));
    }
    if let Some(external) = retained.external.filter(|&external| external > 0) {
        facts.push(format!("{} of it outside the heap", bytes_text(external)));
    }
    format!("{} retained ({})", bytes_text(retained.bytes), facts.join(", "))
}

/// The root in words: `module streamlit.config`, `thread frame run`.
pub fn root_title(heap: &Heap, signature: &Signature) -> String {
    let kind = signature.root.kind.title();
    match &signature.root.name {
        Some(name) => format!("{kind} {}", short_name(name)),
        None => {
            let first = &signature.steps[0];
            let title = title(heap, first.object, &first.description);
            if signature.root.kind.word() == "root" { format!("root {title}") } else { format!("{kind} {title}") }
        }
    }
}

fn chain_steps(heap: &Heap, signature: &Signature, step: &ReadStep, detail: Detail) -> Vec<ChainStep> {
    let hop = &signature.steps[step.step];
    let is_target = step.expression.is_none();
    let tone = match () {
        () if step.step == 0 => Tone::Root,
        () if is_target => Tone::Target,
        () => Tone::Type,
    };
    let mut object =
        vec![Span::new(tone, if step.step == 0 { root_object(heap, signature) } else { step.title.clone() })];
    if is_target && hop.count > 1 {
        object.push(Span::new(Tone::Number, format!(" ×{}", grouped(hop.count))));
    }
    let mut facts = Vec::new();
    if !is_target && hop.count > 1 {
        facts.push(format!("×{}", grouped(hop.count)));
    }
    facts.push(bytes_text(heap.graph.shallow_size(hop.object)) + if hop.count > 1 { " each" } else { "" });
    if let Some(retained) = hop.retained.filter(|_| !is_target || hop.count == 1) {
        let who = if hop.count > 1 { "one retains" } else { "retains" };
        facts.push(format!("{who} {}", bytes_text(retained.bytes)));
    }
    if let Some(length) = hop.description.length.filter(|_| detail.raw) {
        facts.push(counted(length, "item"));
    }
    if let Some(site) = &hop.description.site {
        facts.push(format!("allocated at {site}"));
    }
    if detail.raw || is_target {
        let id = heap.graph.id_text(hop.object);
        facts.push(if hop.count > 1 { format!("e.g. {id}") } else { id });
    }
    let mut steps = vec![ChainStep {
        object,
        object_notes: vec![Span::new(Tone::Faint, facts.join(" · "))],
        reference: step.expression.clone(),
        reference_note: through(&step.through),
        is_must_pass: hop.is_must_pass && !is_target,
    }];
    if step.repeated > 0 {
        steps.push(ChainStep {
            object: vec![Span::new(Tone::Faint, format!("… {} more {}", grouped(step.repeated), step.title))],
            object_notes: Vec::new(),
            reference: step.expression.clone(),
            reference_note: String::new(),
            is_must_pass: false,
        });
    }
    steps
}

fn root_object(heap: &Heap, signature: &Signature) -> String {
    let first = &signature.steps[0];
    match signature.root.kind {
        RootKind::Module => root_title(heap, signature),
        RootKind::Frame => format!("thread {}", title(heap, first.object, &first.description)),
        RootKind::Other(_) => {
            format!("{} ({})", title(heap, first.object, &first.description), root_title(heap, signature))
        }
    }
}

fn through(passed: &[String]) -> String {
    if passed.is_empty() { String::new() } else { format!("through {}", passed.join(", ")) }
}

fn chain_notes(heap: &Heap, signature: &Signature, steps: &[ReadStep], detail: Detail) -> Vec<String> {
    let mut notes = Vec::new();
    if !detail.raw && signature.length > 0 {
        let expression = whole_expression(heap, signature);
        notes.push(match signature.sites.words() {
            Some(sites) => format!("{sites}, held by {expression}"),
            None => expression,
        });
    }
    let folded: usize = steps.iter().map(|step| step.through.len()).sum();
    if folded > 0 && !detail.raw {
        let what = counted(folded as u64, "plumbing object");
        notes.push(format!("{what} folded into the references (--raw shows each)"));
    }
    if steps.iter().any(|step| signature.steps[step.step].is_must_pass && step.expression.is_some()) {
        notes.push("◆ every chain leads through here: without it, what it retains goes".to_owned());
    }
    if !signature.disjoint_ways.is_empty() {
        notes.extend(ways_note(heap, signature));
    }
    for holder in &signature.known_holders {
        let release = holder.release.as_ref().map(|release| format!("; release: {release}"));
        notes.push(format!("{}{}", holder.what, release.unwrap_or_default()));
    }
    if signature.pass > 0 {
        notes.push("no module leads here: this is the nearest root of another kind".to_owned());
    }
    if signature.equally_short > 1 {
        let others = counted(signature.equally_short - 1, "other chain");
        let (verb, them) = if signature.equally_short == 2 { ("is", "it") } else { ("are", "them") };
        notes.push(format!("{others} {verb} equally short; the most telling of {them} is shown"));
    }
    notes
}

/// Says that no single object holds the representative, and by which ways it is held that share no object.
fn ways_note(heap: &Heap, signature: &Signature) -> Vec<String> {
    let mut notes = vec![match signature.steps.len() {
        1 => "it is a root itself; it is also held from".to_owned(),
        _ => "held by several roots: cutting one way is not enough. Ways that share no object:".to_owned(),
    }];
    for way in &signature.disjoint_ways {
        let titles = |objects: &[crate::graph::ObjectId]| -> Vec<String> {
            objects.iter().map(|&object| title(heap, object, &heap.describe(object))).collect()
        };
        let shown: Vec<String> = match way.len() {
            0..=6 => titles(way),
            length => {
                let mut shown = titles(&way[..3]);
                shown.push(format!("… {} more", length - 5));
                shown.extend(titles(&way[length - 2..]));
                shown
            }
        };
        notes.push(format!("  {}", shown.join(" → ")));
    }
    notes
}

/// Objects described one by one when no root reaches them.
const UNREACHED_SHOWN: usize = 3;

fn unreached(heap: &Heap, answer: &TypeAnswer) -> Vec<Block> {
    let Some(first) = answer.unreached.first() else {
        return Vec::new();
    };
    let count = answer.unreached.len() as u64;
    let whose =
        if count == answer.count { grouped(count) } else { format!("{} of {}", grouped(count), grouped(answer.count)) };
    let verb = if count == 1 { "is" } else { "are" };
    let mut blocks = vec![Block::Headline(vec![
        Span::new(Tone::Number, whose),
        Span::plain(format!(" {verb} not reachable from any root")),
    ])];
    let mut kinds: BTreeMap<String, u64> = BTreeMap::new();
    for (referrer, name) in answer.unreached.iter().flat_map(|object| &object.referrers) {
        let text = if name.is_wild(false) { name.wildcard().to_owned() } else { name.expression(false) };
        *kinds.entry(format!("{}{text}", short_name(heap.graph.type_name_of(*referrer)))).or_default() += 1;
    }
    let mut kinds: Vec<(String, u64)> = kinds.into_iter().collect();
    kinds.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let listed: Vec<String> =
        kinds.iter().take(6).map(|(kind, count)| format!("{kind} ×{}", grouped(*count))).collect();
    let referrers = if listed.is_empty() { "none".to_owned() } else { listed.join(", ") };
    blocks.push(Block::Line(vec![Span::plain("  direct referrers: "), Span::new(Tone::Reference, referrers)]));
    for object in answer.unreached.iter().take(UNREACHED_SHOWN) {
        blocks.push(Block::Line(one_unreached(heap, object)));
    }
    blocks.extend(outside(heap, first).map(|text| Block::Line(vec![Span::plain(text)])));
    blocks
}

fn one_unreached(heap: &Heap, unreached: &Unreached) -> Vec<Span> {
    let mut text =
        format!("    {} · {}", heap.graph.id_text(unreached.object), counted(unreached.referrer_count, "referrer"));
    if let Some(count) = unreached.reference_count {
        text.push_str(&format!(" · reference count {}", grouped(count)));
    }
    let listed = unreached.referrers.iter().map(|(referrer, name)| {
        format!(
            "{} {}{}",
            short_name(heap.graph.type_name_of(*referrer)),
            heap.graph.id_text(*referrer),
            name.expression(false)
        )
    });
    let listed: Vec<String> = listed.take(4).collect();
    if !listed.is_empty() {
        text.push_str(&format!(" · {}", listed.join(", ")));
    }
    vec![Span::new(Tone::Faint, text)]
}

fn outside(heap: &Heap, unreached: &Unreached) -> Option<String> {
    let held = unreached.held_from_outside.as_ref()?;
    let title = title(heap, held.object, &heap.describe(held.object));
    let who = if held.distance == 0 { "it".to_owned() } else { format!("{title} {}", heap.graph.id_text(held.object)) };
    Some(format!(
        "  held from outside the dump: {who} has reference count {}, but the dump has {} to it (C code or a stack holds it)",
        grouped(held.reference_count),
        counted(held.found, "reference"),
    ))
}

/// How the writer of a dump of this format says what keeps objects alive.
fn how_to_mark_a_root(format: &str) -> &'static str {
    match format {
        "NetworkX node-link" => {
            "mark one with `\"root\": true` on its node, or list the ids of all under `roots` of the graph"
        }
        "JSON Graph Format" => {
            "mark one with `\"root\": true` in its node's `metadata`, or list the ids of all under `roots` in that of the graph"
        }
        _ => "mark one with `\"root\": true` in its record",
    }
}

/// What the reader should know about the dump and the search.
pub fn notes(heap: &Heap) -> Vec<String> {
    let mut notes = heap.damage.facts();
    let graph = &heap.graph;
    if graph.roots().is_empty() {
        notes.push(format!(
            "this dump marks no roots and has no modules, so that nothing can be reached: {}",
            how_to_mark_a_root(&heap.about.format)
        ));
    } else if !heap.about.has_marked_roots {
        let modules = grouped(graph.roots().len() as u64);
        notes.push(format!("this dump marks no roots: its modules stand in for them ({modules})"));
    }
    if !heap.about.has_reference_names {
        notes.push("this dump does not name references: only names that follow from their order are shown".to_owned());
    }
    for (what, count) in &heap.about.unseen {
        notes.push(format!("the capture could not see {what}: {}", grouped(*count)));
    }
    notes
}

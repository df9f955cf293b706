//! Suspects in words.

use serde_json::Value;

use crate::analysis::chains::{Detail, dump_data};
use crate::analysis::select::Selection;
use crate::analysis::suspects::{Harmless, Large, Outside, Place, Suspect, Suspects};
use crate::counts::{bytes_text, counted, grouped, share_text};
use crate::graph::Heap;
use crate::report::{Block, Report, Span, Tone};

/// Longest expression that is printed whole, in characters.
const LONGEST: usize = 400;
/// Large places that are told.
const LARGE_TOLD: usize = 5;
/// Other holders that are told.
const OTHERS_TOLD: usize = 5;

/// The suspects as prose with chains, pictures of the chains, and data.
pub fn suspects(heap: &Heap, found: &Suspects, limit: usize) -> Report {
    let mut report = Report::default();
    // before any scapegoat is named
    let verdict = found.process.and_then(|process| process.verdict());
    report.blocks.extend(verdict.map(|verdict| Block::Headline(vec![Span::plain(verdict)])));
    if found.suspects.is_empty() {
        report.blocks.push(Block::Headline(vec![Span::plain(match found.is_clean {
            true => "nothing accumulates here that looks like a leak",
            false => "no clear suspect",
        })]));
    }
    for (number, suspect) in (1..).zip(found.suspects.iter().take(limit)) {
        report.blocks.push(Block::Headline(sentence(found, number, suspect)));
        report
            .blocks
            .extend(remarks(suspect).into_iter().map(|text| Block::Line(vec![Span::plain(format!("  {text}"))])));
        if let Some(chains) = &suspect.chains {
            let part =
                chains.report(heap, &Selection::default(), Detail { limit: 1, data: false, ..Detail::default() });
            report.blocks.extend(part.blocks.into_iter().filter(|block| matches!(block, Block::Chain(_))));
            report.pictures.extend(part.pictures.into_iter().take(1));
        }
    }
    report.blocks.extend(found.large.iter().take(LARGE_TOLD).map(|large| large_note(found, large)));
    report.blocks.extend(
        heap.damage
            .facts()
            .into_iter()
            .map(|fact| Block::Note(format!("{fact}: what it lacks is not among the suspects"))),
    );
    report.data = data(heap, found, limit);
    report
}

fn data(heap: &Heap, found: &Suspects, limit: usize) -> Value {
    let mut data = serde_json::to_value(found).unwrap_or_default();
    if let Value::Object(fields) = &mut data {
        fields.insert("schema".into(), 1.into());
        fields.insert("dump".into(), dump_data(heap));
        fields.insert("memory".into(), found.process.map_or(Value::Null, |process| process.data()));
        if let Some(Value::Array(suspects)) = fields.get_mut("suspects") {
            suspects.truncate(limit);
        }
    }
    data
}

fn sentence(found: &Suspects, number: u32, suspect: &Suspect) -> Vec<Span> {
    let classes = if suspect.are_classes { "classes, each a " } else { "" };
    let mut spans = vec![
        Span::new(Tone::Faint, format!("suspect {number}  ")),
        Span::new(Tone::Number, grouped(if suspect.count == 0 { suspect.items } else { suspect.count })),
        Span::plain(format!(" {classes}")),
        Span::new(Tone::Target, if suspect.count == 0 { "references".to_owned() } else { suspect.type_name.clone() }),
    ];
    let others = suspect.user_types.iter().chain(&suspect.elements).filter(|of| of.type_name != suspect.type_name);
    let mut told: Vec<String> = Vec::new();
    for of in others {
        let text = format!("{} {}", grouped(of.count), of.type_name);
        if told.len() < 3 && !told.contains(&text) {
            told.push(text);
        }
    }
    if !told.is_empty() {
        spans.push(Span::plain(format!(" with {}", told.join(", "))));
    }
    let share = share_text(suspect.retained, found.reachable);
    spans.push(Span::plain(format!(", {}, {share} of the heap, ", bytes_text(suspect.retained))));
    spans.extend(held(suspect));
    spans
}

fn held(suspect: &Suspect) -> Vec<Span> {
    let holder = || {
        let known = suspect.expression.clone().or_else(|| suspect.holder_type.clone());
        Span::new(Tone::Reference, bounded(&known.unwrap_or_default()))
    };
    let items = |what: &str| Span::plain(format!(" ({})", counted(suspect.items, what)));
    match suspect.place {
        Place::Container if suspect.together_with.is_empty() => {
            vec![Span::plain("all held through "), holder(), items("reference")]
        }
        Place::Container => vec![Span::plain("held together by "), holder(), items("reference")],
        Place::Names => vec![Span::plain("under names made at run time: "), holder(), items("name")],
        Place::Linked => vec![Span::plain("in a chain from "), holder()],
        Place::Roots => vec![Span::plain("held by "), holder()],
        Place::Unreached => vec![Span::plain(match &suspect.outside {
            Some(Outside::HeldFromOutside { .. }) => "which no root reaches: held from outside the dump",
            Some(Outside::Garbage { .. }) => "which no root reaches: uncollected garbage: reference cycles",
            _ => "which no root reaches; the dump has no reference counts that would tell why",
        })],
    }
}

/// What there is to say beside the sentence.
fn remarks(suspect: &Suspect) -> Vec<String> {
    let mut remarks = Vec::new();
    for other in suspect.together_with.iter().take(OTHERS_TOLD) {
        let expression = other.expression.as_ref().unwrap_or(&other.holder_type);
        remarks.push(format!("and by {}", bounded(expression)));
    }
    if suspect.together_with.len() > OTHERS_TOLD {
        let more = suspect.together_with.len() - OTHERS_TOLD;
        remarks.push(format!("and by {} more", grouped(more as u64)));
    }
    if suspect.dead > 0 {
        remarks.push(format!(
            "{} of them are dead bookkeeping: weak references to nothing, or empty containers",
            grouped(suspect.dead)
        ));
    }
    match &suspect.outside {
        Some(Outside::HeldFromOutside { held, of_type, reference_count, found, probably }) => {
            let table = probably.as_ref().map_or_else(
                || "native code or a stack holds them".to_owned(),
                |table| format!("probably registered with `{table}`"),
            );
            remarks.push(format!(
                "{} {of_type} with more references than the dump has (the first: {reference_count}, found {found}): {table}",
                grouped(*held)
            ));
        }
        Some(Outside::Garbage { cycle }) if !cycle.is_empty() => {
            remarks.push(format!("a cycle: {} → {}", cycle.join(" → "), cycle[0]));
        }
        _ => {}
    }
    if suspect.place == Place::Roots && suspect.expression.as_deref().is_some_and(|text| text.starts_with("context")) {
        remarks.push("reset it with its token when the value is no longer needed".to_owned());
    }
    remarks
}

fn large_note(found: &Suspects, large: &Large) -> Block {
    let reason = match large.reason {
        Harmless::Table => "a table of constants, as it seems: not suspect without growth",
        Harmless::Full => "as long as its bound: not suspect without growth",
        Harmless::Interpreter => "the interpreter's",
    };
    let place = large.expression.as_ref().unwrap_or(&large.holder_type);
    Block::Note(format!(
        "large: {} ({}), {}, {} of the heap: {reason}",
        bounded(place),
        counted(large.items, "reference"),
        bytes_text(large.bytes),
        share_text(large.bytes, found.reachable)
    ))
}

/// The expression, or its beginning and end.
fn bounded(expression: &str) -> String {
    let letters: Vec<char> = expression.chars().collect();
    if letters.len() <= LONGEST {
        return expression.to_owned();
    }
    let half = LONGEST / 2;
    let front: String = letters[..half].iter().collect();
    let back: String = letters[letters.len() - half..].iter().collect();
    format!("{front} … {back}")
}

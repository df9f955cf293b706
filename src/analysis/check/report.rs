//! A check in words, and as verdicts for machines that run tests.

use serde_json::{Value, json};

use super::{Check, Outcome, Rule, Violation};
use crate::analysis::chains::report::notes;
use crate::analysis::chains::{SCHEMA, dump_data, short_name, signature_data, whole_expression};
use crate::counts::{bytes_text, counted, grouped, more_of};
use crate::graph::Heap;
use crate::report::{Block, Finding, Picture, Report, Span, Tone, Verdict};

/// Ways whose chains are shown of each rule.
const SHOWN: usize = 3;

impl Check {
    /// The check as text, verdicts, pictures of the violating chains, and data.
    pub fn report(&self, heap: &Heap) -> Report {
        let mut report = Report::default();
        let mut shown: Vec<(&str, &str)> = Vec::new();
        for outcome in &self.outcomes {
            report.blocks.push(headline(outcome));
            if let Some(missing) = outcome.missing.as_ref().filter(|_| outcome.before.unwrap_or(0) == 0) {
                report.blocks.push(Block::Line(vec![Span::plain(missing_text(&missing.nearest))]));
            }
            let mut findings = Vec::new();
            for (number, violation) in (1..).zip(&outcome.violations) {
                let (blocks, picture) = way_blocks(heap, violation);
                findings.push(finding(heap, violation, blocks.clone()));
                let way = (violation.type_name.as_str(), violation.fingerprint.as_str());
                if number > SHOWN {
                    continue;
                }
                if shown.contains(&way) {
                    report.blocks.extend(blocks.into_iter().filter(|block| matches!(block, Block::Line(_))));
                    report
                        .blocks
                        .push(Block::Line(vec![Span::plain(format!("  {} as shown above", held_as(violation)))]));
                    continue;
                }
                shown.push(way);
                report.blocks.extend(blocks);
                report.pictures.extend(picture);
            }
            if outcome.violations.len() > SHOWN {
                let more = more_of((outcome.violations.len() - SHOWN) as u64, "way");
                report.blocks.push(Block::Note(format!("{more} (--json has all)")));
            }
            report.verdicts.push(Verdict {
                rule: outcome.rule.text(),
                kind: outcome.rule.kind().to_owned(),
                holds: outcome.holds,
                summary: summary(outcome),
                findings,
            });
        }
        let violated = self.outcomes.iter().filter(|outcome| !outcome.holds).count() as u64;
        let all = counted(self.outcomes.len() as u64, "rule");
        let verdict =
            if violated == 0 { format!("{all}, all hold") } else { format!("{all}, {} violated", grouped(violated)) };
        report.blocks.push(Block::Headline(vec![Span::plain(verdict)]));
        report.blocks.extend(notes(heap).into_iter().map(Block::Note));
        report.data = self.data(heap);
        report
    }

    fn data(&self, heap: &Heap) -> Value {
        json!({
            "schema": SCHEMA,
            "dump": dump_data(heap),
            "baseline": self.baseline,
            "holds": self.holds(),
            "rules": self.outcomes.iter().map(|outcome| json!({
                "rule": outcome.rule.text(),
                "kind": outcome.rule.kind(),
                "holds": outcome.holds,
                "found": outcome.found,
                "before": outcome.before,
                "allowed": outcome.allowed,
                "violations": outcome.violations.iter().map(|violation| violation_data(heap, violation)).collect::<Vec<_>>(),
            })).collect::<Vec<_>>(),
        })
    }
}

fn violation_data(heap: &Heap, violation: &Violation) -> Value {
    let held = violation.chains.only_way();
    json!({
        "fingerprint": violation.fingerprint,
        "type": violation.type_name,
        "count": violation.count,
        "before": violation.before,
        "chain": held.map(|(answer, held)| signature_data(heap, answer, held)),
    })
}

fn headline(outcome: &Outcome) -> Block {
    let (tone, word) = if outcome.holds { (Tone::Faint, "holds     ") } else { (Tone::Target, "violated  ") };
    Block::Headline(vec![
        Span::new(tone, word),
        Span::plain(outcome.rule.text()),
        Span::new(Tone::Plain, format!(": {}", summary(outcome))),
    ])
}

/// What was found, in half a sentence.
fn summary(outcome: &Outcome) -> String {
    let mut text = match &outcome.rule {
        Rule::Max { .. } => format!("{} alive", grouped(outcome.found)),
        Rule::MaxRetained { .. } => format!("{} retained", bytes_text(outcome.found)),
        Rule::MaxGrowth { .. } => match outcome.before {
            Some(before) if outcome.found > 0 => {
                format!("{} more than the {} of the baseline", grouped(outcome.found), grouped(before))
            }
            _ => "no more than in the baseline".to_owned(),
        },
        Rule::NoNewSignatures { .. } if outcome.found == 0 => "none new".to_owned(),
        Rule::NoNewSignatures { .. } => format!("{} that the baseline does not have", counted(outcome.found, "way")),
    };
    if outcome.allowed > 0 {
        text.push_str(&format!(", {} in allowed ways left out", counted(outcome.allowed, "object")));
    }
    text
}

fn held_as(violation: &Violation) -> String {
    match violation.fingerprint.as_str() {
        "" => format!("{} that no root reaches,", short_name(&violation.type_name)),
        fingerprint => format!("{} held in the way {fingerprint},", short_name(&violation.type_name)),
    }
}

fn missing_text(nearest: &[(String, u64)]) -> String {
    let names: Vec<&str> = nearest.iter().map(|(name, _)| name.as_str()).collect();
    if names.is_empty() {
        return "  the dump has no object of this type".to_owned();
    }
    format!("  the dump has no object of this type; did you mean {}?", names.join(", "))
}

/// What is said of a way, and its picture.
fn way_blocks(heap: &Heap, violation: &Violation) -> (Vec<Block>, Option<Picture>) {
    let (chain, picture) = violation.chains.one_way(heap);
    let mut blocks = Vec::new();
    if let Some(before) = violation.before {
        let held = if violation.fingerprint.is_empty() { " that no root reaches" } else { " held so" };
        blocks.push(Block::Line(vec![Span::plain(format!(
            "  {} {}{held}, {} in the baseline",
            grouped(violation.count),
            short_name(&violation.type_name),
            grouped(before),
        ))]));
    }
    blocks.extend(chain);
    (blocks, picture)
}

fn finding(heap: &Heap, violation: &Violation, blocks: Vec<Block>) -> Finding {
    let held = violation.chains.only_way().map(|(_, held)| held);
    let site = held.and_then(|held| held.sites.lines.first()).map(|(line, _)| line.clone());
    let what = match held {
        Some(held) => format!("held by {}", whole_expression(heap, held)),
        None => "that no root reaches".to_owned(),
    };
    let more = violation.before.map_or_else(String::new, |before| format!(" (the baseline has {})", grouped(before)));
    Finding {
        fingerprint: violation.fingerprint.clone(),
        summary: format!("{} {}{more} {what}", grouped(violation.count), short_name(&violation.type_name)),
        expression: held.map(|held| whole_expression(heap, held)),
        site,
        blocks,
    }
}

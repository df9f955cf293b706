//! Verdicts as SARIF 2.1.0, the exchange format of code scanning (OASIS standard, 2020): a rule's kind is a rule, a way of
//! being held a result, its fingerprint the result's.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::label::visible;
use super::place::{below, place};
use super::text;
use crate::report::{Finding, Report, Verdict};

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// Writes the verdicts of a report. `subject` is the dump that they are about: where a finding has no line of code, it is
/// there. `top` is the directory of the source tree: paths below it are written as seen from it.
///
/// # Errors
/// What the writer reports.
pub fn write(report: &Report, subject: &str, top: &str, out: &mut dyn Write) -> io::Result<()> {
    let mut kinds: Vec<&str> = Vec::new();
    for verdict in &report.verdicts {
        if !kinds.contains(&verdict.kind.as_str()) {
            kinds.push(&verdict.kind);
        }
    }
    let mut results = Vec::new();
    for verdict in report.verdicts.iter().filter(|verdict| !verdict.holds) {
        let rule = kinds.iter().position(|kind| *kind == verdict.kind);
        let nothing = Finding { summary: verdict.summary.clone(), ..Finding::default() };
        let findings = if verdict.findings.is_empty() { std::slice::from_ref(&nothing) } else { &verdict.findings };
        results.extend(findings.iter().map(|finding| result(verdict, rule, finding, subject, top)));
    }
    let document = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "retainers",
                "version": env!("CARGO_PKG_VERSION"),
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": kinds.iter().map(|kind| json!({
                    "id": kind,
                    "shortDescription": {"text": meaning(kind)},
                    "defaultConfiguration": {"level": "error"},
                })).collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}

fn meaning(kind: &str) -> &'static str {
    match kind {
        "max" => "More objects of a type are alive than may be.",
        "max-retained" => "The objects of a type keep more memory than they may.",
        "max-growth" => "More objects of a type are alive than in the baseline.",
        "no-new-signatures" => "Objects are held in a way that the baseline does not have.",
        _ => "A rule about what may be alive.",
    }
}

fn result(verdict: &Verdict, rule: Option<usize>, finding: &Finding, subject: &str, top: &str) -> Value {
    let message = format!(
        "{}: {}\n{}\n{}",
        visible(&verdict.rule),
        visible(&verdict.summary),
        visible(&finding.summary),
        text::plain(&finding.blocks)
    );
    let physical = match finding.site.as_deref().and_then(|site| place(site, top)) {
        Some(place) => json!({
            "artifactLocation": {"uri": uri(&place.path)},
            "region": {"startLine": place.line},
        }),
        None => json!({"artifactLocation": {"uri": uri(&below(subject, top))}}),
    };
    let mut location = json!({"physicalLocation": physical});
    if let Some(expression) = &finding.expression {
        location["logicalLocations"] = json!([{"fullyQualifiedName": visible(expression), "kind": "object"}]);
    }
    let mut result = json!({
        "ruleId": verdict.kind,
        "ruleIndex": rule,
        "level": "error",
        "message": {"text": message.trim_end()},
        "locations": [location],
    });
    if !finding.fingerprint.is_empty() {
        result["partialFingerprints"] = json!({"retainers/way/v1": finding.fingerprint});
    }
    result
}

/// A path as a URI: relative as it is, absolute as `file://`; RFC 3986's unreserved characters and `/` stand for themselves.
fn uri(path: &str) -> String {
    let is_drive = path.as_bytes().get(1) == Some(&b':') && path.as_bytes()[0].is_ascii_alphabetic();
    let mut uri = match path {
        _ if path.starts_with('/') => "file://".to_owned(),
        _ if is_drive => "file:///".to_owned(),
        _ => String::new(),
    };
    for (place, byte) in path.bytes().enumerate() {
        let stands_for_itself = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/');
        if stands_for_itself || is_drive && place == 1 {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}

//! Is this chain held by something that everyone meets, and what makes that let go?
//!
//! A table of known holders, as data: `known-holders.txt` beside this file, and the user's own in the same form.

use super::chains::Signature;
use super::exclude::ReferencePattern;
use super::pattern;
use crate::error::{Error, Result};
use crate::graph::{Heap, RootKind};

const SHIPPED: &str = include_str!("known-holders.txt");

/// Known holders, the first that fits first.
#[derive(Debug, Clone, Default)]
pub struct KnownHolders {
    rows: Vec<Row>,
}

#[derive(Debug, Clone)]
struct Row {
    selector: Selector,
    holder: KnownHolder,
}

/// What a known holder is.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct KnownHolder {
    /// Its line in the table, as a name: `object functools._lru_cache_wrapper`.
    pub selector: String,
    /// What it is.
    pub what: String,
    /// What makes it let go; `None` where nothing need be done.
    pub release: Option<String>,
}

#[derive(Debug, Clone)]
enum Selector {
    Reference(ReferencePattern),
    Object(String),
    Root { kind: String, name: Option<String> },
}

impl KnownHolders {
    /// The table that comes with the program, after the lines of `own`.
    ///
    /// # Errors
    /// A line of `own` that is no row, with its number.
    pub fn with(own: &str) -> Result<Self> {
        let mut rows = parse(own)?;
        rows.extend(parse(SHIPPED)?);
        Ok(Self { rows })
    }

    /// The known holders on a chain, the root's first, each once.
    pub fn on(&self, heap: &Heap, signature: &Signature) -> Vec<&KnownHolder> {
        let mut found: Vec<&KnownHolder> = Vec::new();
        let mut add = |fits: &dyn Fn(&Selector) -> bool| {
            let row = self.rows.iter().find(|row| fits(&row.selector));
            if let Some(row) = row.filter(|row| !found.contains(&&row.holder)) {
                found.push(&row.holder);
            }
        };
        add(&|selector| is_root(selector, signature));
        for at in 0..signature.steps.len().saturating_sub(1) {
            add(&|selector| is_object(heap, selector, signature, at));
            add(&|selector| is_reference(heap, selector, signature, at));
        }
        found
    }
}

fn parse(text: &str) -> Result<Vec<Row>> {
    let lines = (1..).zip(text.lines()).map(|(number, line)| (number, line.trim()));
    lines
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(number, line)| row(number, line))
        .collect()
}

fn row(number: usize, line: &str) -> Result<Row> {
    let wrong = |what: &str| Error::Usage(format!("known holders, line {number}: {what}: `{line}`"));
    let mut parts = line.split('|').map(str::trim);
    let (Some(selector), Some(what), Some(release), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(wrong("expected `selector | what it is | what releases it`"));
    };
    let (kind, pattern) = selector.split_once(' ').ok_or_else(|| wrong("expected a kind of selector and a pattern"))?;
    let pattern = pattern.trim();
    let parsed = match kind {
        "reference" => Selector::Reference(ReferencePattern::parse(pattern)?),
        "object" => Selector::Object(pattern.to_owned()),
        "root" => match pattern.split_once(':') {
            Some((kind, name)) => Selector::Root { kind: kind.to_owned(), name: Some(name.to_owned()) },
            None => Selector::Root { kind: pattern.to_owned(), name: None },
        },
        _ => return Err(wrong("a selector begins with `reference`, `object` or `root`")),
    };
    let release = Some(release.to_owned()).filter(|release| !release.is_empty() && release != "-");
    let holder = KnownHolder { selector: selector.to_owned(), what: what.to_owned(), release };
    Ok(Row { selector: parsed, holder })
}

fn is_root(selector: &Selector, signature: &Signature) -> bool {
    let Selector::Root { kind, name } = selector else { return false };
    let root = &signature.root;
    pattern::matches(kind, root.kind.word())
        && name.as_ref().is_none_or(|name| pattern::matches(name, root.name.as_deref().unwrap_or("")))
}

fn is_object(heap: &Heap, selector: &Selector, signature: &Signature, at: usize) -> bool {
    let Selector::Object(wanted) = selector else { return false };
    pattern::matches(wanted, heap.graph.type_name_of(signature.steps[at].object))
}

fn is_reference(heap: &Heap, selector: &Selector, signature: &Signature, at: usize) -> bool {
    let Selector::Reference(wanted) = selector else { return false };
    let step = &signature.steps[at];
    let Some(attribute) = step.reference.as_ref().and_then(|held| held.name.attribute(step.is_namespace)) else {
        return false;
    };
    // an attribute in a dictionary belongs to the object whose dictionary it is
    let owner = if step.is_namespace && at > 0 { at - 1 } else { at };
    let is_module = owner == 0 && signature.root.kind == RootKind::Module;
    let module = signature.root.name.as_deref().filter(|_| is_module);
    wanted.fits(heap.graph.type_name_of(signature.steps[owner].object), module, attribute)
}

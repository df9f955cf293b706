//! The Python that a capture from outside has the process run.
//!
//! The process stands still while text is compiled in it, 40 to 70 ms for the whole agent. So it is given only what notes what
//! the living process alone knows; the whole is loaded by the grandchild that writes the dump.

/// The capture agent: one Python file, as `retainers agent` prints it and as captures from outside run it.
pub const AGENT: &str = include_str!("../../python/retainers/agent.py");

/// Names of the agent that are needed before the fork, in the order in which they stand in it: `Before`, how signals are held
/// back around the fork, how an error is told, and what these use.
const BEFORE_FORK: [&str; 32] = [
    "_get_referents",
    "_type_mro",
    "_type_dict",
    "_QUALNAME",
    "_MODULE",
    "_MRO",
    "_has",
    "_TYPE_DICT",
    "Dump",
    "type_name",
    "_sample_types",
    "_TYPES",
    "_MODULE_TYPE",
    "_MEMBER",
    "_MODULE_DICT",
    "_instance_value",
    "_loaded",
    "_reals",
    "_real",
    "Before",
    "_foreign_frames",
    "_is_own_frame",
    "_resident",
    "_handled_exceptions",
    "_get_ident",
    "_held_by_threads",
    "_thread_names",
    "_context",
    "_error_text",
    "_mask_signals",
    "_unmask_signals",
    "_NoForkWarning",
];

/// What the process runs before it forks.
pub(super) fn before_fork() -> String {
    let parts = parts(AGENT).into_iter().filter(|part| BEFORE_FORK.contains(&defined(part)));
    let parts: Vec<&str> = parts.collect();
    format!(
        "import gc\nimport os\nimport sys\nimport time\n\n{}\n\n{}",
        parts.join("\n"),
        include_str!("../../python/from_outside.py")
    )
}

/// What is loaded where the dump is written.
pub(super) fn after_fork() -> String {
    format!("{AGENT}\n\n{}", include_str!("../../python/after_fork.py"))
}

/// The statements of a module, with the lines that belong to them.
fn parts(text: &str) -> Vec<&str> {
    let mut starts = Vec::new();
    let mut offset = 0;
    let mut is_decorated = false;
    for line in text.split_inclusive('\n') {
        let begins = line.starts_with(|first: char| first.is_alphanumeric() || first == '_' || first == '@');
        if begins && !is_decorated {
            starts.push(offset);
        }
        is_decorated = line.starts_with('@');
        offset += line.len();
    }
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    starts.iter().zip(ends).map(|(start, end)| &text[*start..end]).collect()
}

/// The name that a statement gives to something: of a function, of a class, of a variable.
fn defined(part: &str) -> &str {
    let part = part.trim_start_matches("def ").trim_start_matches("class ");
    let end = part.find(|letter: char| !(letter.is_alphanumeric() || letter == '_')).unwrap_or(part.len());
    &part[..end]
}

//! What tests share: a heap mini-language, the command as a fixture, oracles.

pub(crate) mod answers;
pub(crate) mod command;
pub(crate) mod heap;
pub(crate) mod reseal;

/// Says in the result of the tests what was not run, and why: past the harness, which shows nothing of a test that passes.
pub(crate) fn skipped(what: &str, why: &str) {
    use std::collections::BTreeSet;
    use std::io::Write;
    use std::sync::Mutex;

    static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let words = format!("skipped: {what}: {why}");
    if SAID.lock().unwrap().insert(words.clone()) {
        // whoever cannot be told cannot be told
        let _ = writeln!(std::io::stderr(), "{words}");
    }
}

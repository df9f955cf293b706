//! Something goes wrong at every stage of an injection, on our side or on theirs, and the process goes on unharmed: it counts,
//! which needs the interpreter's lock, and has the threads, files, signals and mappings that it had.

use std::collections::BTreeSet;
use std::process::Command;

use nix::sys::signal::{Signal, raise};
use nix::unistd::Pid;
use retainers::capture::inject::{Failure, Stage};
use retainers::capture::process::Process;

use super::injected::{Counting, functions, inject};
use super::target::{PYTHONS, Python};
use crate::support::command::Workshop;
use crate::support::skipped;

/// The version that most of this is tried on, and the oldest.
fn pythons() -> Vec<&'static Python> {
    let mut found: Vec<&Python> = PYTHONS.iter().filter(|python| python.minor < 14).collect();
    if found.is_empty() {
        skipped("capture::stages", "no CPython of a version that calls are injected into");
    }
    found.drain(1.min(found.len())..found.len().saturating_sub(1));
    found
}

/// The stages of an injection, as they come.
fn stages(target: &Counting) -> Vec<Stage> {
    let (process, line) = (target.process(), target.line());
    let mut found = Vec::new();
    let text = line.issue();
    inject(process, functions(process), &text, &|| line.is_taken_up(), &mut |stage| found.push(stage)).unwrap();
    target.assert_counts("after an injection");
    found
}

/// Environment variable by which this program becomes a tracer: process, index of the stage, line.
const TRACER: &str = "RETAINERS_TEST_TRACER";

#[test]
fn tracer() {
    let Ok(asked) = std::env::var(TRACER) else { return };
    let mut words = asked.splitn(3, '|');
    let process = Process(Pid::from_raw(words.next().unwrap().parse().unwrap()));
    let last: usize = words.next().unwrap().parse().unwrap();
    let text = words.next().unwrap();
    let mut count = 0;
    let mut at = |_| {
        if count == last {
            raise(Signal::SIGKILL).unwrap();
        }
        count += 1;
    };
    // what was queued has run when there is no ticket, which is not known here
    let _ = inject(process, functions(process), text, &|| false, &mut at);
}

/// The tracer is killed at each step, and what it began in the process is brought to its end without it.
fn a_killed_tracer_leaves_nothing(state: &str) {
    for python in pythons() {
        let target = Counting::start(&python.path, state);
        let before = target.facts();
        let line = target.line();
        for (index, stage) in stages(&target).into_iter().enumerate() {
            let text = line.issue();
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.args(["capture::stages::tracer", "--exact", "--nocapture"]);
            command.env(TRACER, format!("{}|{index}|{text}", target.process().0));
            let output = command.output().unwrap();
            let killed = std::os::unix::process::ExitStatusExt::signal(&output.status);
            assert_eq!(killed, Some(9), "3.{} {state}, {index} {stage:?}: {output:?}", python.minor);
            target.assert_unharmed(&before, &format!("3.{}, tracer killed at {index}, {stage:?}", python.minor));
            line.withdraw();
        }
        let ran = line.ran();
        assert!(ran > 1, "3.{} {state}: ran {ran} times", python.minor);
        // and it can be done again
        stages(&target);
        target.assert_unharmed(&before, "in the end");
    }
}

#[test]
fn a_killed_tracer_leaves_a_sleeping_process_as_it_was() {
    a_killed_tracer_leaves_nothing("long_sleep");
}

#[test]
fn a_killed_tracer_leaves_a_busy_process_as_it_was() {
    a_killed_tracer_leaves_nothing("busy");
}

/// The first time of each stage.
fn distinct(stages: &[Stage]) -> BTreeSet<Stage> {
    stages.iter().copied().collect()
}

#[test]
fn a_process_that_ends_on_the_way_is_told_so() {
    for python in pythons() {
        let all = distinct(&stages(&Counting::start(&python.path, "long_sleep")));
        assert!(all.len() >= 12, "{all:?}");
        for stage in all {
            let mut target = Counting::start(&python.path, "long_sleep");
            let (process, line) = (target.process(), target.line());
            let (text, functions) = (line.issue(), functions(process));
            let mut ended = false;
            let mut at = |now| {
                if now == stage && !std::mem::replace(&mut ended, true) {
                    target.kill();
                }
            };
            let result = inject(process, functions, &text, &|| line.is_taken_up(), &mut at);
            // from the last stage on it has been done
            let is_told = matches!(result, Err(Failure::Ended | Failure::Impossible(_)));
            assert!(is_told || stage >= Stage::Unmapping && result.is_ok(), "{stage:?}: {result:?}");
        }
    }
}

#[test]
fn a_process_that_runs_another_program_on_the_way_is_left_alone() {
    for python in pythons() {
        let all = distinct(&stages(&Counting::start(&python.path, "long_sleep")));
        for stage in all {
            let mut target = Counting::start(&python.path, "long_sleep");
            let (process, line) = (target.process(), target.line());
            let (text, functions) = (line.issue(), functions(process));
            let mut is_asked = false;
            let mut at = |now| {
                if now == stage && !std::mem::replace(&mut is_asked, true) {
                    target.run_anew("asleep");
                    // where the thread that would do it waits for the interpreter's lock, it does so later
                    for _ in 0..100 {
                        if target.command_line().contains(" asleep ") {
                            break;
                        }
                        std::thread::sleep(std::time::Duration::from_millis(10));
                    }
                }
            };
            let result = inject(process, functions, &text, &|| line.is_taken_up(), &mut at);
            target.assert_counts(&format!("3.{}, another program at {stage:?}: {result:?}", python.minor));
            while !target.command_line().contains(" asleep ") {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            target.assert_counts(&format!("3.{}, another program at {stage:?}: {result:?}", python.minor));
            let facts = format!("{:?}", target.facts());
            assert!(facts.contains("tracer: 0") && facts.contains("code: 0"), "{stage:?}: {facts}, {result:?}");
        }
    }
}

#[test]
fn a_call_that_fails_changes_nothing() {
    for python in pythons() {
        for state in ["long_sleep", "busy"] {
            let target = Counting::start(&python.path, state);
            let (process, line) = (target.process(), target.line());
            let (before, good) = (target.facts(), functions(process));
            for name in ["run", "ensure", "check", "is_initialized", "add_pending_call"] {
                let mut bad = good.clone();
                let place = match name {
                    "run" => &mut bad.run,
                    "ensure" => &mut bad.ensure,
                    "check" => &mut bad.check,
                    "is_initialized" => &mut bad.is_initialized,
                    _ => &mut bad.add_pending_call,
                };
                *place = 8;
                // a busy process is asked for less, and a sleeping one has nothing queued; a bad line that is queued would be
                // the interpreter's to call
                let is_called = matches!(
                    (state, name),
                    (_, "is_initialized") | ("long_sleep", "run" | "ensure" | "check") | ("busy", "add_pending_call")
                );
                if !is_called {
                    continue;
                }
                let text = line.issue();
                let result = inject(process, bad, &text, &|| line.is_taken_up(), &mut |_| {});
                let is_told = matches!(&result, Err(Failure::Call(words)) if words.contains("signal 11 at 0x8"));
                assert!(is_told, "3.{} {state} {name}: {result:?}", python.minor);
                target.assert_unharmed(&before, &format!("3.{}, no function {name}", python.minor));
            }
            stages(&target);
        }
    }
}

#[test]
fn a_line_that_raises_is_told_so() {
    for python in pythons() {
        let target = Counting::start(&python.path, "long_sleep");
        let before = target.facts();
        let result = inject(target.process(), functions(target.process()), "raise SystemError", &|| true, &mut |_| {});
        assert_eq!(result, Err(Failure::Raised));
        let result = inject(target.process(), functions(target.process()), "no line (", &|| true, &mut |_| {});
        assert_eq!(result, Err(Failure::Raised));
        target.assert_unharmed(&before, "after a line that raised");
    }
}

#[test]
fn a_process_whose_main_thread_has_ended_is_told_so() {
    let Some(python) = pythons().pop() else { return };
    let target = Counting::start(&python.path, "main_ended");
    let pid = target.process().0.to_string();
    while target.process().status().is_ok_and(|status| status.state != 'Z') {
        std::thread::yield_now();
    }
    let ran = Workshop::new().run(&["capture", &pid, "-o", "heap.jsonl"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("its main thread has ended while others go on"), "{}", ran.stderr);
}

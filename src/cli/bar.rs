//! A progress bar on standard error: only on a terminal, and only for work of more than a second.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::counts::counted;
use crate::progress::{Phase, Progress, Snapshot};

const PATIENCE: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(100);

/// Shows a [`Progress`] until it is dropped.
pub struct Bar {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Bar {
    /// Watches `progress`; does nothing when `quiet` or when standard error is no terminal.
    pub fn watch(progress: &Arc<Progress>, quiet: bool) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        if quiet || !std::io::stderr().is_terminal() {
            return Self { stop, thread: None };
        }
        let (progress, stopped) = (Arc::clone(progress), Arc::clone(&stop));
        Self { stop, thread: Some(std::thread::spawn(move || draw(&progress, &stopped))) }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // a bar that failed to draw is no reason to fail the work
            let _ = thread.join();
        }
    }
}

fn draw(progress: &Progress, stop: &AtomicBool) {
    let started = Instant::now();
    let mut bar: Option<ProgressBar> = None;
    while !stop.load(Ordering::Relaxed) {
        std::thread::park_timeout(TICK);
        if started.elapsed() > PATIENCE {
            let bar = bar.get_or_insert_with(new_bar);
            show(bar, progress.snapshot(), started.elapsed());
        }
    }
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
}

fn new_bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(1), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{prefix:>14} {bar:30} {percent:>3} %  {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

fn show(bar: &ProgressBar, now: Snapshot, elapsed: Duration) {
    bar.set_length(now.total.max(1));
    bar.set_position(if now.total == 0 { 0 } else { now.done.min(now.total) });
    bar.set_prefix(title(now.phase));
    if now.objects > 0 {
        let per_second = u128::from(now.objects) * 1_000 / elapsed.as_millis().max(1);
        let per_second = u64::try_from(per_second).unwrap_or(u64::MAX);
        bar.set_message(format!("{}, {} a second", counted(now.objects, "object"), crate::counts::grouped(per_second)));
    }
    bar.tick();
}

fn title(phase: Phase) -> &'static str {
    match phase {
        Phase::Idle => "starting",
        Phase::Decompress => "decompressing",
        Phase::Read => "reading",
        Phase::Link => "linking",
        Phase::Search => "searching",
        Phase::Draw => "drawing",
    }
}

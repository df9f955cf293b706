//! Leaks of real libraries from public bug reports, and programs that do not leak: the true holder comes first.
//!
//! The dumps are beside the project, or where `RETAINERS_WILD` says. They are scored by the script that comes with them.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::skipped;

fn wild() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/wild");
    let path = std::env::var_os("RETAINERS_WILD").map_or(beside, PathBuf::from);
    if path.join("score.py").exists() {
        return Some(path);
    }
    skipped("evidence::wild", "leaks from the wild are not here; RETAINERS_WILD says where they are");
    None
}

/// The files of an archive of plain files.
fn unpack(archive: &Path, into: &Path) {
    let mut decoder = zstd::stream::Decoder::new(std::fs::File::open(archive).unwrap()).unwrap();
    decoder.window_log_max(27).unwrap();
    let mut tar = Vec::new();
    std::io::copy(&mut decoder, &mut tar).unwrap();
    let mut rest = &tar[..];
    while rest.len() > 512 && rest[0] != 0 {
        let text = |from: usize, to: usize| {
            let field = String::from_utf8_lossy(&rest[from..to]).into_owned();
            field.split('\0').next().unwrap_or("").trim().to_owned()
        };
        let size = usize::from_str_radix(&text(124, 136), 8).unwrap();
        let name = text(0, 100);
        if rest[156] == b'0' {
            std::fs::write(into.join(name.rsplit('/').next().unwrap()), &rest[512..512 + size]).unwrap();
        }
        rest = &rest[512 + size.next_multiple_of(512)..];
    }
}

/// The totals of the score of all cases of some folders.
fn score(wild: &Path, folders: &[&str]) -> Option<Value> {
    let mut cases: Vec<PathBuf> = folders
        .iter()
        .flat_map(|folder| std::fs::read_dir(wild.join(folder)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("bench.json").exists())
        .collect();
    cases.sort();
    let (mut rows, mut healthy) = (Vec::new(), Vec::new());
    for case in cases {
        // one at a time: unpacked they are up to 100 MB each
        let directory = TempDir::new().unwrap();
        std::fs::copy(case.join("bench.json"), directory.path().join("bench.json")).unwrap();
        unpack(&case.join("dumps.tar.zst"), directory.path());
        let result = directory.path().join("score.json");
        let mut command = Command::new("python3");
        command.arg(wild.join("score.py")).arg(env!("CARGO_BIN_EXE_retainers")).arg(directory.path());
        let Ok(ran) = command.arg("--json").arg(&result).output() else {
            skipped("evidence::wild", "the score of leaks from the wild needs python3");
            return None;
        };
        assert!(ran.status.success(), "{}: {}", case.display(), String::from_utf8_lossy(&ran.stderr));
        let scored: Value = serde_json::from_slice(&std::fs::read(result).unwrap()).unwrap();
        rows.extend(scored["cases"].as_array().unwrap().iter().cloned());
        healthy.extend(scored["healthy"].as_array().unwrap().iter().cloned());
    }
    Some(serde_json::json!({"cases": rows, "healthy": healthy}))
}

#[test]
fn the_true_holder_of_leaks_from_the_wild_comes_first() {
    let Some(scored) = wild().and_then(|wild| score(&wild, &["cases", "healthy"])) else { return };
    let cases = scored["cases"].as_array().unwrap();
    let within = |key: &str, most: u64| {
        cases.iter().filter(|case| case[key].as_u64().is_some_and(|rank| rank <= most)).count() * 100
    };
    let all = cases.len();
    assert!(all > 0);
    assert!(within("s_rank", 1) >= 80 * all, "{scored:#}");
    assert!(within("s_rank", 3) >= 95 * all, "{scored:#}");
    assert!(within("g_rank", 1) >= 95 * all, "{scored:#}");
    assert_eq!(within("g_rank", 2), 100 * all, "{scored:#}");
    assert!(cases.iter().all(|case| case["s_nothing"] == false && case["g_nothing"] == false), "{scored:#}");
    let healthy = scored["healthy"].as_array().unwrap();
    assert!(healthy.iter().all(|program| program["above"] == 0 && program["false_growth"] == 0), "{scored:#}");
}

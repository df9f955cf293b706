//! Each layer uses only those to its left, so that an arrow never points back.

use std::path::{Path, PathBuf};

/// `ending` knows nothing but the system; `redact` rewrites records, so it stands on `format`; `capture` makes dumps and knows nothing but errors and counts: it
/// stands before `cli`, which alone uses it; so does `watch`, which looks at processes from outside.
const LAYERS: [&str; 17] = [
    "counts",
    "progress",
    "error",
    "ending",
    "source",
    "sink",
    "graph",
    "format",
    "redact",
    "report",
    "analysis",
    "tell",
    "present",
    "native_core",
    "capture",
    "watch",
    "cli",
];

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The layer of a file below `src`, from the first part of its path.
fn layer(path: &Path, source: &Path) -> Option<usize> {
    let first = path.strip_prefix(source).unwrap().components().next().unwrap();
    let name = first.as_os_str().to_string_lossy();
    LAYERS.iter().position(|layer| name.trim_end_matches(".rs") == *layer)
}

#[test]
fn no_layer_uses_a_later_one() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&source, &mut files);
    let mut checked = 0;
    for file in files {
        let Some(own) = layer(&file, &source) else { continue };
        let text = std::fs::read_to_string(&file).unwrap();
        let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        let text = code.join("\n");
        for (later, name) in LAYERS.iter().enumerate().skip(own + 1) {
            let uses = text.contains(&format!("crate::{name}::"));
            assert!(!uses, "{} is of layer {} and uses {name} ({later})", file.display(), LAYERS[own]);
        }
        checked += 1;
    }
    assert!(checked > 20, "only {checked} files found");
}

//! Where a finding is in a source tree, for tools that show findings beside the code.

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Path below the top of the tree, with `/` between its parts; absolute where the file is not in the tree.
    pub path: String,
    /// From 1.
    pub line: u64,
}

/// The place that an allocation site `file:line` means, seen from `top`, the directory of the tree. `None` where the file
/// has no path, as `<string>`.
pub fn place(site: &str, top: &str) -> Option<Place> {
    let (file, line) = site.rsplit_once(':')?;
    let line = line.parse().ok().filter(|&line| line > 0)?;
    if file.is_empty() || file.starts_with('<') {
        return None;
    }
    Some(Place { path: below(file, top), line })
}

/// A path seen from `top`.
pub fn below(path: &str, top: &str) -> String {
    let path = path.replace('\\', "/");
    let top = top.replace('\\', "/");
    let inner = path.strip_prefix(top.trim_end_matches('/')).and_then(|rest| rest.strip_prefix('/'));
    match inner.filter(|_| !top.is_empty()) {
        Some(inner) => inner.to_owned(),
        None => path.strip_prefix("./").unwrap_or(&path).to_owned(),
    }
}

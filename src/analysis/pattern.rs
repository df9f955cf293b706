//! Glob patterns over names: `*` stands for any run of characters, `?` for one.

/// Whether `text` matches `pattern` as a whole. Linear in the length of both but for backtracking to the last `*`.
pub fn matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    let mut last_star = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                last_star = Some((p, t));
                p += 1;
            }
            Some(&expected) if expected == '?' || expected == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((star, taken)) = last_star else { return false };
                p = star + 1;
                t = taken + 1;
                last_star = Some((star, t));
            }
        }
    }
    pattern[p..].iter().all(|&rest| rest == '*')
}

/// Whether `pattern` has wildcards.
pub fn is_glob(pattern: &str) -> bool {
    pattern.contains(['*', '?'])
}

/// Whether `pattern` is the end of the dotted name `text`, at a dot, or the whole of it: `SessionState` for
/// `streamlit.state.session_state.SessionState`.
pub fn is_bare_name_of(pattern: &str, text: &str) -> bool {
    text.strip_suffix(pattern).is_some_and(|front| front.is_empty() || front.ends_with('.'))
}

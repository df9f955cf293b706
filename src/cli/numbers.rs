//! Numbers as they are typed, and what is said of those that are none.

/// Parses how many are shown: `0` is for all.
///
/// # Errors
/// It is no such number.
pub fn limit(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| "expected a whole number: how many are shown at most, or 0 for no limit".to_owned())
}

/// Parses a whole number.
///
/// # Errors
/// It is none, or less than 0.
pub fn count(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| "expected a whole number of 0 or more".to_owned())
}

/// Parses a percentage.
///
/// # Errors
/// It is not from 0 to 100.
pub fn percent(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| (0.0..=100.0).contains(number));
    number.ok_or_else(|| "expected a percentage from 0 to 100".to_owned())
}

/// Parses the number of a process.
///
/// # Errors
/// It is none: a name, as a rule.
pub fn pid(text: &str) -> Result<i32, String> {
    let number = text.parse().ok().filter(|&pid: &i32| pid > 0);
    number.ok_or_else(|| {
        format!(
            "expected the number of a process (its pid), such as 4242; by a text in its command line: --name {text}"
        )
    })
}

//! What a dump has to hold to: rules as they are typed or written in a file.
//!
//! ```text
//! # one rule a line; what follows a hash is a remark
//! max           shop.Session = 1
//! max-retained  shop.cache.Cache = 50MiB
//! max-growth    Session = 0
//! no-new-signatures shop.*
//! allow         c6db99c02522   # the cache of templates, on purpose
//! ```

use crate::counts::parse_bytes;
use crate::error::{Error, Result};

/// A rule. Types are named as for the main question: a qualified name, a bare class name, or a glob; what a name means
/// together counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// At most so many objects.
    Max {
        /// Of which type.
        type_name: String,
        /// How many there may be.
        objects: u64,
    },
    /// What the objects retain together is at most so large.
    MaxRetained {
        /// Of which type.
        type_name: String,
        /// Bytes that they may retain.
        bytes: u64,
    },
    /// At most so many objects more than in the baseline.
    MaxGrowth {
        /// Of which type.
        type_name: String,
        /// How many more there may be.
        objects: u64,
    },
    /// No way of being held that the baseline does not have.
    NoNewSignatures {
        /// Of which types; of the program's own and installed packages' where none is named.
        type_name: Option<String>,
    },
}

impl Rule {
    /// `max`, `max-retained`, `max-growth`, `no-new-signatures`: the option and the word in a file.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Max { .. } => "max",
            Self::MaxRetained { .. } => "max-retained",
            Self::MaxGrowth { .. } => "max-growth",
            Self::NoNewSignatures { .. } => "no-new-signatures",
        }
    }

    /// The rule as it can be typed again, without its dashes.
    pub fn text(&self) -> String {
        match self {
            Self::Max { type_name, objects } | Self::MaxGrowth { type_name, objects } => {
                format!("{} {type_name}={objects}", self.kind())
            }
            Self::MaxRetained { type_name, bytes } => {
                format!("{} {type_name}={}", self.kind(), exact_bytes(*bytes))
            }
            Self::NoNewSignatures { type_name: Some(type_name) } => format!("{} {type_name}", self.kind()),
            Self::NoNewSignatures { type_name: None } => self.kind().to_owned(),
        }
    }

    /// The types that it is about, where it names any.
    pub fn type_name(&self) -> Option<&str> {
        match self {
            Self::Max { type_name, .. } | Self::MaxRetained { type_name, .. } | Self::MaxGrowth { type_name, .. } => {
                Some(type_name)
            }
            Self::NoNewSignatures { type_name } => type_name.as_deref(),
        }
    }

    /// Whether it takes a baseline.
    pub fn compares(&self) -> bool {
        matches!(self, Self::MaxGrowth { .. } | Self::NoNewSignatures { .. })
    }

    /// The rule `kind` with its argument, such as `SessionState=1`; empty where it has none.
    ///
    /// # Errors
    /// [`Error::Usage`] in words that name the argument.
    pub fn parse(kind: &str, argument: &str) -> Result<Self> {
        let wrong = |what: &str| Error::Usage(format!("`{kind} {argument}`: {what}"));
        if kind == "no-new-signatures" {
            let type_name = Some(argument.trim().to_owned()).filter(|name| !name.is_empty());
            return Ok(Self::NoNewSignatures { type_name });
        }
        let (type_name, limit) = argument.rsplit_once('=').ok_or_else(|| wrong("expected TYPE=LIMIT"))?;
        let (type_name, limit) = (type_name.trim().to_owned(), limit.trim());
        if type_name.is_empty() {
            return Err(wrong("expected a type before `=`"));
        }
        let objects = || limit.replace(',', "").parse::<u64>().map_err(|_| wrong("expected a number after `=`"));
        match kind {
            "max" => Ok(Self::Max { type_name, objects: objects()? }),
            "max-growth" => Ok(Self::MaxGrowth { type_name, objects: objects()? }),
            "max-retained" => {
                let bytes = parse_bytes(limit).ok_or_else(|| wrong("expected a size such as 50MiB after `=`"))?;
                Ok(Self::MaxRetained { type_name, bytes })
            }
            _ => Err(wrong("no such rule: max, max-retained, max-growth, no-new-signatures, allow")),
        }
    }
}

/// A size as it can be typed again, nothing rounded: in the largest unit of which it is a multiple.
fn exact_bytes(bytes: u64) -> String {
    let units = [(1u64 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let fits = units.iter().find(|(unit, _)| bytes > 0 && bytes.is_multiple_of(*unit));
    fits.map_or_else(|| bytes.to_string(), |(unit, name)| format!("{}{name}", bytes / unit))
}

/// All that a dump has to hold to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// In the order in which they were given.
    pub rules: Vec<Rule>,
    /// Fingerprints of ways that are meant to be: what is held so does not count.
    pub allowed: Vec<String>,
}

impl Rules {
    /// Adds the rules of a file.
    ///
    /// # Errors
    /// [`Error::Usage`] with the number of the line.
    pub fn add_file(&mut self, name: &str, text: &str) -> Result<()> {
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.split('#').next().unwrap_or("").trim();
            let Some(kind) = line.split_whitespace().next() else { continue };
            let argument = line[kind.len()..].trim();
            let at_line = |error| match error {
                Error::Usage(what) => Error::Usage(format!("{name}, line {number}: {what}")),
                other => other,
            };
            match kind {
                "allow" => self.allow(argument).map_err(at_line)?,
                _ => self.rules.push(Rule::parse(kind, argument).map_err(at_line)?),
            }
        }
        Ok(())
    }

    /// Allows a way by its fingerprint.
    ///
    /// # Errors
    /// [`Error::Usage`] where it is none.
    pub fn allow(&mut self, fingerprint: &str) -> Result<()> {
        let is_fingerprint = fingerprint.len() == 12 && fingerprint.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_fingerprint {
            let what =
                format!("`allow {fingerprint}`: expected a fingerprint, twelve hexadecimal digits as answers show");
            return Err(Error::Usage(what));
        }
        self.allowed.push(fingerprint.to_ascii_lowercase());
        Ok(())
    }

    pub(super) fn allows(&self, fingerprint: &str) -> bool {
        self.allowed.iter().any(|allowed| allowed == fingerprint)
    }
}

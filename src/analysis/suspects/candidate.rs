//! A place that may be named, before it is worked out.

use super::evidence::Contents;
use super::unreached::Outside;
use crate::analysis::origin::Origin;
use crate::graph::ObjectId;

/// What kind of place it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// A container.
    Container {
        /// It holds few objects again and again.
        is_same_again: bool,
    },
    /// Attributes of one object whose names differ in digits only.
    Names(String),
    /// Objects of one type that hang on each other.
    Linked,
    /// Roots of one kind with one name.
    Roots(String),
    /// No root reaches them.
    Unreached(Outside),
}

/// A place with what piles up there.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) place: Place,
    /// The container, the owner of the names, the first of the linked objects.
    pub(super) holder: Option<ObjectId>,
    /// Others that hold the same elements.
    pub(super) others: Vec<ObjectId>,
    /// References to items.
    pub(super) items: u64,
    /// By address, each once.
    pub(super) elements: Vec<ObjectId>,
    pub(super) bytes: u64,
    pub(super) contents: Contents,
    /// Whose code the owner is.
    pub(super) owner: Origin,
    /// The holder as a Python expression.
    pub(super) expression: Option<String>,
}

//! What was found out about a heap, for whoever needs it again.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::index::Index;

/// Results about a heap, one of each type: computed by one question and used by the next, or read from an index.
#[derive(Default)]
pub struct Results {
    index: Option<Index>,
    kept: Mutex<Vec<Arc<dyn Any + Send + Sync>>>,
}

impl Results {
    /// The results that are in an index.
    pub fn of_index(index: Index) -> Self {
        Self { index: Some(index), kept: Mutex::default() }
    }

    /// The index from which the heap comes, if it does.
    pub fn index(&self) -> Option<&Index> {
        self.index.as_ref()
    }

    /// The result of this type, if it is known.
    pub fn get<R: Any + Send + Sync>(&self) -> Option<Arc<R>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find_map(|result| Arc::clone(result).downcast().ok())
    }

    /// Keeps a result. One that is known already stays.
    pub fn keep<R: Any + Send + Sync>(&self, result: R) -> Arc<R> {
        if let Some(known) = self.get() {
            return known;
        }
        let result = Arc::new(result);
        let kept: Arc<dyn Any + Send + Sync> = Arc::<R>::clone(&result);
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).push(kept);
        result
    }
}

impl fmt::Debug for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Results").field("index", &self.index).finish_non_exhaustive()
    }
}

//! Tests of `src/capture`: living processes in every state, captured and left as they were.

mod bytes;
mod live;
mod refused;
mod target;

//! Tests of `src/capture`: living processes in every state, captured and left as they were.

mod bytes;
mod family;
mod injected;
mod live;
mod machine;
mod refused;
mod stages;
mod stress;
mod target;

//! The tests that no single crate can hold: what must be true of the whole.
//!
//! There is one integration binary, `tests/tests/all/main.rs`, with a module a subject: each binary more would link
//! the whole tree once more. Shared harness code is this library's. Nobody imports this crate.
//!
//! A test that needs a part nobody here wrote, or minutes, is `#[ignore = "the reason"]`: `cargo xtask test` installs
//! the parts, names their folder in `GREENROOM_TEST_PARTS` (and the model in `GREENROOM_MODEL_PATH`) and runs ignored
//! tests too. Such a test fails when its part is missing; it never passes by skipping itself.
//!
//! Scenarios that are played in a browser are scripts in `tests/browser`; `tests/tests/all/page.rs` sets the stage for
//! them and kills what they want killed.
//!
//! A test that starts the built binary finds it in `GREENROOM_BIN`, in the fast run too.

/// The examples of `docs/agents.md`, compiled and run with the other examples of documents.
#[cfg(doctest)]
#[doc = include_str!("../../docs/agents.md")]
pub struct AgentsDocument;

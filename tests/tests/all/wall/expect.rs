//! What a call comes to, and whether it did.

use serde_json::Value;

use super::caller::Heard;
use super::judge::{Finish, Verdict};
use super::upstream::FIGURES;
use super::words::Figures;

/// No call makes more tries.
const TRIES_AT_MOST: u32 = 6;

/// What a caller hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expect {
    /// The whole answer of the next target; so many tries in all.
    Good(u32),
    /// The whole answer of the target that has the fault; so many tries.
    Own(u32),
    /// The answer of the target that has the fault, gone on with by the next one; so many tries.
    Joined(u32),
    /// Its answer that ends by a content filter, as it is.
    Filtered,
    /// What was said before the fault, then an error.
    Broken,
    /// An error with this status.
    Refused(u16),
    /// The fault can't be there.
    Skip,
}

/// What was there to be heard.
pub(super) struct Told<'a> {
    /// What the target with the fault says, and the one behind it.
    pub(super) own: &'a str,
    pub(super) good: &'a str,
    /// Calls that came to the two.
    pub(super) calls: (u32, u32),
    /// Its figures are the upstream's own, to the token: what a lost try used is added only where another
    /// goes on with it.
    pub(super) is_relayed: bool,
}

impl Told<'_> {
    fn figures_fit(&self, figures: Option<Figures>, is_joined: bool) -> bool {
        let Some(Figures { input, output }) = figures else {
            return false;
        };
        let is_at_least = input >= FIGURES.input && output >= FIGURES.output;
        is_at_least && (!self.is_relayed || is_joined || figures == Some(FIGURES))
    }
}

impl Expect {
    /// In words, for the documents.
    pub(super) fn words(self) -> String {
        match self {
            Self::Good(_) => "the next target's answer".to_owned(),
            Self::Own(1) => "its answer".to_owned(),
            Self::Own(_) => "its answer, at the next try".to_owned(),
            Self::Joined(_) => "its answer, gone on with by the next target".to_owned(),
            Self::Filtered => "its answer, ended by the filter".to_owned(),
            Self::Broken => "what was said, then an error".to_owned(),
            Self::Refused(status) => format!("error {status}"),
            Self::Skip => "–".to_owned(),
        }
    }

    /// Why what was heard is something else, if it is.
    pub(super) fn judge(self, heard: &Heard, told: &Told<'_>) -> Result<(), String> {
        let tries = told.calls.0 + told.calls.1;
        if let Verdict::Whole { figures, .. } = &heard.verdict
            && !told.figures_fit(*figures, matches!(self, Self::Joined(_)))
        {
            return Err(format!("its figures are {figures:?}"));
        }
        if tries > TRIES_AT_MOST {
            return Err(format!("{tries} tries: {heard:?}"));
        }
        let is_right = match (self, &heard.verdict) {
            (Self::Good(wanted), Verdict::Whole { said, finish, .. }) => {
                is_same(said, told.good) && *finish != Finish::Filter && tries == wanted && told.calls.1 == 1
            }
            (Self::Own(wanted), Verdict::Whole { said, finish, .. }) => {
                is_same(said, told.own) && *finish != Finish::Filter && tries == wanted && told.calls.1 == 0
            }
            (Self::Joined(wanted), Verdict::Whole { said, finish, .. }) => {
                is_same(said, told.own) && *finish == Finish::Stop && tries == wanted && told.calls.1 > 0
            }
            (Self::Filtered, Verdict::Whole { said, finish, .. }) => {
                is_same(said, told.own) && *finish == Finish::Filter && tries == 1
            }
            (Self::Broken, Verdict::Broken { said, error }) => {
                let is_part = !said.is_empty() && told.own.starts_with(said);
                is_part && !error.is_empty()
            }
            (Self::Refused(wanted), Verdict::Refused { status, error, .. }) => {
                // Anthropic has a status of its own for a server that has too much to do.
                let is_overloaded = wanted == 503 && *status == 529 && error.starts_with("overloaded_error");
                (*status == wanted || is_overloaded) && !error.is_empty()
            }
            _ => false,
        };
        match is_right {
            true => Ok(()),
            false => Err(format!(
                "expected {self:?}, after {:?} calls heard {:?}",
                told.calls,
                shortened(&heard.verdict)
            )),
        }
    }
}

/// Arguments may be written anew.
fn is_same(said: &str, told: &str) -> bool {
    let read = |text: &str| serde_json::from_str::<Value>(text).ok();
    said == told || (told.starts_with('{') && read(said).is_some() && read(said) == read(told))
}

/// In a table's words.
pub(super) fn shortened(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Whole { said, finish, .. } => format!("whole, {finish:?}: {}", cut(said)),
        Verdict::Broken { said, error } => format!("broken behind {:?}: {}", cut(said), cut(error)),
        Verdict::Refused { status, error, .. } => format!("refused {status}: {}", cut(error)),
        Verdict::Wrong(why) => format!("WRONG: {why}"),
    }
}

fn cut(text: &str) -> String {
    text.chars().take(90).collect()
}

//! The words that findings are told in.

use std::panic::Location;

use greenroom_kernel::{Effect, StepPath};

use crate::testkit::plan::{Fault, Label, Point};
use crate::testkit::ran::{End, Ran};

/// How much of an input is shown.
const SHOWN: usize = 240;

pub(super) fn step(ran: &Ran, path: &str) -> Option<(Label, &'static str)> {
    let step = ran.steps.iter().find(|step| step.path == path)?;
    let label = Label {
        path: StepPath::parse(path).ok()?,
        kind: step.kind,
        name: step.name.clone(),
    };
    let effect = match step.effect {
        Effect::ReadOnly => "READ_ONLY",
        Effect::Idempotent => "IDEMPOTENT but passed on no key, or another one",
        Effect::NonIdempotent => "NON_IDEMPOTENT",
    };
    Some((label, effect))
}

pub(super) fn diverged(
    clean: &Ran,
    ran: &Ran,
    path: &str,
    what: &str,
    fault: Fault,
    point: &Point,
) -> String {
    let known = clean.calls.keys().find(|known| known.as_str() == path);
    let at = known
        .and_then(|path| ran.places.get(path))
        .map(|at| format!(" at {}", place(at)));
    let label = known
        .and_then(|path| clean.calls.get(path))
        .map_or_else(|| format!("step {path}"), |(_, call)| Label::of(call).to_string());
    let inputs = known
        .and_then(|path| ran.calls.get(path))
        .filter(|(first, last)| first.input != last.input);
    let inputs = inputs.map(|(first, last)| {
        let (first, last) = apart(&first.input, &last.input);
        format!("; the first attempt asked {first}, the replay asks {last}")
    });
    format!(
        "the replay diverges at {label}{}: what is asked depends on something that is not the same in every \
         attempt (a clock, a random number, the environment, memory), read before this step and not by a step of \
         its own. {what}{} (seen {}: {fault} {})",
        at.unwrap_or_default(),
        inputs.unwrap_or_default(),
        point.after(),
        point.during()
    )
}

/// Two inputs, shown around the place where they part.
pub(super) fn apart(first: &str, last: &str) -> (String, String) {
    let same = first
        .chars()
        .zip(last.chars())
        .take_while(|(a, b)| a == b)
        .count();
    let from = same.saturating_sub(SHOWN / 4);
    let shown = |text: &str| {
        let mut shown: String = text.chars().skip(from).take(SHOWN).collect();
        if from > 0 {
            shown.insert(0, '…');
        }
        if text.chars().count() > from + SHOWN {
            shown.push('…');
        }
        shown
    };
    (shown(first), shown(last))
}

pub(super) fn place(at: &Location<'_>) -> String {
    format!("{}:{}", at.file(), at.line())
}

pub(super) fn times(count: usize) -> String {
    match count {
        0 => "never".to_owned(),
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        more => format!("{more} times"),
    }
}

pub(super) fn told(end: &End) -> String {
    match end {
        End::Completed { content, data } => match (content, data) {
            (Some(content), None) => format!("answered {content:?}"),
            (content, data) => format!("answered {content:?} with {data:?}"),
        },
        End::Failed(failure) => format!("failed ({failure})"),
        End::Waiting => "waited for a person".to_owned(),
        End::OutcomeUnknown => "rested with an unknown outcome".to_owned(),
        End::Stuck => "never ended".to_owned(),
    }
}

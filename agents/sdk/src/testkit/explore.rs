//! Disturbs a run in every way at every place, and compares.

mod tell;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::Bench;
use super::plan::{Fault, Place, Plan, Point};
use super::probe::counts;
use super::ran::{End, Ran};
use crate::HostError;
use tell::{diverged, place, step, times, told};

/// How long after its first attempt the last replay begins: clocks that are read in seconds have moved on.
const LATER: Duration = Duration::from_millis(1_050);

/// What came of all the runs.
#[derive(Debug, Clone)]
pub struct Survival {
    /// How many runs were disturbed. A place that a run did not come by (effects take their time) is not counted.
    pub runs: usize,
    /// At how many places of the undisturbed run.
    pub places: usize,
    /// How many steps the runs' journals held, from fewest to most: one number where no crash made the agent ask for
    /// more. More is no finding by itself, since an agent that polls may do so.
    pub steps: RangeInclusive<usize>,
    /// What did not come out the same; the gravest first, each once.
    pub findings: Vec<Finding>,
}

/// Something that a crash shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What kind.
    pub kind: FindingKind,
    /// What, where, and after which step.
    pub message: String,
    /// In how many runs.
    pub runs: usize,
}

/// What kind of finding it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FindingKind {
    /// An effect happened more often, outside a step.
    OutsideStep,
    /// An effect happened more often, inside a step that says that repeating it does nothing.
    Repeated,
    /// A replay asked for another step than the journal holds.
    NonDeterministic,
    /// An effect did not happen, and its step is not known to be in doubt.
    Lost,
    /// The end is another one.
    OtherEnd,
}

impl Survival {
    /// Whether everything came out the same.
    pub fn is_whole(&self) -> bool {
        self.findings.is_empty()
    }
}

impl fmt::Display for Survival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_whole() {
            return write!(
                f,
                "came to the same end in {} runs disturbed at {} places",
                self.runs, self.places
            );
        }
        writeln!(
            f,
            "the agent does not survive crashes ({} disturbed runs):",
            self.runs
        )?;
        for finding in &self.findings {
            writeln!(f, "- {} [in {} of the runs]", finding.message, finding.runs)?;
        }
        Ok(())
    }
}

/// Findings by what they are about.
#[derive(Default)]
struct Findings(BTreeMap<(FindingKind, String), Finding>);

impl Findings {
    fn add(&mut self, kind: FindingKind, about: String, message: impl FnOnce() -> String) {
        self.0
            .entry((kind, about))
            .and_modify(|known| known.runs += 1)
            .or_insert_with(|| Finding {
                kind,
                message: message(),
                runs: 1,
            });
    }
}

pub(crate) async fn explore(bench: &Bench, at_most: usize) -> Result<Survival, HostError> {
    let clean = bench.disturbed(None, Default::default()).await?;
    let mut plans: Vec<Plan> = Vec::new();
    for point in &clean.points {
        plans.extend(point.place.faults().iter().map(|fault| Plan {
            point: point.clone(),
            fault: *fault,
            pause: Duration::ZERO,
        }));
    }
    let stride = plans.len().div_ceil(at_most).max(1);
    let plans: Vec<Plan> = plans.into_iter().step_by(stride).collect();
    let mut tally = Tally::of(&clean);
    for plan in &plans {
        tally.add(bench, &clean, plan).await?;
        // Thousands of runs are no reason to let nothing else on this thread have its turn.
        tokio::task::yield_now().await;
    }
    // The whole replay once more, late enough for a clock's seconds to have changed.
    let last = clean.points.iter().rfind(|point| point.place == Place::End);
    if let (Some(point), true) = (last, tally.findings.0.is_empty()) {
        let plan = Plan {
            point: point.clone(),
            fault: Fault::AgentDies,
            pause: LATER,
        };
        tally.add(bench, &clean, &plan).await?;
    }
    Ok(Survival {
        runs: tally.runs,
        places: clean.points.len(),
        steps: tally.fewest..=tally.most,
        findings: tally.findings.0.into_values().collect(),
    })
}

/// What the disturbed runs have shown so far.
struct Tally {
    runs: usize,
    fewest: usize,
    most: usize,
    findings: Findings,
}

impl Tally {
    fn of(clean: &Ran) -> Self {
        Self {
            runs: 0,
            fewest: clean.steps.len(),
            most: clean.steps.len(),
            findings: Findings::default(),
        }
    }

    async fn add(&mut self, bench: &Bench, clean: &Ran, plan: &Plan) -> Result<(), HostError> {
        let ran = bench.disturbed(Some(plan.clone()), clean.known.clone()).await?;
        compare(clean, &ran, plan, &mut self.findings);
        self.runs += usize::from(ran.struck);
        self.fewest = self.fewest.min(ran.steps.len());
        self.most = self.most.max(ran.steps.len());
        Ok(())
    }
}

fn compare(clean: &Ran, ran: &Ran, plan: &Plan, findings: &mut Findings) {
    let point = &plan.point;
    effects(clean, ran, plan.fault, point, findings);
    for what in &ran.diverged {
        if clean.diverged.contains(what) {
            continue;
        }
        let path = what.split_whitespace().nth(1).unwrap_or_default().to_owned();
        findings.add(FindingKind::NonDeterministic, path.clone(), || {
            diverged(clean, ran, &path, what, plan.fault, point)
        });
    }
    if ran.end == clean.end || !ran.diverged.is_empty() || (ran.end == End::OutcomeUnknown && ran.doubted) {
        return;
    }
    findings.add(FindingKind::OtherEnd, String::new(), || {
        let mut message = format!(
            "another end: undisturbed it {}, but it {} {} ({} {})",
            told(&clean.end),
            told(&ran.end),
            point.after(),
            plan.fault,
            point.during()
        );
        if !ran.skipped.is_empty() {
            let names: Vec<String> = ran.skipped.iter().map(ToString::to_string).collect();
            message.push_str(&format!(
                "; its last attempt did not ask for {}",
                names.join(", ")
            ));
        }
        message
    });
}

/// Compares what happened to the world.
fn effects(clean: &Ran, ran: &Ran, fault: Fault, point: &Point, findings: &mut Findings) {
    let (expected, found) = (counts(&clean.firings), counts(&ran.firings));
    let names: BTreeSet<&String> = expected.keys().chain(found.keys()).collect();
    for name in names {
        let count = |counts: &BTreeMap<String, usize>| counts.get(name).copied().unwrap_or(0);
        let (wanted, got) = (count(&expected), count(&found));
        let firing = |ran: &Ran| ran.firings.iter().rfind(|firing| firing.name == *name).cloned();
        if got > wanted {
            let Some(firing) = firing(ran) else { continue };
            let outside = firing.step.is_none();
            let kind = if outside {
                FindingKind::OutsideStep
            } else {
                FindingKind::Repeated
            };
            findings.add(kind, format!("{name} {}", firing.at), || {
                let inside = match firing.step.as_ref().and_then(|path| step(ran, path.as_str())) {
                    Some((label, effect)) => format!("in {label}, which says it is {effect}"),
                    None => "outside a step".to_owned(),
                };
                format!(
                    "effect `{name}` at {} fired {inside}: a crash {} made it fire {} instead of {} ({fault} {})",
                    place(firing.at),
                    point.after(),
                    times(got),
                    times(wanted),
                    point.during()
                )
            });
        } else if got < wanted && !ran.doubted && ran.diverged.is_empty() && ran.end == clean.end {
            let Some(firing) = firing(clean) else { continue };
            findings.add(FindingKind::Lost, format!("{name} {}", firing.at), || {
                format!(
                    "effect `{name}` at {} was lost: after a crash {} it fired {} instead of {} ({fault} {})",
                    place(firing.at),
                    point.after(),
                    times(got),
                    times(wanted),
                    point.during()
                )
            });
        }
    }
}

//! What of a slot that became durable is counted.

use greenroom_kernel::{Entry, Slot, StepKind, StepOutcome};
use greenroom_telemetry::Metrics;

/// Counts the steps that ended.
pub(super) fn count(metrics: &Metrics, slot: &Slot) {
    for entry in &slot.entries {
        if let Entry::StepDone { step, outcome, .. } = entry {
            let status = match outcome {
                StepOutcome::Done(_) => "DONE",
                StepOutcome::Failed(_) => "FAILED",
            };
            metrics.step_finished(kind(step.kind), status);
        }
    }
}

fn kind(kind: StepKind) -> &'static str {
    match kind {
        StepKind::Model => "MODEL",
        StepKind::Tool => "TOOL",
        StepKind::Agent => "AGENT",
        StepKind::Effect => "EFFECT",
        StepKind::Timer => "TIMER",
        StepKind::Approval => "APPROVAL",
    }
}

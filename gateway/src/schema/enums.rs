//! The contract's enums, each the mirror of a kernel one.

use async_graphql::Enum;

macro_rules! mirror {
    ($(#[$doc:meta])* $name:ident of $remote:literal { $($(#[$variant_doc:meta])* $variant:ident,)+ }) => {
        $(#[$doc])*
        #[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
        #[graphql(remote = $remote)]
        pub(crate) enum $name { $($(#[$variant_doc])* $variant,)+ }
    };
}

mirror! {
    /// Who said a message.
    Role of "greenroom_kernel::Role" {
        /// The caller.
        User,
        /// An agent.
        Assistant,
        /// The system.
        System,
        /// A tool.
        Tool,
    }
}

mirror! {
    /// Where a task stands.
    TaskStatus of "greenroom_kernel::TaskStatus" {
        /// On disk, not begun.
        Accepted,
        /// An attempt runs.
        Running,
        /// A person is asked.
        Waiting,
        /// Ended with an answer.
        Completed,
        /// Ended with a failure, which `error` says.
        Failed,
        /// Ended by its owner.
        Cancelled,
        /// Rests until a person says, by `resolveTask`, whether an effect happened.
        OutcomeUnknown,
    }
}

mirror! {
    /// Whether something works.
    Health of "greenroom_kernel::Health" {
        /// Works.
        Healthy,
        /// Works in part.
        Degraded,
        /// Doesn't work.
        Unhealthy,
        /// Finishes what it has and takes nothing new.
        Draining,
    }
}

mirror! {
    /// Whether calls are admitted.
    BreakerState of "greenroom_kernel::BreakerState" {
        /// Calls are admitted and watched.
        Closed,
        /// Calls are refused until the open time is over.
        Open,
        /// One call at a time is admitted, to find out.
        HalfOpen,
    }
}

mirror! {
    /// What kind of failure: what a caller branches on.
    ErrorCode of "greenroom_kernel::ErrorCode" {
        /// Nobody known calls.
        Unauthenticated,
        /// Known, but not allowed.
        Forbidden,
        /// No such thing, or not the caller's.
        NotFound,
        /// The caller's input is wrong.
        BadUserInput,
        /// Contradicts what is already there.
        Conflict,
        /// No capacity now; try again after the stated time.
        ResourceExhausted,
        /// The task's own limit (steps, tokens, cost, depth) was reached.
        LimitExceeded,
        /// The deadline passed.
        DeadlineExceeded,
        /// Something needed is not there now.
        Unavailable,
        /// The agent failed.
        AgentFailed,
        /// The model provider failed.
        ProviderFailed,
        /// Cancelled by its owner.
        Cancelled,
        /// An effect may or may not have happened.
        OutcomeUnknown,
        /// An agent's replay asked for other steps than its journal holds.
        NonDeterministic,
        /// A defect of the server.
        Internal,
    }
}

mirror! {
    /// What a step does.
    StepKind of "greenroom_kernel::StepKind" {
        /// A model call.
        Model,
        /// A tool call.
        Tool,
        /// A call of another agent: a child task.
        Agent,
        /// A named side effect.
        Effect,
        /// A sleep.
        Timer,
        /// A person's decision.
        Approval,
    }
}

mirror! {
    /// What repeating a step does.
    Effect of "greenroom_kernel::Effect" {
        /// Nothing: it only reads.
        ReadOnly,
        /// Nothing more: it carries a key the other side knows it by.
        Idempotent,
        /// It happens again.
        NonIdempotent,
    }
}

mirror! {
    /// Where a step stands.
    StepStatus of "greenroom_kernel::StepStatus" {
        /// It runs.
        Started,
        /// It waits for a person.
        Waiting,
        /// It has a result.
        Done,
        /// It failed.
        Failed,
        /// It may or may not have happened.
        OutcomeUnknown,
    }
}

mirror! {
    /// What happened to a supervised actor.
    SupervisionChange of "greenroom_kernel::SupervisionChange" {
        /// Runs for the first time.
        Started,
        /// Runs again.
        Restarted,
        /// Ended as it was meant to.
        Stopped,
        /// Ended by a panic, an error, a kill or a hang, or didn't start.
        Failed,
        /// Its supervisor gave up on it and fails itself.
        Escalated,
    }
}

/// What a call waits for before it returns.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// That the task is durable.
    Accepted,
    /// That the task has ended or waits for a person, at most `waitMs`.
    Completed,
}

/// A person's answer to a waiting approval or an unknown outcome.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ResolveAction {
    /// Give the approval, with `value`.
    Approve,
    /// Refuse it.
    Reject,
    /// The unknown effect happened, with `value` as its result.
    SettleDone,
    /// It did not happen: run it again.
    SettleNotDone,
}

/// What a chat event tells.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChatEventKind {
    /// A message was added.
    Message,
    /// More text of a running attempt. Not journaled.
    Delta,
    /// A new attempt began; its text starts at 0.
    Attempt,
    /// A step started, finished, failed or became unknown.
    Step,
    /// The task waits for a person.
    Waiting,
    /// The task ended with an answer.
    Completed,
    /// The task ended with a failure.
    Failed,
    /// The task was cancelled.
    Cancelled,
}

//! What a test says of an agent's world, and the runs it asks for.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use greenroom_kernel::{HistoryMessage, Limits, ModelRequest, Principal, Timestamp};
use serde::Serialize;
use serde_json::Value;

use super::explore::{self, Survival};
use super::ran::Ran;
use super::script::{Models, Person, Reply, Script, somebody};
use super::stage::{Known, Make, Stage};
use super::{Probe, plan::Plan};
use crate::{Agent, AgentError, AgentReply, HostError, Tool};

/// How long an agent is waited for that waits for something of its own, in real time.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many disturbed runs there are at most, unless a test says otherwise.
const RUNS: usize = 5_000;

/// An agent on the bench: with a task, and everything around it scripted.
///
/// Runs are alike: the clock stands still and jumps when nothing else can happen, steps are answered in one order,
/// and what a model step was answered with it is answered with again. To be used on a tokio runtime.
///
/// ```
/// use greenroom_agent_sdk::prelude::*;
/// use greenroom_agent_sdk::testkit::{Bench, Reply};
///
/// struct Greeter;
///
/// #[async_trait]
/// impl Agent for Greeter {
///     fn card(&self) -> Card {
///         Card::new("greeter", "1.0.0", "Greets")
///     }
///
///     async fn run(&self, task: Task, ctx: Context) -> Result<Output, AgentError> {
///         let request = ModelRequest {
///             messages: vec![ModelMessage::text(ModelRole::User, task.text()?)],
///             ..ModelRequest::default()
///         };
///         Ok(Output::text(ctx.model(request).visible().await?.content))
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let bench = Bench::new(Greeter).input("hello").reply(Reply::pieces(["Good ", "day"]));
/// let ran = bench.run().await;
/// assert_eq!(ran.content(), Some("Good day"));
/// assert_eq!(ran.emitted(), "Good day");
/// assert_eq!(ran.steps().len(), 1);
/// bench.assert_survives_crashes().await;
/// # }
/// ```
#[derive(Clone)]
pub struct Bench {
    pub(crate) make: Make,
    pub(crate) script: Script,
    runs: usize,
}

impl Bench {
    /// This agent, the same in every attempt, as when only its supervisor dies.
    pub fn new(agent: impl Agent) -> Self {
        Self::of(Arc::new(agent))
    }

    /// This agent, the same in every attempt.
    pub fn of(agent: Arc<dyn Agent>) -> Self {
        Self::made_by(move || Arc::clone(&agent))
    }

    /// An agent made anew for each attempt, as when its process was started again: what it kept in memory is gone.
    pub fn made_by(make: impl Fn() -> Arc<dyn Agent> + Send + Sync + 'static) -> Self {
        Self {
            make: Arc::new(make),
            script: Script {
                input: "null".to_owned(),
                history: Vec::new(),
                principal: somebody(),
                model: None,
                deadline: None,
                starts_at: Timestamp::from_millis(1_767_225_600_000),
                limits: Limits::default(),
                models: Models::InOrder(Vec::new()),
                agents: HashMap::new(),
                people: Vec::new(),
                tools: Vec::new(),
                probes: Vec::new(),
                patience: PATIENCE,
            },
            runs: RUNS,
        }
    }

    /// What is asked of it; a text is what a person said.
    ///
    /// # Panics
    /// When it can't be written as JSON.
    #[must_use]
    #[allow(
        clippy::expect_used,
        reason = "a test whose input is not JSON is wrong, and is told at once"
    )]
    pub fn input(mut self, input: impl Serialize) -> Self {
        self.script.input = serde_json::to_string(&input).expect("the input can be written as JSON");
        self
    }

    /// The conversation before the turn, oldest first.
    #[must_use]
    pub fn history(mut self, history: impl IntoIterator<Item = HistoryMessage>) -> Self {
        self.script.history = history.into_iter().collect();
        self
    }

    /// Who asks; tenant and subject `dev` unless said otherwise.
    #[must_use]
    pub fn principal(mut self, principal: Principal) -> Self {
        self.script.principal = principal;
        self
    }

    /// The logical model that the caller asks for.
    #[must_use]
    pub fn model_name(mut self, model: impl Into<String>) -> Self {
        self.script.model = Some(model.into());
        self
    }

    /// When it begins: 2026-01-01T00:00:00Z unless said otherwise.
    #[must_use]
    pub fn starts_at(mut self, at: Timestamp) -> Self {
        self.script.starts_at = at;
        self
    }

    /// When the task must be done, from its beginning on the kit's clock.
    #[must_use]
    pub fn deadline(mut self, time: Duration) -> Self {
        self.script.deadline = Some(time);
        self
    }

    /// What the task may spend.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.script.limits = limits;
        self
    }

    /// The next model step is answered so. A step that is asked again after a crash gets the same answer.
    #[must_use]
    pub fn reply(mut self, reply: Reply) -> Self {
        match &mut self.script.models {
            Models::InOrder(replies) => replies.push(reply),
            Models::By(_) => self.script.models = Models::InOrder(vec![reply]),
        }
        self
    }

    /// Model steps are answered by what they ask. It must answer equal requests equally.
    #[must_use]
    pub fn reply_by(mut self, reply: impl Fn(&ModelRequest) -> Reply + Send + Sync + 'static) -> Self {
        self.script.models = Models::By(Arc::new(reply));
        self
    }

    /// Another agent, which always answers so.
    #[must_use]
    pub fn agent(self, name: impl Into<String>, reply: AgentReply) -> Self {
        self.agent_by(name, move |_| Ok(reply.clone()))
    }

    /// Another agent, which answers by what it is asked. It must answer equal inputs equally.
    #[must_use]
    pub fn agent_by(
        mut self,
        name: impl Into<String>,
        reply: impl Fn(&Value) -> Result<AgentReply, AgentError> + Send + Sync + 'static,
    ) -> Self {
        self.script.agents.insert(name.into(), Arc::new(reply));
        self
    }

    /// The next approval is given, with this value.
    #[must_use]
    pub fn approve(self, value: impl Into<Value>) -> Self {
        self.person(Person::Approves(value.into()))
    }

    /// The next approval is refused.
    #[must_use]
    pub fn reject(self) -> Self {
        self.person(Person::Rejects)
    }

    /// Nobody answers the next approval: it times out, or the task does.
    #[must_use]
    pub fn ignore(self) -> Self {
        self.person(Person::Ignores)
    }

    fn person(mut self, person: Person) -> Self {
        self.script.people.push(person);
        self
    }

    /// A tool, in the place of the agent's own of that name if it has one.
    #[must_use]
    pub fn tool(mut self, tool: Arc<dyn Tool>) -> Self {
        self.script.tools.push(tool);
        self
    }

    /// Counts what this probe saw, in every run from its beginning.
    #[must_use]
    pub fn probe(mut self, probe: &Probe) -> Self {
        self.script.probes.push(probe.clone());
        self
    }

    /// How long the agent is waited for where it waits for something that is not its context's (a file, a timer of
    /// tokio's), in real time; 10 s unless said otherwise. After that the kit's clock goes on.
    #[must_use]
    pub fn patience(mut self, time: Duration) -> Self {
        self.script.patience = time;
        self
    }

    /// How many disturbed runs [`crashes`](Self::crashes) makes at most; 5000 unless said otherwise. Where there
    /// would be more, they are spread over the whole run.
    #[must_use]
    pub fn runs_at_most(mut self, runs: usize) -> Self {
        self.runs = runs.max(1);
        self
    }

    /// Runs the agent undisturbed.
    ///
    /// # Panics
    /// When the agent's card has no good name.
    pub async fn run(&self) -> Ran {
        match self.disturbed(None, Known::default()).await {
            Ok(ran) => ran,
            Err(error) => refused(&error),
        }
    }

    /// Runs the agent undisturbed, and then again with each disturbance at each place where there can be one, and
    /// says what did not come out the same.
    ///
    /// # Panics
    /// When the agent's card has no good name.
    pub async fn crashes(&self) -> Survival {
        match explore::explore(self, self.runs).await {
            Ok(survival) => survival,
            Err(error) => refused(&error),
        }
    }

    /// The agent comes to the same end, with every effect once, whatever dies and whenever: see
    /// [the module](super#crashes).
    ///
    /// # Panics
    /// When it doesn't, naming what and where.
    #[allow(clippy::panic, reason = "this is an assertion of a test")]
    pub async fn assert_survives_crashes(&self) {
        let survival = self.crashes().await;
        if !survival.is_whole() {
            panic!("{survival}");
        }
    }

    pub(crate) async fn disturbed(&self, plan: Option<Plan>, known: Known) -> Result<Ran, HostError> {
        let mut stage = Stage::new(&self.make, &self.script, plan, known)?;
        stage.play().await;
        Ok(Ran::of(stage))
    }
}

#[allow(clippy::panic, reason = "a bench that can't run its agent fails its test")]
fn refused(error: &HostError) -> ! {
    panic!("{error}")
}

impl fmt::Debug for Bench {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bench")
            .field("script", &self.script)
            .finish_non_exhaustive()
    }
}

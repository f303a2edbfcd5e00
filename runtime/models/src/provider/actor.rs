//! The provider's actor: it probes, publishes what it finds at the gate, and is what the supervision tree shows.
//! No call waits for it.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use greenroom_kernel::{FaultClass, ProviderFault};
use greenroom_supervision::{
    ActorError, Admission, CallError, Child, ChildSpec, Context, Handle, Reply, Supervised,
};

use super::gate::ProviderGate;
use crate::config::ProbeConfig;

type Probed = Result<(), ProviderFault>;

enum Msg {
    /// Probe now; without a reply it is one of the regular ones.
    Probe(Option<Reply<Probed>>),
    /// A probe came back.
    Back(Probed, Option<Reply<Probed>>),
}

struct ProviderActor {
    gate: Arc<ProviderGate>,
    probe: ProbeConfig,
}

impl Supervised for ProviderActor {
    type Msg = Msg;

    async fn post_start(&mut self, ctx: &Context<Msg>) -> Result<(), ActorError> {
        ctx.loopback().send(Msg::Probe(None));
        Ok(())
    }

    async fn handle(
        &mut self,
        ctx: &Context<Msg>,
        message: Msg,
        admission: Admission,
    ) -> Result<(), ActorError> {
        let loopback = ctx.loopback();
        match message {
            Msg::Probe(reply) => {
                let (gate, within) = (Arc::clone(&self.gate), self.probe.timeout);
                ctx.spawn(async move {
                    let _admission = admission;
                    loopback.send(Msg::Back(probe(&gate, within).await, reply));
                });
            }
            Msg::Back(outcome, reply) => {
                self.gate.probed(&outcome);
                let pause = if outcome.is_ok() {
                    self.probe.interval
                } else {
                    self.probe.interval_failing
                };
                match reply {
                    Some(reply) => reply.send(outcome),
                    None => ctx.spawn(async move {
                        tokio::time::sleep(pause).await;
                        loopback.send(Msg::Probe(None));
                    }),
                }
            }
        }
        Ok(())
    }
}

async fn probe(gate: &ProviderGate, within: Duration) -> Probed {
    let fault = |message: String| ProviderFault {
        provider: gate.name().to_string(),
        class: FaultClass::Transient,
        message,
        retry_after: None,
        answered: None,
    };
    let probe = AssertUnwindSafe(gate.backend().probe()).catch_unwind();
    match tokio::time::timeout(within, probe).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Err(fault("its adapter panicked when it was probed".to_owned())),
        Err(_) => Err(fault(format!(
            "it did not answer a probe within {} ms",
            within.as_millis()
        ))),
    }
}

/// A handle to a provider's actor. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ProviderHandle {
    handle: Handle<Msg>,
}

impl ProviderHandle {
    /// Probes the provider now; its state is published before this returns. Cancel-safe.
    ///
    /// # Errors
    /// The provider's fault, or the actor's, when it can't be asked.
    pub async fn probe(&self) -> Result<(), ProviderFault> {
        let asked = self.handle.call(|reply| Msg::Probe(Some(reply))).await;
        asked.unwrap_or_else(|error: CallError| {
            Err(ProviderFault {
                provider: self.handle.name().to_owned(),
                class: FaultClass::Transient,
                message: error.to_string(),
                retry_after: None,
                answered: None,
            })
        })
    }

    /// Kills the actor; its supervisor starts it again. Calls go on meanwhile.
    pub fn kill(&self) {
        self.handle.kill();
    }
}

/// The actor over a gate, ready for a supervisor.
pub(crate) fn child(gate: &Arc<ProviderGate>, probe: ProbeConfig) -> (Child, ProviderHandle) {
    let made = Arc::clone(gate);
    let factory = move || ProviderActor {
        gate: Arc::clone(&made),
        probe,
    };
    let (child, handle) = ChildSpec::new(Arc::clone(gate.name()), "provider", factory)
        .capacity(16)
        .gate(Arc::clone(gate.breaker()))
        .build();
    (child, ProviderHandle { handle })
}

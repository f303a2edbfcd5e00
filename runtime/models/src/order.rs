//! The targets of one call, in the order in which they are tried: found by name, without those that can't or mustn't take
//! it, ordered by the route's strategy.

use std::sync::Arc;

use greenroom_kernel::{CallContext, Capabilities, Failure, ModelInfo, Strategy, Usage};

use crate::asked::Asked;
use crate::call::Target;
use crate::capability::{Needs, may_lack};
use crate::provider::Form;
use crate::route::{Candidate, Contender, Placed, Standing, Unfit, rank, resolve, unfit};
use crate::router::ModelRouter;

/// What an answer is taken to be long that has no bound, when its cost is estimated.
const ANSWER_TOKENS: u64 = 500;

/// How many targets an error gives its reasons for.
const REASONS_AT_MOST: usize = 10;

/// A target that may be tried.
struct Choice {
    target: Target,
    can: Capabilities,
    form: Form,
    weight: u32,
    cost: Option<f64>,
}

impl ModelRouter {
    /// Who is tried for a call, the first first.
    ///
    /// # Errors
    /// No provider, a name that nobody knows, or a reason against every target.
    pub(crate) fn order(&self, asked: &Asked, context: &CallContext) -> Result<Vec<Target>, Failure> {
        let (strategy, found) = self.found(asked.logical())?;
        let about = asked.about();
        let may_lack = |o: &Choice| may_lack(&o.can, asked.embeds(), about);
        let needs = found.iter().any(may_lack).then(|| asked.needs()).flatten();
        let expected = expected(asked, needs.as_ref(), about);
        let (mut left, mut cramped, mut reasons) = (Vec::new(), Vec::new(), Vec::new());
        for mut choice in found {
            choice.cost = choice.target.price.map(|price| price.of(&expected));
            match unfit(&choice.standing(), needs.as_ref(), &context.narrowing) {
                None => left.push(choice),
                Some(Unfit::Lacks(lack)) if needs.is_some_and(|needs| lack.is_of_the_answer(&needs)) => {
                    cramped.push(choice);
                }
                Some(why) => reasons.push(choice.reason(why)),
            }
        }
        if left.is_empty() {
            // An answer that has less room than it may take is cut short, if it is that long at all.
            left = cramped;
        }
        if left.is_empty() {
            return Err(nobody(&reasons));
        }
        // Of one there is no order.
        if let [_] = left.as_slice() {
            return Ok(left.into_iter().map(|only| only.target).collect());
        }
        let strategy = context.narrowing.strategy.unwrap_or(strategy);
        let contenders: Vec<Contender> = left.iter().map(Choice::contender).collect();
        let random = match strategy {
            Strategy::Priority | Strategy::LeastCost => 0,
            Strategy::Weighted | Strategy::LeastLatency | Strategy::Sticky => self.shared.random.next_u64(),
        };
        let order = rank(strategy, &contenders, context.affinity.as_deref(), random);
        let mut left: Vec<Option<Target>> = left.into_iter().map(|o| Some(o.target)).collect();
        let taken = order.into_iter().filter_map(|at| left.get_mut(at)?.take());
        Ok(taken.collect())
    }

    /// The targets of a name, as they are named.
    fn found(&self, logical: Option<&str>) -> Result<(Strategy, Vec<Choice>), Failure> {
        let models = self.models();
        let served: Vec<Candidate<'_>> = self.candidates(&models);
        let (strategy, placed) = resolve(logical, &self.shared.routes, &served)?;
        let found = placed.into_iter().filter_map(|placed| self.choice(placed));
        Ok((strategy, found.collect()))
    }

    fn choice(&self, placed: Placed) -> Option<Choice> {
        let gate = Arc::clone(self.shared.providers.get(placed.provider)?);
        let can = self
            .shared
            .capabilities
            .can(gate.name(), &placed.model, placed.can);
        Some(Choice {
            form: gate.form(),
            target: Target {
                price: self.shared.prices.price(gate.name(), &placed.model),
                gate,
                model: placed.model.into(),
                window: can.context_window,
            },
            can,
            weight: placed.weight,
            cost: None,
        })
    }

    /// What each provider serves.
    pub(crate) fn models(&self) -> Vec<Arc<Vec<ModelInfo>>> {
        self.shared.providers.iter().map(|p| p.models()).collect()
    }

    pub(crate) fn candidates<'a>(&'a self, models: &'a [Arc<Vec<ModelInfo>>]) -> Vec<Candidate<'a>> {
        let providers = self.shared.providers.iter().zip(models);
        let candidate = |(p, models): (&'a Arc<_>, &'a Arc<Vec<ModelInfo>>)| -> Candidate<'a> {
            let gate: &'a crate::provider::ProviderGate = p;
            Candidate {
                name: gate.name(),
                models,
            }
        };
        providers.map(candidate).collect()
    }
}

impl Choice {
    fn standing(&self) -> Standing<'_> {
        Standing {
            provider: self.target.gate.name(),
            model: &self.target.model,
            can: self.can,
            cost: self.cost,
            ttft: self.form.ttft,
        }
    }

    fn contender(&self) -> Contender {
        Contender {
            name: format!("{}/{}", self.target.gate.name(), self.target.model),
            weight: self.weight,
            form: self.form.weight,
            cost: self.cost,
            ttft: self.form.ttft,
            ailing: self.form.ailing,
        }
    }

    fn reason(&self, why: Unfit) -> String {
        format!("{}/{} {why}", self.target.gate.name(), self.target.model)
    }
}

/// What a call will probably use.
fn expected(asked: &Asked, needs: Option<&Needs>, about: u64) -> Usage {
    let bound = match (needs, asked) {
        (Some(needs), _) => needs.max_tokens,
        (None, Asked::Spoken(request)) => request.max_tokens,
        (None, Asked::Wire(_)) => None,
    };
    let embeds = needs.map_or(asked.embeds(), |needs| needs.embeddings);
    let answer = bound.map_or(ANSWER_TOKENS, u64::from);
    Usage {
        input_tokens: needs.map_or(about, |needs| needs.input_tokens),
        output_tokens: if embeds { 0 } else { answer },
        estimated: true,
        ..Usage::default()
    }
}

fn nobody(reasons: &[String]) -> Failure {
    let shown = reasons.get(..REASONS_AT_MOST).unwrap_or(reasons).join("; ");
    Failure::bad_input(match reasons {
        [only] => format!("the model can't take this request: {only}"),
        _ => format!("no model of this route can take this request: {shown}"),
    })
}

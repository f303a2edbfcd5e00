//! What was told last of each instance, and what a look at them adds to it.

use std::collections::BTreeMap;

use greenroom_kernel::{
    AgentInstance, AgentName, AgentRecord, AgentSeen, InstanceId, InstanceSeen, NodeId, Span, Timestamp,
};

type OfAgent = BTreeMap<InstanceId, Open>;

/// What an instance is like since it was last otherwise.
struct Open {
    seen: InstanceSeen,
    span: Span,
}

/// The records that may grow still. As large as the directory.
pub(super) struct Notebook {
    node: NodeId,
    open: BTreeMap<AgentName, OfAgent>,
}

impl Notebook {
    /// An empty one.
    pub(super) fn new(node: NodeId) -> Self {
        Self {
            node,
            open: BTreeMap::new(),
        }
    }

    /// What is to be told of agents as they are `now`: what changed, or, where `everything` is to be told, each instance.
    /// Of how much they do only the latter tells: it changes with every call.
    pub(super) fn look(
        &mut self,
        agents: &[(AgentName, Vec<AgentInstance>)],
        now: Timestamp,
        everything: bool,
    ) -> Vec<AgentRecord> {
        let mut told = Vec::new();
        let mut before = std::mem::take(&mut self.open);
        for (agent, instances) in agents {
            let mut was = before.remove(agent).unwrap_or_default();
            let had_some = !was.is_empty();
            let mut is = OfAgent::new();
            for instance in instances {
                let seen = match InstanceSeen::of(instance) {
                    Ok(seen) => seen,
                    Err(error) => {
                        tracing::debug!(%agent, %error, "an instance has no history");
                        continue;
                    }
                };
                let (open, is_news) = go_on(was.remove(&seen.id), seen, now, everything);
                if is_news {
                    told.push(self.record(agent, AgentSeen::Instance(open.seen.clone()), open.span));
                }
                is.insert(open.seen.id.clone(), open);
            }
            self.left(agent, was, now, &mut told);
            if !is.is_empty() {
                self.open.insert(agent.clone(), is);
            } else if had_some {
                told.push(self.record(agent, AgentSeen::Gone, Span::at(now)));
            }
        }
        for (agent, was) in before {
            self.left(&agent, was, now, &mut told);
            told.push(self.record(&agent, AgentSeen::Gone, Span::at(now)));
        }
        told
    }

    /// Whether a record is told again later, longer.
    pub(super) fn may_grow(&self, record: &AgentRecord) -> bool {
        let instance = record.seen.instance();
        let open = instance.and_then(|id| self.open.get(&record.agent)?.get(id));
        open.is_some_and(|open| open.span.since() == record.span.since())
    }

    /// Instances that aren't there any more were as they were until now.
    fn left(&self, agent: &AgentName, was: OfAgent, now: Timestamp, told: &mut Vec<AgentRecord>) {
        for open in was.into_values() {
            let span = Span::new(open.span.since(), now);
            told.push(self.record(agent, AgentSeen::Instance(open.seen), span));
        }
    }

    fn record(&self, agent: &AgentName, seen: AgentSeen, span: Span) -> AgentRecord {
        AgentRecord {
            agent: agent.clone(),
            node: self.node.clone(),
            seen,
            span,
        }
    }
}

/// What was told of an instance, grown or begun anew; and whether that is to be told.
fn go_on(was: Option<Open>, seen: InstanceSeen, now: Timestamp, everything: bool) -> (Open, bool) {
    match was {
        Some(open) if open.seen.is_like(&seen) && open.span.holds(now) => {
            if !everything {
                return (open, false);
            }
            let span = match open.seen == seen {
                true => Span::new(open.span.since(), now),
                false => Span::at(now),
            };
            (Open { seen, span }, true)
        }
        _ => {
            let span = Span::at(now);
            (Open { seen, span }, true)
        }
    }
}

#[cfg(test)]
mod tests {
    use greenroom_kernel::{BreakerState, Health};

    use super::*;

    fn instance(id: &str) -> AgentInstance {
        AgentInstance {
            id: id.to_owned(),
            node: "h".to_owned(),
            version: "1".to_owned(),
            health: Health::Healthy,
            breaker: BreakerState::Closed,
            in_flight: 0,
            restarts: 0,
            last_error: None,
        }
    }

    /// What a look at one agent tells: of which instance, since and until when, in seconds.
    fn look(
        book: &mut Notebook,
        instances: &[AgentInstance],
        now: i64,
        everything: bool,
    ) -> Vec<(String, i64, i64)> {
        let agents = [(AgentName::parse("helper").unwrap(), instances.to_vec())];
        let told = book.look(&agents, Timestamp::from_millis(now * 1_000), everything);
        let of = |record: AgentRecord| {
            let id = record.seen.instance().map_or("", InstanceId::as_str).to_owned();
            let seconds = |moment: Timestamp| moment.as_millis() / 1_000;
            (id, seconds(record.span.since()), seconds(record.span.until()))
        };
        told.into_iter().map(of).collect()
    }

    fn told<const N: usize>(told: [(&str, i64, i64); N]) -> Vec<(String, i64, i64)> {
        told.map(|(id, since, until)| (id.to_owned(), since, until))
            .into()
    }

    fn book() -> Notebook {
        Notebook::new(NodeId::parse("n").unwrap())
    }

    #[test]
    fn what_stays_as_it_was_grows_whenever_everything_is_told_and_is_silent_between() {
        let (mut book, quiet) = (book(), [instance("a")]);
        assert_eq!(look(&mut book, &quiet, 100, true), told([("a", 100, 100)]));
        assert_eq!(look(&mut book, &quiet, 110, false), []);
        assert_eq!(look(&mut book, &quiet, 130, true), told([("a", 100, 130)]));
        assert_eq!(look(&mut book, &quiet, 160, true), told([("a", 100, 160)]));
    }

    #[test]
    fn a_change_is_told_at_once_and_how_much_is_done_only_when_everything_is() {
        let mut book = book();
        let mut now = instance("a");
        look(&mut book, &[now.clone()], 100, true);
        now.in_flight = 7;
        assert_eq!(look(&mut book, &[now.clone()], 101, false), []);
        for change in [
            |one: &mut AgentInstance| one.breaker = BreakerState::Open,
            |one: &mut AgentInstance| one.health = Health::Unhealthy,
            |one: &mut AgentInstance| one.version = "2".to_owned(),
        ] {
            change(&mut now);
            assert_eq!(
                look(&mut book, &[now.clone()], 105, false),
                told([("a", 105, 105)])
            );
        }
        assert_eq!(
            look(&mut book, &[now.clone()], 130, true),
            told([("a", 105, 130)])
        );
        now.in_flight = 6;
        assert_eq!(
            look(&mut book, &[now.clone()], 160, true),
            told([("a", 160, 160)])
        );
    }

    #[test]
    fn a_record_lasts_an_hour_and_never_grows_backwards() {
        let (mut book, quiet) = (book(), [instance("a")]);
        look(&mut book, &quiet, 100, true);
        assert_eq!(look(&mut book, &quiet, 3_700, true), told([("a", 100, 3_700)]));
        assert_eq!(look(&mut book, &quiet, 3_701, true), told([("a", 3_701, 3_701)]));
        assert_eq!(look(&mut book, &quiet, 50, false), told([("a", 50, 50)]));
    }

    #[test]
    fn an_instance_that_leaves_lasted_until_then_and_the_last_one_is_missed_once() {
        let mut book = book();
        look(&mut book, &[instance("a"), instance("b")], 100, true);
        assert_eq!(
            look(&mut book, &[instance("b")], 105, false),
            told([("a", 100, 105)])
        );
        assert_eq!(
            look(&mut book, &[], 110, false),
            told([("b", 100, 110), ("", 110, 110)])
        );
        assert_eq!(look(&mut book, &[], 130, true), []);
        assert_eq!(
            look(&mut book, &[instance("b")], 131, false),
            told([("b", 131, 131)])
        );
        // The directory has forgotten the agent itself.
        let gone = book.look(&[], Timestamp::from_millis(140_000), false);
        assert_eq!((gone.len(), &gone[1].seen), (2, &AgentSeen::Gone));
    }

    #[test]
    fn an_instance_without_a_name_that_can_be_kept_is_left_out() {
        let mut book = book();
        let instances = [instance(&"x".repeat(600)), instance("a")];
        assert_eq!(look(&mut book, &instances, 1, true), told([("a", 1, 1)]));
    }
}

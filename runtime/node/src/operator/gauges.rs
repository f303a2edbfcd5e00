//! What is read when the page is asked for, not counted as it happens: the tree, the breakers, the providers, the store.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use greenroom_kernel::{ActorNode, StoreStats};
use greenroom_models::AccountsStats;
use greenroom_telemetry::BreakerOwner;

use super::Operator;

/// The end of every OpenMetrics page.
const END: &str = "# EOF\n";

/// The whole page.
pub(super) async fn page(operator: &Operator) -> String {
    let providers = operator.models.as_ref().map(|models| models.providers());
    for provider in providers.unwrap_or_default() {
        operator.metrics.provider(&provider, operator.clock.now());
    }
    if let Some(supervisor) = &operator.agents {
        for agent in supervisor.agents().await.unwrap_or_default() {
            operator
                .metrics
                .breaker(BreakerOwner::Agent, agent.card.name.as_str(), agent.breaker);
        }
    }
    let mut page = operator.metrics.render();
    if page.ends_with(END) {
        page.truncate(page.len() - END.len());
    }
    write_tree(&mut page, &operator.tree.snapshot());
    if let Some(store) = &operator.store {
        write_store(&mut page, store.stats());
    }
    if let Some(accounts) = &operator.accounts {
        write_accounts(&mut page, accounts.stats());
    }
    if let Some(identity) = &operator.identity {
        write_identity(&mut page, identity.complaint().is_some());
    }
    page.push_str(END);
    page
}

#[derive(Default)]
struct Census {
    actors: BTreeMap<(String, &'static str), u64>,
    waiting: BTreeMap<String, u64>,
    restarts: BTreeMap<String, u64>,
}

impl Census {
    fn count(&mut self, node: &ActorNode) {
        *self
            .actors
            .entry((node.kind.clone(), node.state.as_str()))
            .or_default() += 1;
        *self.waiting.entry(node.kind.clone()).or_default() += u64::from(node.mailbox);
        *self.restarts.entry(node.kind.clone()).or_default() += u64::from(node.restarts);
        node.children.iter().for_each(|child| self.count(child));
    }
}

// Kinds are literals of ours: no label needs escaping. Writing into a string cannot fail.
fn write_tree(page: &mut String, tree: &[ActorNode]) {
    let mut census = Census::default();
    tree.iter().for_each(|root| census.count(root));
    page.push_str("# HELP greenroom_actors Actors in the supervision tree by kind and state.\n");
    page.push_str("# TYPE greenroom_actors gauge\n");
    for ((kind, state), count) in &census.actors {
        let _ = writeln!(
            page,
            "greenroom_actors{{kind=\"{kind}\",state=\"{state}\"}} {count}"
        );
    }
    let by_kind = |page: &mut String, name: &str, help: &str, counts: &BTreeMap<String, u64>| {
        let _ = write!(page, "# HELP {name} {help}\n# TYPE {name} gauge\n");
        for (kind, count) in counts {
            let _ = writeln!(page, "{name}{{kind=\"{kind}\"}} {count}");
        }
    };
    by_kind(
        page,
        "greenroom_actor_messages",
        "Messages admitted and not done, by the actors' kind.",
        &census.waiting,
    );
    by_kind(
        page,
        "greenroom_actor_restarted_times",
        "Restarts of the actors that are in the tree, by their kind.",
        &census.restarts,
    );
}

fn write_accounts(page: &mut String, stats: AccountsStats) {
    for (name, help, value) in [
        (
            "greenroom_ledger_tries",
            "Tries that ended and are billed.",
            stats.tries,
        ),
        (
            "greenroom_ledger_rows",
            "Rows written to the ledger.",
            stats.written,
        ),
        (
            "greenroom_ledger_merged",
            "Tries whose rows were drawn together because the ledger was behind.",
            stats.merged,
        ),
        (
            "greenroom_ledger_lost",
            "Rows that are lost because the ledger was far behind.",
            stats.lost,
        ),
        (
            "greenroom_ledger_unfit",
            "Rows that are lost because the ledger can't keep what is in them.",
            stats.unfit,
        ),
        (
            "greenroom_requests_bare",
            "Requests kept without what was said because too much of it waited.",
            stats.bare,
        ),
        (
            "greenroom_budget_refusals",
            "Tries that budgets refused.",
            stats.refused,
        ),
        (
            "greenroom_budget_passed",
            "Times that a budget was used up.",
            stats.passed,
        ),
    ] {
        let _ = write!(
            page,
            "# HELP {name} {help}\n# TYPE {name} counter\n{name}_total {value}\n"
        );
    }
}

fn write_identity(page: &mut String, refused: bool) {
    let name = "greenroom_certificate_refused";
    let help = "1 while the last reading of the certificate failed, or what was read can't be used: the one before is in force.";
    let value = u8::from(refused);
    let _ = write!(
        page,
        "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}\n"
    );
}

fn write_store(page: &mut String, stats: StoreStats) {
    for (name, help, value) in [
        ("greenroom_store_appends", "Appends made durable.", stats.appends),
        (
            "greenroom_store_commits",
            "Commits, each one sync, that made them so.",
            stats.commits,
        ),
    ] {
        let _ = write!(
            page,
            "# HELP {name} {help}\n# TYPE {name} counter\n{name}_total {value}\n"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use greenroom_kernel::ActorState;

    fn node(kind: &str, state: ActorState, mailbox: u32, children: Vec<ActorNode>) -> ActorNode {
        ActorNode {
            path: kind.to_owned(),
            kind: kind.to_owned(),
            state,
            restarts: 1,
            last_cause: None,
            mailbox,
            breaker: None,
            children,
        }
    }

    #[test]
    fn a_refused_certificate_is_a_gauge() {
        let mut page = String::new();
        write_identity(&mut page, true);
        assert!(page.ends_with("\ngreenroom_certificate_refused 1\n"), "{page}");
    }

    #[test]
    fn actors_are_counted_by_kind_and_state_at_every_depth() {
        let session = || node("session", ActorState::Running, 2, vec![]);
        let tree = node("supervisor", ActorState::Running, 0, vec![session(), session()]);
        let mut page = String::new();
        write_tree(&mut page, &[tree]);
        assert!(
            page.contains("greenroom_actors{kind=\"session\",state=\"RUNNING\"} 2\n"),
            "{page}"
        );
        assert!(
            page.contains("greenroom_actor_restarted_times{kind=\"session\"} 2\n"),
            "{page}"
        );
        assert!(
            page.contains("greenroom_actor_messages{kind=\"session\"} 4\n"),
            "{page}"
        );
        assert!(
            page.contains("greenroom_actors{kind=\"supervisor\",state=\"RUNNING\"} 1\n"),
            "{page}"
        );
    }
}

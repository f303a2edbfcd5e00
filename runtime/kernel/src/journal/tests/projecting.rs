//! The rows that each transition shows, written with it.

use super::*;
use crate::{ResolveAction, Role, TaskStatus};

fn statuses(desk: &Desk) -> Vec<TaskStatus> {
    desk.rows
        .iter()
        .flat_map(|rows| &rows.tasks)
        .map(|row| row.status)
        .collect()
}

#[test]
fn every_transition_shows_in_the_tasks_row() {
    let mut desk = Desk::running(turn("a"));
    desk.call(0, 1, approval("0", None));
    desk.resolve(0, 0, ResolveAction::Approve(None));
    desk.call(0, 2, approval("0", None));
    desk.call(0, 2, call("1", Effect::NonIdempotent));
    desk.die(0, 2);
    desk.resolve(0, 1, ResolveAction::SettleDone(None));
    desk.call(0, 3, kind_of_call("2", StepKind::Model, "{}"));
    desk.report_with(0, 3, "2", "1", tokens(3, None));
    desk.end(0, 3, completed("fine"));
    use TaskStatus::{Accepted, Completed, OutcomeUnknown, Running, Waiting};
    assert_eq!(
        statuses(&desk),
        [
            Accepted,
            Waiting,
            Running,
            Running,
            OutcomeUnknown,
            Running,
            Running,
            Completed
        ]
    );
    let row = desk.row(0);
    let output = row.output.unwrap();
    assert_eq!(
        (output.content, output.provider, output.model),
        (
            Some(Payload::inline("fine")),
            Some("local".into()),
            Some("small".into())
        )
    );
    assert_eq!(
        (row.attempts, row.usage.unwrap().input_tokens, row.due),
        (3, 3, None)
    );
    assert_eq!(row.last, desk.owner.journal().last);
}

#[test]
fn the_session_and_the_messages_show_with_their_slot() {
    let mut desk = Desk::running(turn("a"));
    desk.end(0, 1, completed("fine"));
    let messages: Vec<_> = desk.rows.iter().flat_map(|rows| &rows.messages).collect();
    let told: Vec<_> = messages.iter().map(|row| (row.id(), row.message.role)).collect();
    assert_eq!(
        told,
        [
            ("s.0.0".to_owned(), Role::User),
            ("s.0.1".to_owned(), Role::Assistant)
        ]
    );
    assert_eq!(messages[1].message.agent.as_ref().unwrap().as_str(), "helper");
    for (slot, rows) in desk.slots.iter().zip(&desk.rows) {
        let session = rows.session.as_ref().expect("every slot changes the session");
        assert_eq!((session.last.seq, session.updated_at), (slot.seq, slot.at));
        assert!(rows.messages.iter().all(|row| row.position.seq == slot.seq));
        assert_eq!(
            rows.tasks.iter().filter(|row| row.last.seq != slot.seq).count(),
            0
        );
    }
    let request = desk.request();
    desk.owner.retitle(desk.now, request, Some("new".into()));
    let seen = desk.settle();
    assert!(
        matches!(&seen.replies()[..], [(_, Ok(Reply::Session(row)))] if row.title.as_deref() == Some("new"))
    );
    assert_eq!(
        desk.rows
            .last()
            .unwrap()
            .session
            .as_ref()
            .unwrap()
            .title
            .as_deref(),
        Some("new")
    );
}

#[test]
fn a_tasks_own_journal_shows_no_session() {
    let owner = Owner::open(key(), writer(1), 7, opened(JournalKind::Task), at(1_000));
    let mut desk = Desk {
        owner,
        ..Desk::open_unsent()
    };
    let mut task = turn("a");
    task.accepted.turn = false;
    task.message = None;
    desk.accept(task);
    desk.settle();
    desk.end(0, 1, completed("fine"));
    assert!(
        desk.rows
            .iter()
            .all(|rows| rows.session.is_none() && rows.messages.is_empty())
    );
    assert_eq!(desk.row(0).kind, JournalKind::Task);
}

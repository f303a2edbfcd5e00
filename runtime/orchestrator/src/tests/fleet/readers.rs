//! Event streams where journals move.

use futures::StreamExt;
use greenroom_kernel::EventStream;

use super::*;

/// Reads until the stream ends; what it ended with, and the cursor behind the last event.
async fn read_on(
    mut stream: EventStream,
    journaled: &mut Vec<String>,
    cursor: &mut Option<Cursor>,
) -> Option<Failure> {
    let reading = async {
        while let Some(event) = stream.next().await {
            match event {
                Ok(event) => {
                    *cursor = Some(event.cursor);
                    let told = match &event.body {
                        ChatEventBody::Step { step, .. } if step.status == StepStatus::Started => None,
                        ChatEventBody::Step { step, .. } => Some(format!("step {}", step.number)),
                        ChatEventBody::Message(row) => Some(format!("message {:?}", row.message.role)),
                        ChatEventBody::Attempt { attempt, .. } => Some(format!("attempt {attempt}")),
                        ChatEventBody::Ended(row) => Some(format!("ended {:?}", row.status)),
                        ChatEventBody::Delta { .. } | ChatEventBody::Waiting { .. } => None,
                    };
                    journaled.extend(told);
                }
                Err(failure) => return Some(failure),
            }
        }
        None
    };
    tokio::time::timeout(Duration::from_secs(300), reading)
        .await
        .unwrap()
}

/// Follows a task's events through every process that has it, as a gateway does.
async fn follow(
    fleet: &Fleets,
    id: &TaskId,
    journaled: &mut Vec<String>,
    cursor: &mut Option<Cursor>,
) -> u32 {
    for moves in 0..20 {
        let stream = fleet.ask(|show| {
            let (id, after) = (id.clone(), *cursor);
            async move { show.events(&ann(), EventScope::Task(id), after).await }
        });
        match read_on(stream.await.unwrap(), journaled, cursor).await {
            None => return moves,
            Some(failure) => assert!(
                failure.retryable && failure.code == ErrorCode::Unavailable,
                "{failure}"
            ),
        }
    }
    panic!("never over")
}

#[tokio::test(start_paused = true)]
async fn events_are_refused_where_their_journal_is_not() {
    let fleet = Fleets::of(3, [careful()]).await;
    let told = fleet.accept(chat(None, "go", "k", NOT)).await.task.id;
    let holder = fleet.owner(&told.journal);
    for process in &fleet.live {
        let scope = EventScope::Session(told.journal.clone());
        let opened = process.orchestrator.events(&ann(), scope, None).await;
        match process.node == holder.node {
            true => assert!(opened.is_ok()),
            false => assert_eq!(opened.err().unwrap().elsewhere.as_deref(), Some(&holder.address)),
        }
    }
    // What is over can be read by anybody.
    fleet.ended(&told).await;
    for process in &fleet.live {
        let scope = EventScope::Task(told.clone());
        let stream = process
            .orchestrator
            .events(&ann(), scope, Some(Cursor::START))
            .await
            .unwrap();
        let (mut heard, mut cursor) = (Vec::new(), None);
        assert_eq!(read_on(stream, &mut heard, &mut cursor).await, None);
        assert_eq!(heard.last().unwrap(), "ended Completed");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_told_when_its_journal_moves_and_each_journaled_event_comes_once() {
    for leaves_well in [true, false] {
        let host = Arc::new(host("h").agent("helper", |mut talk: Talk| async move {
            for number in 0..5 {
                if talk
                    .slowly(tool(&number.to_string(), Effect::Idempotent), 2)
                    .await
                    .is_none()
                {
                    return;
                }
            }
            talk.done("walked");
        }));
        let mut fleet = Fleets::of(3, [host]).await;
        let told = fleet.accept(chat(None, "go", "k", NOT)).await.task.id;
        let first = fleet.holders(&told.journal)[0].to_owned();
        let (mut heard, mut cursor) = (Vec::new(), Some(Cursor::START));
        let holder = Arc::clone(&fleet.process(&first).orchestrator);
        let scope = EventScope::Task(told.clone());
        let stream = holder.events(&ann(), scope, cursor).await.unwrap();
        let leaving = async {
            tokio::time::sleep(Duration::from_secs(3)).await;
            match leaves_well {
                true => drop(fleet.drain(&first, Duration::from_secs(20)).await),
                // It is taken for dead, and others go on without it. Then it is back.
                false => {
                    let process = fleet.cut_off(&first);
                    tokio::time::sleep(Duration::from_secs(12)).await;
                    process.store.heal();
                    fleet.live.push(process);
                }
            }
        };
        let (ended, ()) = tokio::join!(read_on(stream, &mut heard, &mut cursor), leaving);
        let ended = ended.unwrap();
        assert!(ended.retryable && ended.code == ErrorCode::Unavailable, "{ended}");
        follow(&fleet, &told, &mut heard, &mut cursor).await;
        let steps: Vec<_> = (0..5).map(|number| format!("step {number}")).collect();
        let expected = [
            &["message User".to_owned()][..],
            &steps,
            &["attempt 2".to_owned()],
        ]
        .concat();
        let mut once = heard.clone();
        once.sort();
        let mut wanted = [
            expected,
            vec!["message Assistant".into(), "ended Completed".into()],
        ]
        .concat();
        wanted.sort();
        assert_eq!(once, wanted, "{leaves_well} {heard:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_an_idle_session_moves_with_the_place_that_it_belongs_to() {
    let mut fleet = Fleets::of(1, [careful()]).await;
    let nodes = ["n0", "n1"].map(|node| greenroom_kernel::NodeId::parse(node).unwrap());
    let session = loop {
        let session = fleet.session().await;
        if greenroom_kernel::rendezvous(&nodes, &key_of(&session))
            .unwrap()
            .as_str()
            == "n1"
        {
            break session;
        }
    };
    tokio::time::sleep(Duration::from_secs(60)).await;
    let scope = EventScope::Session(session.clone());
    let n0 = Arc::clone(&fleet.process("n0").orchestrator);
    let stream = n0.events(&ann(), scope.clone(), None).await.unwrap();
    let (mut heard, mut cursor) = (Vec::new(), None);
    let (ended, ()) = tokio::join!(read_on(stream, &mut heard, &mut cursor), fleet.start("n1"));
    assert_eq!(
        ended.unwrap().elsewhere.as_deref(),
        Some(&fleet.process("n1").address)
    );
    fleet.settle().await;
    assert!(
        fleet
            .process("n1")
            .orchestrator
            .events(&ann(), scope, None)
            .await
            .is_ok()
    );
}

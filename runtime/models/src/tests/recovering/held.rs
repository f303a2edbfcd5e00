//! Answers that are held back.

use super::*;

fn held(backends: &[&Arc<Scripted>], hold: Hold) -> World {
    recovering(backends, &[], Some(hold))
}

/// A fault at every place of an answer, and of every kind that somebody healthy can make good.
fn faults() -> Vec<Script> {
    let mut faults = vec![refuses(Transient), refuses(HardDown), refuses(Overloaded)];
    let ends = [Act::Break(Transient), Act::Break(HardDown), Act::Hang, Act::Panic];
    let begins: [&[Act]; 4] = [
        &[],
        &[Act::Work],
        &[Act::Think("hm")],
        &[Act::Work, Act::Say("one "), Act::Say("or ")],
    ];
    for begin in begins {
        for end in &ends {
            faults.push(streams(&[begin, std::slice::from_ref(end)].concat()));
        }
    }
    // One that just stops.
    faults.push(streams(&[Act::Say("one ")]));
    faults
}

#[tokio::test(start_paused = true)]
async fn every_fault_of_an_answer_that_is_held_to_its_end_stays_unseen() {
    for fault in faults() {
        for relays in [false, true] {
            let a = Scripted::new("a", vec![fault.clone()]);
            let b = Scripted::new("b", vec![says("two")]);
            let (a, b) = match relays {
                true => (a.relaying(), b.relaying()),
                false => (a, b),
            };
            let told = ask(&held(&[&a, &b], Hold::All), request()).await;
            let seen = if relays { "twoend" } else { "two" };
            assert_eq!(told.seen, seen, "{fault:?}");
            assert!(told.end.is_ok(), "{fault:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_held_answer_comes_as_it_was_with_its_headers() {
    let a = Scripted::new(
        "a",
        vec![streams(&[Act::Work, Act::Say("one"), Act::End(Some(USED))])],
    )
    .relaying();
    let world = held(&[&a], Hold::All);
    let served = Arc::clone(&world.router)
        .serve(wire(request()), context())
        .await
        .unwrap();
    assert_eq!((&*served.by.provider, served.by.tries), ("a", 1));
    let ServedAnswer::Relayed { headers, pieces } = served.answer else {
        panic!("not relayed");
    };
    assert_eq!(headers["x-stream"], "1");
    let pieces: Vec<Bytes> = pieces.map(Result::unwrap).collect().await;
    assert_eq!(pieces.concat(), b"role oneend");
}

#[tokio::test(start_paused = true)]
async fn within_its_window_a_restart_is_unseen_and_behind_it_the_answer_flows() {
    let window = Hold::Window(Duration::from_secs(5));
    let slow = |wait| {
        vec![streams(&[
            Act::Say("one "),
            Act::Wait(Duration::from_secs(wait)),
            Act::Say("or "),
            Act::Break(HardDown),
        ])]
    };
    for hold in [window, Hold::Tokens(10)] {
        let (a, b) = (Scripted::new("a", slow(4)), Scripted::new("b", vec![says("two")]));
        let told = ask(&held(&[&a, &b], hold), request()).await;
        assert_eq!((told.seen.as_str(), told.end.as_deref()), ("two", Ok("two")));
    }
    for hold in [window, Hold::Tokens(2)] {
        let (a, b) = (Scripted::new("a", slow(6)), Scripted::new("b", vec![says("two")]));
        let told = ask(&held(&[&a, &b], hold), request()).await;
        assert_eq!(told.seen, "one or ");
        assert!(told.end.is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn what_nobody_can_make_good_is_an_error_before_anything_was_shown() {
    let a = Scripted::new("a", vec![breaks("one"), breaks("one")]);
    let mut config = config(&[&a]);
    config.recover.hold = Some(Hold::All);
    config.retry.tries = 2;
    let told = ask(&World::with(config), request()).await;
    assert_eq!(told.seen, "");
    assert!(told.end.unwrap_err().contains("2 tries"));
}

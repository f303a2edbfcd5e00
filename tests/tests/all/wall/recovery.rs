//! Answers that break in the middle, and routes that say what is tried then.

use super::act::{Act, Script};
use super::caller::Wish;
use super::cells::{Behind, Cell, cells, play};
use super::expect::Expect::{self, Broken, Good, Joined};
use super::faults::FAULTS;
use super::stage::{DEADLINES, GOOD, OWN, pairs};
use super::upstream::Prefill;
use super::words::Family;

/// A call in events whose first target resets the connection in the middle, each time: where it may go on itself, it is
/// asked once more before the next one.
fn cell(what: &'static str, pair: (Family, Family), behind: Vec<Behind>, expect: Expect) -> Cell {
    Cell {
        what,
        caller: pair.0,
        upstream: pair.1,
        wish: Wish {
            is_streamed: true,
            ..Wish::default()
        },
        script: Script::Always(Act::Cut(3)),
        behind,
        recover: None,
        expect,
    }
}

fn of_all(make: impl Fn((Family, Family)) -> Cell) -> Vec<Cell> {
    pairs().map(|(_, pair)| make(pair)).collect()
}

/// One that isn't known to go on with an answer.
fn anew(text: &'static str) -> Behind {
    Behind {
        text,
        prefill: (false, Prefill::Continues(OWN)),
    }
}

fn rejecting() -> Behind {
    Behind {
        text: GOOD,
        prefill: (true, Prefill::Rejects),
    }
}

#[tokio::test]
async fn held_back() {
    let of_fault = |fault| {
        let broken = cells(fault)
            .into_iter()
            .filter(|cell| matches!(cell.expect, Broken | Joined(_)) && !cell.behind.is_empty());
        broken.map(|cell| Cell {
            recover: Some("[\"hold\"]"),
            expect: Good(2),
            ..cell
        })
    };
    let all: Vec<Cell> = FAULTS.iter().flat_map(of_fault).collect();
    assert!(all.len() >= 40, "{}", all.len());
    play(&all, DEADLINES).await;
}

#[tokio::test]
async fn prefill_rejected() {
    let mut all = of_all(|pair| cell("by the only one behind", pair, vec![rejecting()], Broken));
    all.extend(of_all(|pair| {
        let behind = vec![rejecting(), Behind::going_on(pair.1)];
        cell("by the first one behind", pair, behind, Joined(3))
    }));
    // On that wire nobody goes on with an answer.
    all.retain(|cell| cell.upstream != Family::Responses);
    play(&all, DEADLINES).await;
}

#[tokio::test]
async fn spliced() {
    let deterministic = |cell: Cell| Cell {
        wish: Wish {
            deterministic: true,
            ..cell.wish
        },
        ..cell
    };
    let mut all =
        of_all(|pair| deterministic(cell("repeats what was shown", pair, vec![anew(OWN)], Joined(3))));
    all.extend(of_all(|pair| {
        deterministic(cell("says something else", pair, vec![anew(GOOD)], Broken))
    }));
    all.extend(of_all(|pair| {
        cell("isn't deterministic", pair, vec![anew(OWN)], Broken)
    }));
    play(&all, DEADLINES).await;
}

#[tokio::test]
async fn asked_in_words() {
    let all = of_all(|pair| Cell {
        recover: Some("[\"prompt\", \"error\"]"),
        ..cell("prompt", pair, vec![anew(GOOD)], Joined(3))
    });
    play(&all, DEADLINES).await;
}

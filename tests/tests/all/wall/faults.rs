//! Every fault of the wall, and what its caller comes to hear: a test and a line of outcomes a fault.

use super::act::Act::{
    BadChunk, Close, Cut, Drip, ErrorBody, ErrorEvent, Filtered, Garbled, Gzip, Headers, Hush, Late,
    LongLine, NoDone, Refuse, Reset, Stall, Trickle,
};
use super::act::After::{Date, Seconds, Unsaid};
use super::act::Script::{self, Always, First};
use super::cells::run;
use super::expect::Expect::{self, Broken, Good, Joined, Own, Refused, Skip};
use super::words::Family::{self, Chat, Responses};
use super::words::Trouble::{Broken as Failed, Filtered as Forbidden, Throttled, TooLong, Unavailable};

/// What every kind of call comes to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outcomes {
    /// Relayed as it comes, in events.
    pub(super) streamed: Expect,
    /// Relayed, in one piece.
    pub(super) whole: Expect,
    /// From another family, in events.
    pub(super) crossed: Expect,
    /// From another family, in one piece.
    pub(super) crossed_whole: Expect,
    /// Relayed in events, with nobody else to ask.
    pub(super) alone: Expect,
}

/// One fault.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fault {
    /// Its test.
    pub(super) name: &'static str,
    /// In words, for the documents.
    pub(super) does: &'static str,
    pub(super) script: Script,
    pub(super) with_tool: bool,
    pub(super) outcomes: Outcomes,
    /// Upstreams where it is otherwise: their family, and whether in events.
    pub(super) except: &'static [(Family, bool, Expect)],
}

/// What is said and asked in all of them: the outcomes are those of calls that are relayed in events, relayed whole,
/// translated in events, translated whole, and relayed in events with nobody else to ask.
macro_rules! faults {
    ($($name:ident: $does:literal, $script:expr, $tool:literal,
        [$streamed:expr, $whole:expr, $crossed:expr, $crossed_whole:expr, $alone:expr], $except:expr;)*) => {
        pub(super) const FAULTS: &[Fault] = &[$(Fault {
            name: stringify!($name),
            does: $does,
            script: $script,
            with_tool: $tool,
            outcomes: Outcomes {
                streamed: $streamed,
                whole: $whole,
                crossed: $crossed,
                crossed_whole: $crossed_whole,
                alone: $alone,
            },
            except: $except,
        }),*];
        $(
            #[tokio::test]
            async fn $name() {
                let fault = FAULTS.iter().find(|fault| fault.name == stringify!($name));
                run(fault.unwrap()).await;
            }
        )*
    };
}

faults! {
    throttled: "answers 429", Always(Refuse(Throttled, Unsaid)), false,
        [Good(2), Good(2), Good(2), Good(2), Refused(429)], &[];
    throttled_for_seconds: "answers 429 with `Retry-After: 20`", Always(Refuse(Throttled, Seconds(20))), false,
        [Good(2), Good(2), Good(2), Good(2), Refused(429)], &[];
    throttled_until_a_date: "answers 429 with a `Retry-After` date", Always(Refuse(Throttled, Date(20))), false,
        [Good(2), Good(2), Good(2), Good(2), Refused(429)], &[];
    throttled_once_for_a_second: "answers 429 with `Retry-After: 1`, once", First(1, Refuse(Throttled, Seconds(1))), false,
        [Good(2), Good(2), Good(2), Good(2), Own(2)], &[];
    failed_once: "answers 500, once", First(1, Refuse(Failed, Unsaid)), false,
        [Good(2), Good(2), Good(2), Good(2), Own(2)], &[];
    unavailable_for_ever: "answers 503, always", Always(Refuse(Unavailable, Unsaid)), false,
        [Good(2), Good(2), Good(2), Good(2), Refused(503)], &[];
    reset_before_any_header: "resets the connection before its answer begins", Always(Reset), false,
        [Good(2), Good(2), Good(2), Good(2), Refused(502)], &[];
    no_answer: "takes the request and never answers", Always(Hush), false,
        [Good(2), Good(2), Good(2), Good(2), Refused(502)], &[];
    headers_without_an_end: "sends headers without an end", Always(Headers), false,
        [Good(2), Good(2), Good(2), Good(2), Refused(502)], &[];
    slow_first_token: "is slow to begin, within its deadline", Always(Late(800)), false,
        [Own(1), Own(1), Own(1), Own(1), Own(1)], &[];
    no_first_token: "begins a stream and says nothing in it", Always(Stall(0)), false,
        [Good(2), Good(2), Good(2), Good(2), Refused(502)], &[];
    drip: "sends bytes now and then that never make an event", Always(Drip), false,
        [Good(2), Good(2), Good(2), Good(2), Refused(502)], &[];
    trickle: "sends its answer a few bytes at a time", Always(Trickle), false,
        [Own(1), Own(1), Own(1), Own(1), Own(1)], &[];
    reset_before_content: "resets the connection before it says anything", Always(Cut(0)), false,
        [Good(2), Good(2), Good(2), Good(2), Refused(502)], &[];
    reset_behind_content: "resets the connection in the middle", Always(Cut(3)), false,
        [Joined(2), Good(2), Joined(2), Good(2), Broken], &[(Responses, true, Broken)];
    ended_before_content: "ends its stream before it says anything", Always(Close(0)), false,
        [Good(2), Good(2), Good(2), Good(2), Refused(502)], &[];
    ended_behind_content: "ends its stream in the middle", Always(Close(3)), false,
        [Joined(2), Good(2), Joined(2), Good(2), Broken], &[(Responses, true, Broken)];
    stalled_behind_content: "falls silent in the middle", Always(Stall(3)), false,
        [Joined(2), Good(2), Joined(2), Good(2), Broken], &[(Responses, true, Broken)];
    garbled_before_content: "sends an event that can't be read, at first", Always(Garbled(0)), false,
        [Good(2), Good(2), Good(2), Good(2), Refused(502)], &[];
    garbled_behind_content: "sends an event that can't be read, in the middle", Always(Garbled(3)), false,
        [Joined(2), Good(2), Joined(2), Good(2), Broken], &[(Responses, true, Broken)];
    framed_wrongly_before_content: "breaks HTTP's own framing, at first", Always(BadChunk(0)), false,
        [Good(2), Good(2), Good(2), Good(2), Refused(502)], &[];
    framed_wrongly_behind_content: "breaks HTTP's own framing, in the middle", Always(BadChunk(3)), false,
        [Joined(2), Good(2), Joined(2), Good(2), Broken], &[(Responses, true, Broken)];
    no_last_word: "says all, and ends without the wire's last word", Always(NoDone), false,
        [Joined(2), Skip, Joined(2), Good(2), Broken], &[(Chat, true, Own(1)), (Chat, false, Own(1)), (Responses, true, Broken)];
    error_before_content: "sends an error event behind its first lifecycle events", Always(ErrorEvent(Failed, 0)), false,
        [Good(2), Skip, Good(2), Good(2), Refused(502)], &[];
    throttled_inside_its_stream: "says in its stream, at first, that it is throttled", Always(ErrorEvent(Throttled, 0)), false,
        [Good(2), Skip, Good(2), Good(2), Refused(429)], &[];
    error_behind_content: "sends an error event in the middle", Always(ErrorEvent(Unavailable, 3)), false,
        [Joined(2), Skip, Joined(2), Good(2), Broken], &[(Responses, true, Broken)];
    error_with_a_good_status: "answers 200 with an error's body", Always(ErrorBody), false,
        [Good(2), Good(2), Good(2), Good(2), Refused(502)], &[];
    context_too_long: "refuses the conversation as too long, and the next target takes longer ones", Always(Refuse(TooLong, Unsaid)), false,
        [Good(2), Good(2), Good(2), Good(2), Refused(400)], &[];
    refused_by_a_filter: "refuses the request by its content filter", Always(Refuse(Forbidden, Unsaid)), false,
        [Refused(400), Refused(400), Refused(400), Refused(400), Refused(400)], &[];
    ended_by_a_filter: "ends its answer by its content filter", Always(Filtered), false,
        [Expect::Filtered, Expect::Filtered, Expect::Filtered, Expect::Filtered, Expect::Filtered], &[];
    cut_inside_arguments: "resets the connection inside a tool call's arguments", Always(Cut(3)), true,
        [Broken, Good(2), Good(2), Good(2), Broken], &[];
    broken_gzip: "sends a body that says it is gzip, and is not", Always(Gzip), false,
        [Good(2), Good(2), Good(2), Good(2), Refused(502)], &[];
    a_line_of_ten_mebibytes: "says 10 MiB in one event, or in one piece", Always(LongLine), false,
        [Good(2), Own(1), Good(2), Good(2), Refused(502)], &[];
}

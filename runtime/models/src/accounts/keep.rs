//! Rows on their way into the ledger: in pieces that others need not wait for long, again until they are there. What the
//! ledger can't keep for what it is goes out of the way of the rest.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use greenroom_kernel::{Ledger, Records, RequestContent, RequestRow, StoreError};
use tokio_util::sync::CancellationToken;

use super::heap::said;
use super::{Accounts, Redact};

/// How long it waits before it sends again what the ledger did not take.
const AGAIN: Duration = Duration::from_millis(200);
/// How many rows of a kind share a commit at most.
const AT_ONCE: usize = 1_024;
/// How many bytes of what was said do. Ledgers write them out on the thread that asks.
const SAID_AT_ONCE: usize = 256 * 1024;
/// How often it tries in vain to write what is left once the process stops.
const LAST_TRIES: u32 = 5;

/// What came of a piece.
enum Kept {
    /// All of it is durable.
    All,
    /// Something in it can't be kept, for what it is.
    Unfit(StoreError),
    /// The process stops and the ledger is away.
    Nothing,
}

impl Accounts {
    /// Has the ledger keep all of these, whatever it takes, save what it can't.
    pub(super) async fn keep(&self, ledger: &dyn Ledger, records: Records, closing: &CancellationToken) {
        let records = self.masked(records).await;
        let mut pieces = pieces(records);
        pieces.reverse();
        let mut patience = LAST_TRIES;
        while let Some(piece) = pieces.pop() {
            if piece.is_empty() {
                continue;
            }
            let piece = Arc::new(piece);
            match self.keep_piece(ledger, &piece, closing, &mut patience).await {
                Kept::All => {
                    self.counted
                        .written
                        .fetch_add(piece.tries.len() as u64, Ordering::Relaxed);
                }
                Kept::Unfit(error) => match parted(&piece) {
                    Some((first, rest)) => pieces.extend([rest, first]),
                    None => self.skip(&piece, &error),
                },
                Kept::Nothing => {
                    let rows = piece.tries.len() + piece.requests.len();
                    self.counted.lost.fetch_add(rows as u64, Ordering::Relaxed);
                }
            }
        }
    }

    async fn keep_piece(
        &self,
        ledger: &dyn Ledger,
        piece: &Arc<Records>,
        closing: &CancellationToken,
        patience: &mut u32,
    ) -> Kept {
        let mut tries = 0_u32;
        loop {
            tries += 1;
            let error = match ledger.record(Arc::clone(piece)).await {
                Ok(()) => return Kept::All,
                Err(error) if error.is_of_content() => return Kept::Unfit(error),
                Err(error) => error,
            };
            let rows = piece.tries.len();
            if closing.is_cancelled() {
                *patience = patience.saturating_sub(1);
            }
            if *patience == 0 {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    rows,
                    "the ledger is not written: these rows are lost"
                );
                return Kept::Nothing;
            }
            if tries == 1 || tries.is_multiple_of(50) {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    rows,
                    "the ledger is not written: it is tried again"
                );
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// One row that can't be kept, whoever asks again.
    fn skip(&self, piece: &Records, error: &StoreError) {
        self.counted.unfit.fetch_add(1, Ordering::Relaxed);
        let of_try = piece.tries.iter().map(|row| ("try", row.id, &row.caller));
        let of_request = piece.requests.iter().map(|row| ("request", row.id, &row.caller));
        for (what, id, caller) in of_try.chain(of_request) {
            tracing::error!(
                error = error as &dyn std::error::Error,
                what,
                id = format!("{:032x}", id.0),
                tenant = %caller.tenant,
                subject = caller.subject.as_str(),
                request = caller.request.as_deref(),
                "the ledger can't keep a row: it is lost"
            );
        }
    }

    /// The same without secrets in what was said. That is looked for on a thread that nobody else waits for.
    async fn masked(&self, records: Records) -> Records {
        let Some(redact) = self.config.content.clone() else {
            return records;
        };
        let Records { tries, mut requests } = records;
        let contents: Vec<_> = requests.iter_mut().map(|row| row.content.take()).collect();
        let masking = tokio::task::spawn_blocking(move || {
            let contents = contents.into_iter();
            contents
                .map(|content| content.map(|content| without_secrets(content, &redact)))
                .collect::<Vec<_>>()
        });
        // What could not be looked through isn't kept.
        for (row, content) in requests.iter_mut().zip(masking.await.unwrap_or_default()) {
            row.content = content;
        }
        Records { tries, requests }
    }
}

fn without_secrets(content: RequestContent, redact: &Redact) -> RequestContent {
    RequestContent {
        asked: redact(&content.asked),
        answered: redact(&content.answered),
    }
}

/// What is written at once: others write to the same store, and shall not wait for long.
fn pieces(records: Records) -> Vec<Records> {
    let Records { tries, requests } = records;
    let (mut tries, mut requests) = (tries.into_iter(), requests.into_iter().peekable());
    let mut pieces = Vec::new();
    loop {
        let (mut some, mut bytes) = (Vec::new(), 0);
        while let Some(row) = requests
            .next_if(|row| some.len() < AT_ONCE && (some.is_empty() || bytes + said(row) <= SAID_AT_ONCE))
        {
            bytes += said(&row);
            some.push(row);
        }
        let piece = Records {
            tries: tries.by_ref().take(AT_ONCE).collect(),
            requests: some,
        };
        if piece.is_empty() {
            return pieces;
        }
        pieces.push(piece);
    }
}

/// A piece in two, so that what is wrong with it is found; none where it is one row. A request is left without what was
/// said before it is given up.
fn parted(piece: &Records) -> Option<(Records, Records)> {
    let Records { tries, requests } = piece;
    match (&tries[..], &requests[..]) {
        ([], [request]) => {
            request.content.as_ref()?;
            let bare = RequestRow {
                content: None,
                ..request.clone()
            };
            let bare = Records {
                tries: Vec::new(),
                requests: vec![bare],
            };
            Some((bare, Records::default()))
        }
        ([_], []) | ([], []) => None,
        (_, []) => {
            let (first, rest) = tries.split_at(tries.len() / 2);
            Some((of_tries(first), of_tries(rest)))
        }
        ([], _) => {
            let (first, rest) = requests.split_at(requests.len() / 2);
            Some((of_requests(first), of_requests(rest)))
        }
        _ => Some((of_tries(tries), of_requests(requests))),
    }
}

fn of_tries(tries: &[greenroom_kernel::LedgerRow]) -> Records {
    Records {
        tries: tries.to_vec(),
        requests: Vec::new(),
    }
}

fn of_requests(requests: &[RequestRow]) -> Records {
    Records {
        tries: Vec::new(),
        requests: requests.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use greenroom_kernel::{Caller, LedgerId, Subject, TenantId, Timestamp, Usage};

    use super::*;

    fn request(bytes: usize) -> RequestRow {
        let caller = Caller::new(TenantId::parse("acme").unwrap(), Subject::parse("ann").unwrap());
        RequestRow {
            id: LedgerId(1),
            at: Timestamp::from_millis(1),
            caller: Arc::new(caller),
            asked: None,
            streamed: false,
            served: None,
            tries: 1,
            failure: None,
            took_ms: 1,
            first_content_ms: None,
            usage: Usage::default(),
            content: Some(RequestContent {
                asked: "x".repeat(bytes),
                answered: String::new(),
            }),
        }
    }

    #[test]
    fn pieces_are_bounded_by_rows_and_by_what_was_said() {
        let sizes = |requests: Vec<RequestRow>| {
            let records = Records {
                tries: Vec::new(),
                requests,
            };
            let pieces = pieces(records);
            pieces
                .iter()
                .map(|piece| piece.requests.len())
                .collect::<Vec<_>>()
        };
        assert_eq!(sizes(vec![request(0); 2 * AT_ONCE + 1]), [AT_ONCE, AT_ONCE, 1]);
        assert_eq!(sizes(vec![request(SAID_AT_ONCE / 2); 5]), [2, 2, 1]);
        // One that is larger goes alone.
        assert_eq!(sizes(vec![request(SAID_AT_ONCE + 1); 2]), [1, 1]);
    }
}

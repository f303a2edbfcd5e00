//! What is asked of a process and another one has: the word is passed on to that one, as a gateway's pool does it.
//!
//! Only a refusal that names another is followed: then nothing was begun.

use greenroom_kernel::{ErrorCode, Failure, HostPort};

/// How many are asked. A session that comes back to whoever had it needs four, and another one may be asked first.
const HOPS: u32 = 5;

/// Asks here, then at whoever is named.
///
/// # Errors
/// What the last one said; where it can't be reached, that it has what is asked for, and what to do.
pub(super) async fn follow<T, F>(ask: impl Fn(Option<HostPort>) -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    let mut at: Option<HostPort> = None;
    for _ in 0..HOPS {
        let mut failure = match ask(at.clone()).await {
            Ok(answer) => return Ok(answer),
            Err(failure) => failure,
        };
        match (failure.elsewhere.take(), at) {
            (Some(next), _) => at = Some(*next),
            (None, Some(at)) if failure.code == ErrorCode::Unavailable => {
                return Err(Failure {
                    message: format!(
                        "the supervisor at {at} has this session, and it could not be asked from here ({}): ask again, or \
                         run the command on its machine",
                        failure.message
                    ),
                    ..failure
                });
            }
            (None, _) => return Err(failure),
        }
    }
    let last = at.map_or_else(|| "nobody".to_owned(), |at| at.to_string());
    Err(Failure::unavailable(format!(
        "this session is on its way from one supervisor to another, {last} was named last: ask again"
    )))
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;

    fn at(port: u16) -> HostPort {
        HostPort::new("127.0.0.1", port).unwrap()
    }

    /// Follows through answers that stand ready for each that is asked in turn; who was asked.
    async fn led(answers: Vec<Result<u32, Failure>>) -> (Result<u32, Failure>, Vec<Option<HostPort>>) {
        let (asked, answers) = (Mutex::new(Vec::new()), Mutex::new(answers.into_iter()));
        let told = follow(|at| {
            asked.lock().push(at);
            let answer = answers.lock().next().unwrap();
            async move { answer }
        });
        (told.await, asked.into_inner())
    }

    #[tokio::test]
    async fn what_another_has_is_asked_of_that_one() {
        assert_eq!(led(vec![Ok(1)]).await, (Ok(1), vec![None]));
        let sent_on = |port| Err(Failure::elsewhere(at(port)));
        let (told, asked) = led(vec![sent_on(1), sent_on(2), Ok(7)]).await;
        assert_eq!((told, asked), (Ok(7), vec![None, Some(at(1)), Some(at(2))]));
        // From a third one, where the session goes back to whoever had it.
        let back = vec![sent_on(1), sent_on(2), sent_on(1), sent_on(2), Ok(7)];
        assert_eq!(led(back).await.0, Ok(7));
        let conflict = Failure::new(ErrorCode::Conflict, "no");
        let (told, _) = led(vec![sent_on(1), Err(conflict.clone())]).await;
        assert_eq!(told, Err(conflict));
    }

    #[tokio::test]
    async fn who_has_it_and_can_t_be_asked_is_named_with_what_to_do() {
        let refused = Failure::unavailable("connection refused");
        let (told, _) = led(vec![Err(Failure::elsewhere(at(1))), Err(refused.clone())]).await;
        let told = told.unwrap_err();
        assert!(told.retryable && told.code == ErrorCode::Unavailable);
        for part in ["127.0.0.1:1", "connection refused", "on its machine"] {
            assert!(told.message.contains(part), "{told}");
        }
        // Here it says for itself what is wrong.
        assert_eq!(led(vec![Err(refused.clone())]).await.0, Err(refused));
    }

    #[tokio::test]
    async fn one_that_is_sent_in_a_circle_comes_to_an_end() {
        let circle = (0..20)
            .map(|hop| Err(Failure::elsewhere(at(1 + hop % 2))))
            .collect();
        let (told, asked) = led(circle).await;
        let told = told.unwrap_err();
        assert_eq!((asked.len(), told.elsewhere), (5, None));
        assert!(told.message.contains("127.0.0.1:1"), "{}", told.message);
    }
}

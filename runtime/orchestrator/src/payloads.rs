//! Large texts: stored before the entry that names them, fetched when somebody reads them.

use std::sync::Arc;

use greenroom_kernel::{BlobId, Failure, INLINE_LIMIT, JournalKey, Payload, Store};

/// How often a store that doesn't answer is asked again: about half a minute.
const TRIES: u32 = 30;
const PAUSE: std::time::Duration = std::time::Duration::from_millis(100);

/// Makes a payload of a text. A large one is durable when this returns.
pub(crate) async fn stash(store: &dyn Store, key: &JournalKey, text: String) -> Result<Payload, Failure> {
    if text.len() <= INLINE_LIMIT {
        return Ok(Payload::inline(text));
    }
    if let Some(why) = store.payload_limit().refuses(text.len()) {
        return Err(Failure::bad_input(why));
    }
    let id = BlobId::of(&text);
    store
        .put_blob(key, &id, &text)
        .await
        .map_err(|error| Failure::from(&error))?;
    Ok(Payload::Blob {
        id,
        bytes: text.len() as u64,
    })
}

/// Makes a payload of a text that would be lost otherwise.
pub(crate) async fn stash_patiently(
    store: &dyn Store,
    key: &JournalKey,
    text: String,
) -> Result<Payload, Failure> {
    if text.len() <= INLINE_LIMIT {
        return Ok(Payload::inline(text));
    }
    patiently(|| stash(store, key, text.clone())).await
}

/// Does it again while the store may yet answer, at most [`TRIES`] times: for work that would be lost otherwise.
pub(crate) async fn patiently<T, F>(operation: impl FnMut() -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    repeat(operation, |_| true).await
}

/// The same, but what another process is to do isn't asked for again here.
pub(crate) async fn patiently_unless_elsewhere<T, F>(operation: impl FnMut() -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    repeat(operation, |failure| failure.elsewhere.is_none()).await
}

async fn repeat<T, F>(
    mut operation: impl FnMut() -> F,
    again: impl Fn(&Failure) -> bool,
) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    let mut tried = 0;
    loop {
        match operation().await {
            Err(failure) if failure.retryable && again(&failure) && tried < TRIES => {
                tried += 1;
                tokio::time::sleep(PAUSE * tried.min(10)).await;
            }
            outcome => return outcome,
        }
    }
}

/// The text of a payload. One that was removed reads as empty.
pub(crate) async fn fetch(
    store: &dyn Store,
    key: &JournalKey,
    payload: &Payload,
) -> Result<Arc<str>, Failure> {
    match payload {
        Payload::Inline(text) => Ok(Arc::clone(text)),
        Payload::Hollow => Ok("".into()),
        Payload::Blob { id, .. } => {
            let failed = |error| Failure::from(&error);
            if let Some(text) = store.blob(key, id).await.map_err(failed)? {
                return Ok(text);
            }
            // Hollowed since the entry that names it was read.
            match store.session(&key.tenant, &key.journal).await.map_err(failed)? {
                Some(session) if session.deleted => Ok("".into()),
                _ => Err(Failure::internal("a stored payload is missing")),
            }
        }
    }
}

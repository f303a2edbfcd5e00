//! Fetches the model by HTTP, streamed to disk and checked while it arrives.

use std::io::Write;
use std::path::Path;

use futures::StreamExt;

use super::checksum::Checksum;
use super::error::SourceError;
use super::spec::SourceConfig;
use super::{Origin, SourceProgress};

/// Downloads `url` into the cache and returns when the file stands there whole. Cancel-safe: what had arrived
/// is removed.
pub(crate) async fn fetch(
    config: &SourceConfig,
    url: &str,
    on_progress: &mut (dyn FnMut(SourceProgress) + Send),
) -> Result<(), SourceError> {
    let failed = |source: reqwest::Error| SourceError::Download {
        url: url.to_owned(),
        source: source.without_url(),
    };
    let cache = |source| SourceError::Cache {
        path: config.cache_folder.clone(),
        source,
    };
    let client = reqwest::Client::builder()
        .connect_timeout(config.connect_timeout)
        .read_timeout(config.stall_timeout)
        .build()
        .map_err(failed)?;
    let response = client.get(url).send().await.map_err(failed)?;
    if !response.status().is_success() {
        return Err(SourceError::Status {
            url: url.to_owned(),
            status: response.status().as_u16(),
        });
    }
    let model = &config.model;
    let total = Some(response.content_length().unwrap_or(model.bytes));
    let mut file = tempfile::Builder::new()
        .prefix(super::FETCH_PREFIX)
        .tempfile_in(&config.cache_folder)
        .map_err(cache)?;
    let mut checksum = Checksum::default();
    let mut done = 0;
    let mut chunks = response.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(failed)?;
        done += chunk.len() as u64;
        if done > model.bytes {
            return Err(SourceError::TooLarge {
                url: url.to_owned(),
                limit: model.bytes,
            });
        }
        checksum.update(&chunk);
        file.write_all(&chunk).map_err(cache)?;
        on_progress(SourceProgress {
            origin: Origin::Url,
            done,
            total,
        });
    }
    let found = checksum.finish();
    if found != model.sha256 {
        return Err(SourceError::Checksum {
            from: url.to_owned(),
            expected: model.sha256.clone(),
            found,
        });
    }
    file.as_file().sync_all().map_err(cache)?;
    file.persist(config.cache_file())
        .map_err(|error| cache(error.error))?;
    sync_folder(&config.cache_folder);
    Ok(())
}

/// Makes a rename in `folder` durable where the system can; elsewhere the file is at worst fetched again.
pub(crate) fn sync_folder(folder: &Path) {
    if let Err(error) = std::fs::File::open(folder).and_then(|folder| folder.sync_all()) {
        tracing::debug!(folder = %folder.display(), %error, "the model cache could not be synced");
    }
}

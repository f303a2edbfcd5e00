//! A command's way to an answer.

use super::{Answer, Offline, Reached, Request, ask};
use crate::config::StoreSettings;
use crate::failed::Failed;
use crate::parts::dev_principal;
use crate::table;

/// Asks the process that has the store open, or else the store itself. Blocks.
///
/// # Errors
/// A store that isn't there or can't be opened, or a process that can't be spoken to.
pub(crate) fn answer(store: &StoreSettings, request: &Request) -> Result<Answer, Failed> {
    if let Reached::Process(answer) = ask(store.seat(), request)? {
        return Ok(answer);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let tenant = dev_principal(Vec::new())?.tenant;
    let offline = match store {
        StoreSettings::Sqlite(path) if !path.exists() => {
            return Err(Failed::because(format!(
                "there is no store at {}: name it with --store, or run `greenroom dev` once",
                path.display()
            )));
        }
        StoreSettings::Sqlite(path) => Offline::open(path, tenant)?,
        StoreSettings::DynamoDb(settings) => {
            let table = runtime.block_on(table::open(settings, None))?;
            Offline::on(table, tenant)
        }
    };
    Ok(runtime.block_on(offline.answer(request.clone())))
}

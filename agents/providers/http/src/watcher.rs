//! What a relayed answer means, read while its bytes pass.

use greenroom_kernel::{ProviderFault, RelaySign};

/// Reads what a relayed answer means while it passes.
pub trait Watcher: Send + 'static {
    /// The data of one event of a stream.
    fn event(&mut self, data: &[u8]) -> Result<RelaySign, ProviderFault>;
    /// The stream is over without [`RelaySign::End`]: its end, if the answer is whole.
    fn end(&mut self) -> Result<RelaySign, ProviderFault>;
    /// A whole body, of a request that was not streamed.
    fn whole(&mut self, body: &[u8]) -> Result<RelaySign, ProviderFault>;
}

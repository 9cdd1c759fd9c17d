//! Where files are delivered to.

use std::future::Future;

use crate::error::CallError;

/// Puts files into a bucket.
pub trait PutFile: Send + Sync + 'static {
    /// Puts a file of these bytes under a key, in place of one that is there. When it returns, the file
    /// is there whole.
    fn put_file(
        &self,
        bucket: &str,
        key: &str,
        body: Vec<u8>,
        content_type: &str,
    ) -> impl Future<Output = Result<(), CallError>> + Send;
}

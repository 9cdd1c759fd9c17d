//! A bucket in memory that files are put into.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use guard::error::CallError;
use guard::ports::files::PutFile;

use super::power::Power;

/// The files, and how putting them fails.
#[derive(Default)]
pub struct MemoryFiles {
    /// The newest bytes of each key.
    pub files: Mutex<BTreeMap<String, Vec<u8>>>,
    /// Every put, in order.
    pub puts: Mutex<Vec<(String, String)>>,
    /// Answers to give instead of the next ones.
    pub failures: Mutex<VecDeque<CallError>>,
    pub power: Mutex<Option<Arc<Power>>>,
}

impl MemoryFiles {
    pub fn keys(&self) -> Vec<String> {
        self.files.lock().unwrap().keys().cloned().collect()
    }
}

impl PutFile for MemoryFiles {
    async fn put_file(
        &self,
        bucket: &str,
        key: &str,
        body: Vec<u8>,
        content_type: &str,
    ) -> Result<(), CallError> {
        assert_eq!(content_type, "application/gzip");
        if let Some(failure) = self.failures.lock().unwrap().pop_front() {
            return Err(failure);
        }
        let put = || {
            let mut puts = self.puts.lock().unwrap();
            puts.push((bucket.to_owned(), key.to_owned()));
            self.files.lock().unwrap().insert(key.to_owned(), body);
        };
        let power = self.power.lock().unwrap().clone();
        match power {
            Some(power) => power.call(put).await,
            None => put(),
        }
        Ok(())
    }
}

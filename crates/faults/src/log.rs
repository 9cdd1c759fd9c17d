//! What happened so far, and waiting for what has not happened yet.

use std::fmt;
use std::time::Duration;

use tokio::sync::watch;

/// How long a test waits for something before it fails: only ever reached by a failure.
const LIMIT: Duration = Duration::from_secs(60);

/// A list that grows while a test looks on. Clones are the same list.
#[derive(Debug)]
pub struct Log<T>(watch::Sender<Vec<T>>);

/// What a test waited for did not happen in a minute. Its text is everything that did.
#[derive(Debug)]
pub struct NotSeen(String);

impl fmt::Display for NotSeen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "not seen within {} s; what happened: {}",
            LIMIT.as_secs(),
            self.0
        )
    }
}

impl std::error::Error for NotSeen {}

impl<T> Clone for Log<T> {
    fn clone(&self) -> Log<T> {
        Log(self.0.clone())
    }
}

impl<T: Clone + fmt::Debug> Log<T> {
    pub(crate) fn new() -> Log<T> {
        Log(watch::Sender::new(Vec::new()))
    }

    /// Adds an entry; its place in the list.
    pub(crate) fn push(&self, entry: T) -> usize {
        let mut place = 0;
        self.0.send_modify(|entries| {
            place = entries.len();
            entries.push(entry);
        });
        place
    }

    pub(crate) fn change(&self, place: usize, change: impl FnOnce(&mut T)) {
        self.0.send_modify(|entries| {
            if let Some(entry) = entries.get_mut(place) {
                change(entry);
            }
        });
    }

    /// Everything so far.
    #[must_use]
    pub fn all(&self) -> Vec<T> {
        self.0.borrow().clone()
    }

    /// How many entries so far are such.
    #[must_use]
    pub fn count(&self, such: impl Fn(&T) -> bool) -> usize {
        self.0.borrow().iter().filter(|entry| such(entry)).count()
    }

    /// Waits until the list is as `enough` says, and returns it. It may be so already.
    ///
    /// # Errors
    ///
    /// [`NotSeen`] after a minute, with everything that is in the list.
    pub async fn wait_for(&self, mut enough: impl FnMut(&[T]) -> bool) -> Result<Vec<T>, NotSeen> {
        let mut changes = self.0.subscribe();
        let seen = tokio::time::timeout(LIMIT, changes.wait_for(|entries| enough(entries))).await;
        match seen {
            Ok(Ok(entries)) => Ok(entries.clone()),
            // The sender lives in `self`: only the time can have run out.
            Ok(Err(_)) | Err(_) => Err(NotSeen(format!("{:#?}", self.all()))),
        }
    }

    /// Waits for the first entry that is such.
    ///
    /// # Errors
    ///
    /// [`NotSeen`] after a minute, with everything that is in the list.
    pub async fn wait_for_one(&self, such: impl Fn(&T) -> bool) -> Result<T, NotSeen> {
        let entries = self.wait_for(|entries| entries.iter().any(&such)).await?;
        let found = entries.into_iter().find(|entry| such(entry));
        found.ok_or_else(|| NotSeen(String::new()))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waits_for_what_comes_later_and_sees_what_has_been() {
        let log = Log::new();
        log.push("a");
        let waiting = {
            let log = log.clone();
            tokio::spawn(async move { log.wait_for(|entries| entries.len() == 3).await })
        };
        tokio::task::yield_now().await;
        log.push("b");
        log.push("c");
        assert_eq!(waiting.await.unwrap().unwrap(), ["a", "b", "c"]);
        assert_eq!(log.wait_for_one(|entry| *entry > "a").await.unwrap(), "b");
        assert_eq!(log.count(|entry| *entry != "b"), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_says_what_happened_instead() {
        let log = Log::new();
        log.push("something else");
        let error = log.wait_for(|entries| entries.len() == 2).await;
        let error = error.unwrap_err().to_string();
        assert!(error.contains("something else"), "{error}");
    }
}

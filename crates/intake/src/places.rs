//! How many requests of a route are worked at at once, and how much of their bodies is held before that.
//!
//! A route has its places for itself, and a body is whole before it gets one: who sends a byte a second
//! keeps a connection, and nobody from being answered. A body that comes too late, or for which there is
//! no room, is refused so that it comes again.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use compliance::event::LARGEST_MESSAGE;
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::server::unavailable;

/// The bounds of one route.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// So many requests are worked at at once; more wait, within their time.
    pub(crate) requests: usize,
    /// A body is whole within this.
    pub(crate) body_within: Duration,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds {
            requests: 32,
            // EventBridge does not wait for an answer any longer.
            body_within: Duration::from_secs(5),
        }
    }
}

/// All bodies of a route that are not answered yet have so many bytes together.
const ROOM: usize = 32 * LARGEST_MESSAGE;

/// The places of one route; clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    free: Arc<Semaphore>,
    room: Arc<Semaphore>,
    body_within: Duration,
}

/// A body that is whole. Its room is free again when it goes.
#[derive(Debug)]
pub(crate) struct Whole {
    pub(crate) text: String,
    _room: Option<OwnedSemaphorePermit>,
}

/// Why a body did not become whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotWhole {
    /// It is larger than any event, or was cut off; who cut it off reads no answer.
    TooLarge,
    /// Its time was over.
    TooSlow,
    /// Others take all the room.
    NoRoom,
}

impl NotWhole {
    /// A word for counting.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            NotWhole::TooLarge => "too-large",
            NotWhole::TooSlow => "too-slow",
            NotWhole::NoRoom => "no-room",
        }
    }

    pub(crate) fn answer(self) -> Response {
        match self {
            NotWhole::TooLarge => {
                (StatusCode::PAYLOAD_TOO_LARGE, "larger than any event\n").into_response()
            }
            NotWhole::TooSlow => unavailable("it came too slowly; come again\n"),
            NotWhole::NoRoom => unavailable("busy; come again\n"),
        }
    }
}

impl Places {
    pub(crate) fn new(bounds: Bounds) -> Places {
        Places {
            free: Arc::new(Semaphore::new(bounds.requests.max(1))),
            room: Arc::new(Semaphore::new(ROOM)),
            body_within: bounds.body_within,
        }
    }

    /// A place, as soon as one is free. It is for what is whole already.
    pub(crate) async fn take(&self) -> Option<OwnedSemaphorePermit> {
        // The semaphore is never closed; if it were, there would be no bound but an answer.
        Arc::clone(&self.free).acquire_owned().await.ok()
    }

    /// The whole body, before there is a place for it.
    pub(crate) async fn whole(&self, body: Body) -> Result<Whole, NotWhole> {
        let read = tokio::time::timeout(self.body_within, self.read(body));
        read.await.unwrap_or(Err(NotWhole::TooSlow))
    }

    async fn read(&self, mut body: Body) -> Result<Whole, NotWhole> {
        let announced = usize::try_from(body.size_hint().lower());
        if announced.map_or(true, |bytes| bytes > LARGEST_MESSAGE) {
            return Err(NotWhole::TooLarge);
        }
        let mut bytes = Vec::new();
        let mut room: Option<OwnedSemaphorePermit> = None;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| NotWhole::TooLarge)?;
            // Trailers say nothing here.
            let data = frame.into_data().unwrap_or_default();
            if bytes.len() + data.len() > LARGEST_MESSAGE {
                return Err(NotWhole::TooLarge);
            }
            // Only what has come takes room. Nobody waits for it holding some.
            let more = u32::try_from(data.len()).map_err(|_| NotWhole::TooLarge)?;
            let more = Arc::clone(&self.room).try_acquire_many_owned(more);
            let more = more.map_err(|_| NotWhole::NoRoom)?;
            match &mut room {
                Some(room) => room.merge(more),
                None => room = Some(more),
            }
            bytes.extend_from_slice(&data);
        }
        Ok(Whole {
            text: String::from_utf8_lossy(&bytes).into_owned(),
            _room: room,
        })
    }
}

//! `POST /sns`: notifications of Amazon SNS over HTTPS.
//!
//! Anyone can reach the address, so a message is believed by its signature only (Amazon SNS developer
//! guide, "Verifying the signatures of Amazon SNS messages"), by the topic that it names (everybody may
//! have topics, and SNS signs for all of them), and within a span of time around its own. A message that
//! asks to confirm a subscription is answered by fetching the address that it names, on SNS's own hosts,
//! and only for a topic that is expected.
//!
//! SNS repeats after 5xx and 429 and not after other refusals ("Amazon SNS message delivery retries"), for
//! an hour at most; the message keeps its time meanwhile.

mod address;
mod certificate;
mod message;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use guard::intake::EventSink;
use jiff::SignedDuration;

pub use certificate::{Authority, CertificateError, Certificates};
pub use message::{Kind, Message, MessageError};

use crate::Now;
use crate::events::store;
use crate::fetch::Fetch;
use crate::places::Places;
use crate::server::unavailable;
use crate::sources::SourceWatch;

/// How far the time of a message may be in the past: SNS repeats for an hour, and clocks differ.
const OLDEST: SignedDuration = SignedDuration::from_hours(2);
/// And in the future.
const NEWEST: SignedDuration = SignedDuration::from_mins(15);

/// What the route needs.
pub struct SnsRoute<S, F> {
    /// The topics that are expected, by their whole ARNs.
    pub topics: BTreeSet<String>,
    /// The certificates that messages are signed with.
    pub certificates: Certificates<F>,
    /// Fetches addresses of SNS.
    pub fetch: Arc<F>,
    /// The source that the events are of.
    pub watch: SourceWatch,
    /// Takes them.
    pub sink: Arc<S>,
    /// How long the sink may take; SNS waits fifteen seconds for an answer.
    pub within: Duration,
    /// Tells the time.
    pub now: Now,
}

impl<S, F> fmt::Debug for SnsRoute<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnsRoute")
            .field("topics", &self.topics)
            .field("source", self.watch.source())
            .finish_non_exhaustive()
    }
}

/// Why a message is not believed, or not yet.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error(transparent)]
    Message(#[from] MessageError),
    #[error("the topic is not one that is expected here")]
    Topic,
    #[error("its time is too far from now")]
    Time,
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

impl Refusal {
    /// A word for counting.
    fn reason(&self) -> &'static str {
        match self {
            Refusal::Message(_) => "not-sns",
            Refusal::Topic => "other-topic",
            Refusal::Time => "other-time",
            Refusal::Certificate(CertificateError::Fetch(_) | CertificateError::TooOften) => {
                "no-certificate"
            }
            Refusal::Certificate(_) => "forged",
        }
    }

    fn answer(&self) -> Response {
        let passing = matches!(
            self,
            Refusal::Certificate(CertificateError::Fetch(_) | CertificateError::TooOften)
        );
        if passing {
            return unavailable("the certificate could not be had; come again\n");
        }
        let status = match self {
            Refusal::Message(_) => StatusCode::BAD_REQUEST,
            _ => StatusCode::FORBIDDEN,
        };
        (status, format!("{self}\n")).into_response()
    }
}

pub(crate) async fn take<S: EventSink, F: Fetch>(
    State((route, places)): State<(Arc<SnsRoute<S, F>>, Places)>,
    request: Request,
) -> Response {
    // Nobody has proved anything yet.
    let whole = match places.whole(request.into_body()).await {
        Ok(whole) => whole,
        Err(why) => {
            route.watch.rejected(why.reason(), 1);
            return why.answer();
        }
    };
    let message = match route.believed(&whole.text).await {
        Ok(message) => message,
        Err(refusal) => {
            route.watch.rejected(refusal.reason(), 1);
            tracing::warn!(
                source = route.watch.source().name,
                why = refusal.to_string(),
                "a message for SNS's intake was refused"
            );
            return refusal.answer();
        }
    };
    // Not before: a certificate that is long in coming takes no place from those who need none.
    let _place = places.take().await;
    let now = (route.now)();
    match message.kind() {
        Kind::Notification => {
            route.watch.heard(now);
            // Only what was signed goes on.
            let signed = message.signed_json();
            store(&*route.sink, &route.watch, &signed, route.within).await
        }
        Kind::SubscriptionConfirmation => route.confirm(&message).await,
        Kind::UnsubscribeConfirmation => {
            let why = format!("the subscription to {} has ended", message.topic());
            route.watch.silent(now, why);
            StatusCode::OK.into_response()
        }
    }
}

impl<S: EventSink, F: Fetch> SnsRoute<S, F> {
    async fn believed(&self, text: &str) -> Result<Message, Refusal> {
        let message = Message::parse(text)?;
        // Before anything is fetched.
        if !self.topics.contains(message.topic()) {
            return Err(Refusal::Topic);
        }
        let now = (self.now)();
        let age = now.duration_since(message.time());
        if age > OLDEST || age < -NEWEST {
            return Err(Refusal::Time);
        }
        self.certificates.verify(&message, now).await?;
        Ok(message)
    }

    /// Confirms a subscription to a topic that is expected.
    async fn confirm(&self, message: &Message) -> Response {
        let Some(address) = message.subscribe_address() else {
            self.watch.rejected("forged", 1);
            let answer = (
                StatusCode::FORBIDDEN,
                "the address to confirm is not SNS's\n",
            );
            return answer.into_response();
        };
        match self.fetch.get(address, LARGEST_ANSWER).await {
            Ok(_) => {
                tracing::info!(topic = message.topic(), "the subscription is confirmed");
                self.watch.heard((self.now)());
                StatusCode::OK.into_response()
            }
            Err(why) => {
                // The address holds a token that confirms.
                tracing::warn!(
                    topic = message.topic(),
                    why,
                    "the subscription was not confirmed"
                );
                unavailable("not confirmed; come again\n")
            }
        }
    }
}

/// SNS answers a confirmation with a few hundred bytes of XML.
const LARGEST_ANSWER: usize = 64 * 1024;
